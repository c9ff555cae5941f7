//! What a request is called in logs, traces and answers.

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use uuid::{NoContext, Uuid};

/// The header a request id comes and goes in.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a caller, in bytes.
const LONGEST: usize = 128;

/// What a request is called: 1 to 128 letters, digits, `.`, `_`, `:` and `-`, so that it can stand in a log line, a file
/// name or a header as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// The caller's `x-request-id` if there is exactly one and it has the form; otherwise a new UUID of version 7 (RFC
    /// 9562), which begins with the time, so that ids sort as requests came.
    pub fn of(headers: &HeaderMap, now: Timestamp) -> Self {
        let mut values = headers.get_all(&REQUEST_ID).iter();
        if let (Some(value), None) = (values.next(), values.next())
            && let Some(id) = taken(value)
        {
            return RequestId(id.into());
        }
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        let time = uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds);
        RequestId(Uuid::new_v7(time).to_string().into())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Puts the id into a request or an answer, in place of any other.
    pub fn write(&self, headers: &mut HeaderMap) {
        let value = HeaderValue::try_from(&*self.0).expect("an id has the characters of a header");
        headers.insert(&REQUEST_ID, value);
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn taken(value: &HeaderValue) -> Option<&str> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:-".contains(byte);
    let bytes = value.as_bytes();
    ((1..=LONGEST).contains(&bytes.len()) && bytes.iter().all(allowed))
        .then(|| std::str::from_utf8(bytes).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&[u8]]) -> RequestId {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
        }
        RequestId::of(&headers, "2026-11-27T12:00:00.123456789Z".parse().unwrap())
    }

    #[test]
    fn a_caller_names_its_request() {
        let longest = "a".repeat(128);
        for id in ["a", "0b6e:x-1.2_3", &longest] {
            assert_eq!(of(&[id.as_bytes()]).as_str(), id);
        }
    }

    #[test]
    fn other_requests_are_named_by_the_time() {
        let long = "a".repeat(129);
        let wrong: [&[&[u8]]; 9] = [
            &[],
            &[b""],
            &[b" "],
            &[b"a b"],
            &[b"a/../b"],
            &[b"a\"b"],
            &["ä".as_bytes()],
            &[long.as_bytes()],
            &[b"a", b"a"],
        ];
        for values in wrong {
            let id = of(values);
            let uuid: Uuid = id.as_str().parse().unwrap();
            assert_eq!(uuid.get_version_num(), 7, "{id}");
            let (seconds, nanoseconds) = uuid.get_timestamp().unwrap().to_unix();
            assert_eq!((seconds, nanoseconds), (1_795_780_800, 123_000_000));
        }
        assert_ne!(of(&[]), of(&[]));
    }

    #[test]
    fn an_answer_carries_the_id_once() {
        let mut headers = HeaderMap::new();
        headers.append(&REQUEST_ID, HeaderValue::from_static("x"));
        headers.append(&REQUEST_ID, HeaderValue::from_static("y"));
        of(&[b"abc"]).write(&mut headers);
        let values: Vec<_> = headers.get_all(&REQUEST_ID).iter().collect();
        assert_eq!(values, ["abc"]);
    }
}
