//! W3C Trace Context: the headers `traceparent` and `tracestate` (Recommendation of 23 November 2021, and the flag for
//! random ids of Level 2).

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Length of a `traceparent` of version 00; later versions are not shorter.
const PARENT_LENGTH: usize = 55;
/// How many members a `tracestate` may have.
const MOST_MEMBERS: usize = 32;
/// Longest `tracestate` that is passed on, in bytes. The Recommendation asks for 512.
const LONGEST_STATE: usize = 8192;

const SAMPLED: u8 = 1;
/// Level 2: the last seven bytes of the trace id are random.
const RANDOM: u8 = 2;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($length:literal);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// `None` for zero, which is no id.
            pub fn new(bytes: [u8; $length]) -> Option<Self> {
                (bytes != [0; $length]).then_some($name(bytes))
            }

            /// The bytes, in the order in which they are written.
            pub fn bytes(self) -> [u8; $length] {
                self.0
            }

            /// Reads lower-case hexadecimal digits.
            fn from_hex(digits: &[u8]) -> Option<Self> {
                let mut bytes = [0; $length];
                for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                    *byte = hex_byte(pair)?;
                }
                $name::new(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

ids! {
    /// Names a trace; not zero. 32 hexadecimal digits in text.
    TraceId(16);
    /// Names a span within a trace; not zero. 16 hexadecimal digits in text.
    SpanId(8);
}

fn hex_byte(pair: &[u8]) -> Option<u8> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)
}

/// The place of a request in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    flags: u8,
    state: Option<Box<str>>,
}

impl TraceContext {
    pub(crate) fn new(trace_id: TraceId, span_id: SpanId, sampled: bool) -> Self {
        TraceContext {
            trace_id,
            span_id,
            flags: u8::from(sampled),
            state: None,
        }
    }

    /// Reads the headers of a request. `None` without a `traceparent`, and with one that is malformed or repeated: then
    /// the trace begins anew, and `tracestate` is not looked at. A malformed `tracestate` alone is dropped.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let (parent, None) = (parents.next()?, parents.next()) else {
            return None;
        };
        let mut context = Self::from_traceparent(parent.as_bytes())?;
        context.state = read_state(headers);
        Some(context)
    }

    fn from_traceparent(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let (known, rest) = text.split_at_checked(PARENT_LENGTH)?;
        let version = hex_byte(&known[..2])?;
        let ends = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        if !ends || [2, 35, 52].iter().any(|&dash| known[dash] != b'-') {
            return None;
        }
        Some(TraceContext {
            trace_id: TraceId::from_hex(&known[3..35])?,
            span_id: SpanId::from_hex(&known[36..52])?,
            flags: hex_byte(&known[53..])? & (SAMPLED | RANDOM),
            state: None,
        })
    }

    /// The context of a span below this one.
    pub(crate) fn child(&self, span_id: SpanId) -> Self {
        TraceContext {
            span_id,
            ..self.clone()
        }
    }

    /// The trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Whether the caller records this trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The two flags that are passed on.
    pub(crate) fn flags(&self) -> u8 {
        self.flags
    }

    /// What other tracing systems say about the trace.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Replaces the headers of a request by this context.
    pub fn set_headers(&self, headers: &mut HeaderMap) {
        let parent = format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags);
        headers.insert(
            TRACEPARENT,
            HeaderValue::try_from(parent).expect("hexadecimal digits are a header's value"),
        );
        match self.state.as_deref().map(HeaderValue::from_str) {
            Some(Ok(state)) => headers.insert(TRACESTATE, state),
            _ => headers.remove(TRACESTATE),
        };
    }
}

/// The members of all `tracestate` headers. One that is malformed, or has the key of another, spoils them all.
fn read_state(headers: &HeaderMap) -> Option<Box<str>> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    let mut length = 0;
    for header in headers.get_all(TRACESTATE) {
        let text = header.to_str().ok()?;
        for member in text
            .split(',')
            .map(|member| member.trim_matches([' ', '\t']))
        {
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            if !is_key(key) || !is_value(value) {
                return None;
            }
            if members.iter().any(|(known, _)| *known == key) {
                return None;
            }
            length += member.len() + 1;
            members.push((key, member));
            if members.len() > MOST_MEMBERS || length > LONGEST_STATE {
                return None;
            }
        }
    }
    if members.is_empty() {
        return None;
    }
    let members: Vec<&str> = members.into_iter().map(|(_, member)| member).collect();
    Some(members.join(",").into())
}

fn is_key(key: &str) -> bool {
    let rest_fits = |text: &str| {
        text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte)
        })
    };
    let begins = |text: &str, digits: bool| {
        text.starts_with(|first: char| {
            first.is_ascii_lowercase() || digits && first.is_ascii_digit()
        })
    };
    match key.split_once('@') {
        None => key.len() <= 256 && begins(key, false) && rest_fits(key),
        Some((tenant, system)) => {
            tenant.len() <= 241
                && begins(tenant, true)
                && rest_fits(tenant)
                && system.len() <= 14
                && begins(system, false)
                && rest_fits(system)
        }
    }
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && !b",=".contains(&byte))
        && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn headers(parents: &[&str], states: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for parent in parents {
            headers.append(TRACEPARENT, HeaderValue::from_str(parent).unwrap());
        }
        for state in states {
            headers.append(TRACESTATE, HeaderValue::from_str(state).unwrap());
        }
        headers
    }

    fn read(parent: &str) -> Option<TraceContext> {
        TraceContext::from_headers(&headers(&[parent], &[]))
    }

    fn state(states: &[&str]) -> Option<String> {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let context = TraceContext::from_headers(&headers(&[&parent], states)).unwrap();
        context.state().map(str::to_owned)
    }

    #[test]
    fn a_traceparent_is_read() {
        for (parent, sampled) in [
            (format!("00-{TRACE}-{SPAN}-01"), true),
            (format!("00-{TRACE}-{SPAN}-00"), false),
            (format!(" 00-{TRACE}-{SPAN}-03\t"), true),
            (format!("00-{TRACE}-{SPAN}-fe"), false),
            (format!("cc-{TRACE}-{SPAN}-01"), true),
            (
                format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
                true,
            ),
            (format!("cc-{TRACE}-{SPAN}-01-"), true),
            (
                format!("00-12345678901234567890123456789012-{SPAN}-01"),
                true,
            ),
        ] {
            let context = read(&parent).unwrap_or_else(|| panic!("{parent} is sound"));
            assert_eq!(context.span_id().to_string(), SPAN);
            assert_eq!(context.is_sampled(), sampled, "{parent}");
        }
        assert_eq!(
            read(&format!("00-{TRACE}-{SPAN}-00"))
                .unwrap()
                .trace_id()
                .to_string(),
            TRACE
        );
    }

    #[test]
    fn a_malformed_traceparent_is_ignored() {
        for parent in [
            String::new(),
            "00".into(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("ff-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("cc-{TRACE}-{SPAN}-01.what"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            format!("00-.{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}1-{SPAN}-01"),
            format!("00-{TRACE}-.{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}-.0"),
            format!("00-{TRACE}-{SPAN}-0."),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("0x-{TRACE}-{SPAN}-01"),
            format!(".0-{TRACE}-{SPAN}-01"),
            format!("000-{TRACE}-{SPAN}-01"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("00-{TRACE}-{SPAN}"),
        ] {
            assert_eq!(read(&parent), None, "{parent}");
        }
        let parent = format!("00-{TRACE}-{SPAN}-01");
        assert_eq!(
            TraceContext::from_headers(&headers(&[&parent, &parent], &[])),
            None
        );
        assert_eq!(TraceContext::from_headers(&headers(&[], &["foo=1"])), None);
    }

    #[test]
    fn a_tracestate_is_passed_on() {
        let long_key = "a".repeat(256);
        let long_value = "v".repeat(256);
        let tenant = format!("{}@{}", "t".repeat(241), "s".repeat(14));
        let members: Vec<String> = (0..32).map(|number| format!("k{number}=1")).collect();
        for (sent, passed) in [
            (vec!["foo=1"], "foo=1"),
            (vec!["foo=1,bar=2"], "foo=1,bar=2"),
            (vec!["foo=1", "bar=2"], "foo=1,bar=2"),
            (vec!["foo=1", "", "bar=2,", ","], "foo=1,bar=2"),
            (vec!["foo=1 \t , \t bar=2,\t baz=3 "], "foo=1,bar=2,baz=3"),
            (vec!["foo= 1"], "foo= 1"),
            // Every character that a key or a value may have.
            (
                vec![
                    r##"x0123456789abcdefghijklmnopqrstuvwxyz_-*/= !"#$%&'()*+-./0123456789:;<>?@ABC[\]^_`abc{|}~"##,
                ],
                r##"x0123456789abcdefghijklmnopqrstuvwxyz_-*/= !"#$%&'()*+-./0123456789:;<>?@ABC[\]^_`abc{|}~"##,
            ),
            (vec!["0t@a=1"], "0t@a=1"),
            (vec![&format!("{long_key}=1")], &format!("{long_key}=1")),
            (vec![&format!("{tenant}=1")], &format!("{tenant}=1")),
            (vec![&format!("a={long_value}")], &format!("a={long_value}")),
            (vec![&members.join(",")], &members.join(",")),
        ] {
            assert_eq!(state(&sent).as_deref(), Some(passed), "{sent:?}");
        }
    }

    #[test]
    fn a_malformed_tracestate_is_dropped_alone() {
        let many: Vec<String> = (0..33).map(|number| format!("k{number}=1")).collect();
        for sent in [
            "",
            ",",
            "foo",
            "foo=",
            "=1",
            "foo=1=2",
            "FOO=1",
            "foo =1",
            "foo\t=1",
            "1foo=1",
            "@foo=1",
            "foo@=1",
            "foo@@bar=1",
            "foo@bar@baz=1",
            "foo@1bar=1",
            "foo.bar=1",
            "foo=1;bar=2",
        ] {
            assert_eq!(state(&[sent]), None, "{sent}");
        }
        for sent in [
            format!("{}=1", "a".repeat(257)),
            format!("{}@v=1", "t".repeat(242)),
            format!("t@{}=1", "v".repeat(15)),
            format!("a={}", "v".repeat(257)),
            many.join(","),
        ] {
            assert_eq!(state(&[&sent]), None, "{sent}");
        }
        for sent in [
            ["foo=1", "bar=2,BAD"],
            ["foo=1,foo=1", ""],
            ["foo=1,foo=2", "bar=3"],
            ["foo=1", "foo=1"],
            ["foo=1", "foo=2"],
        ] {
            assert_eq!(state(&sent), None, "{sent:?}");
        }
    }

    #[test]
    fn a_context_is_written_as_it_was_read() {
        let parent = format!("cc-{TRACE}-{SPAN}-ff-more");
        let read = TraceContext::from_headers(&headers(&[&parent], &["a=1", "b=2"])).unwrap();
        let mut written = headers(&["old", "older"], &["old=1", "older=1"]);
        read.child(SpanId::new([1; 8]).unwrap())
            .set_headers(&mut written);
        assert_eq!(
            written,
            headers(&[&format!("00-{TRACE}-0101010101010101-03")], &["a=1,b=2"])
        );
        TraceContext::new(read.trace_id, read.span_id, false).set_headers(&mut written);
        assert_eq!(written, headers(&[&format!("00-{TRACE}-{SPAN}-00")], &[]));
    }
}
