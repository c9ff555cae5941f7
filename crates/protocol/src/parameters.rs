//! The query of an endpoint that takes more than a word or two.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use crate::Refusal;

/// The parameters of a query: all known, each given once, percent-decoded.
#[derive(Debug)]
pub(crate) struct Parameters<'q> {
    given: Vec<(&'q str, Cow<'q, str>)>,
}

impl<'q> Parameters<'q> {
    /// Reads `query`; `what` takes `known` parameters.
    ///
    /// # Errors
    /// For a parameter that is unknown (listing the known ones), repeated, or not UTF-8 behind its percent signs.
    pub(crate) fn read(
        query: &'q str,
        what: &str,
        known: &[&str],
    ) -> Result<Parameters<'q>, Refusal> {
        let mut given: Vec<(&str, Cow<'_, str>)> = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if !known.contains(&name) {
                let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                return Err(Refusal::bad_request(format!(
                    "unknown parameter `{name}`; {what} takes {}",
                    known.join(", ")
                )));
            }
            if given.iter().any(|(other, _)| *other == name) {
                return Err(Refusal::bad_request(format!(
                    "parameter `{name}` is given twice"
                )));
            }
            let value =
                decoded(value).ok_or_else(|| unexpected(name, value, "UTF-8, percent-encoded"))?;
            given.push((name, value));
        }
        Ok(Parameters { given })
    }

    /// The value of `name`, if it is given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let mut given = self.given.iter();
        given
            .find(|(other, _)| *other == name)
            .map(|(_, value)| &**value)
    }

    /// The whole number `name`, if it is given.
    ///
    /// # Errors
    /// When it is no whole number, or outside `range`.
    pub(crate) fn whole(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match text.parse().ok().filter(|value| range.contains(value)) {
            Some(value) => Ok(Some(value)),
            None if *range.end() == u64::MAX => {
                let expected = format!("a whole number from {}", range.start());
                Err(unexpected(name, text, &expected))
            }
            None => {
                let expected = format!("a whole number from {} to {}", range.start(), range.end());
                Err(unexpected(name, text, &expected))
            }
        }
    }

    /// The finite number `name`, if it is given.
    ///
    /// # Errors
    /// When it is no number, or `fits` refuses it; `expected` says what would be taken.
    pub(crate) fn number(
        &self,
        name: &str,
        expected: &str,
        fits: fn(f64) -> bool,
    ) -> Result<Option<f64>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let number: Option<f64> = text.parse().ok();
        match number.filter(|number| number.is_finite() && fits(*number)) {
            Some(number) => Ok(Some(number)),
            None => Err(unexpected(name, text, expected)),
        }
    }

    /// Whether `name` is `true` or `false`, if it is given.
    ///
    /// # Errors
    /// When it is another text.
    pub(crate) fn truth(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(text) => Err(unexpected(name, text, "`true` or `false`")),
        }
    }
}

/// The refusal of a value.
pub(crate) fn unexpected(name: &str, value: &str, expected: &str) -> Refusal {
    Refusal::bad_request(format!(
        "parameter `{name}` is `{value}`; expected {expected}"
    ))
}

/// A query value with `%xx` and `+` resolved; `None` when that is no UTF-8.
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    if !value.contains(['%', '+']) {
        return Some(Cow::Borrowed(value));
    }
    let bytes = value.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = match bytes[at] {
            b'+' => b' ',
            b'%' => {
                let digits = value.get(at + 1..at + 3)?;
                at += 2;
                u8::from_str_radix(digits, 16).ok()?
            }
            byte => byte,
        };
        decoded.push(byte);
        at += 1;
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded() {
        for (value, text) in [
            ("good", Some("good")),
            ("quite+rich", Some("quite rich")),
            ("quite%20rich%2C", Some("quite rich,")),
            ("%C3%A9", Some("é")),
            ("%C3", None),
            ("%2", None),
            ("%zz", None),
        ] {
            assert_eq!(decoded(value).as_deref(), text, "{value}");
        }
    }

    #[test]
    fn what_is_unknown_or_repeated_is_refused() {
        let refused = |query| {
            let read = Parameters::read(query, "a test", &["a", "b"]);
            read.map(|_| ()).map_err(|refusal| refusal.to_string())
        };
        assert_eq!(refused("a=1&&b"), Ok(()));
        assert_eq!(
            refused("c=1"),
            Err("unknown parameter `c`; a test takes `a`, `b`".to_owned())
        );
        assert_eq!(
            refused("a=1&a=2"),
            Err("parameter `a` is given twice".to_owned())
        );
    }
}
