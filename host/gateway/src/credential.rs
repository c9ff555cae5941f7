//! What a request says about who sends it: `x-api-key`, or `Authorization: Bearer` (RFC 6750).

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::key::looks_like_secret;

/// The header of an API key, as AWS API Gateway calls it.
pub(crate) static API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The longest API key or token that is looked at, in bytes.
pub const LONGEST_CREDENTIAL: usize = 8 * 1024;

/// What a request says about who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
    /// Nothing, or something in another scheme.
    None,
    /// The secret of an API key.
    Secret(&'a str),
    /// A bearer token that is not the secret of an API key.
    Token(&'a str),
}

/// Credentials that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A header comes more than once.
    #[error("the header {0} comes more than once")]
    Twice(&'static str),
    /// Both headers are there, and differ.
    #[error("x-api-key and Authorization: Bearer say different things; send one of them")]
    Both,
    /// A value has other bytes than visible ASCII.
    #[error("the header {0} has characters that no key or token has")]
    Characters(&'static str),
    /// There is nothing to look at.
    #[error("the header {0} names no key or token")]
    Empty(&'static str),
    /// It is too long.
    #[error("the header {0} is longer than {LONGEST_CREDENTIAL} bytes")]
    Long(&'static str),
}

/// Reads the credentials of a request. Never reads more than the two headers; takes at most one value of each.
pub(crate) fn credential(headers: &HeaderMap) -> Result<Credential<'_>, Malformed> {
    let secret = match only(headers, &API_KEY, "x-api-key")? {
        None => None,
        Some(value) => Some(text(value.as_bytes(), "x-api-key")?),
    };
    let bearer = match only(headers, &AUTHORIZATION, "Authorization")? {
        None => None,
        Some(value) => bearer(value)?,
    };
    match (secret, bearer) {
        (None, None) => Ok(Credential::None),
        (Some(secret), None) => Ok(Credential::Secret(secret)),
        (Some(secret), Some(bearer)) if secret == bearer => Ok(Credential::Secret(secret)),
        (Some(_), Some(_)) => Err(Malformed::Both),
        (None, Some(bearer)) if looks_like_secret(bearer) => Ok(Credential::Secret(bearer)),
        (None, Some(bearer)) => Ok(Credential::Token(bearer)),
    }
}

fn only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    shown: &'static str,
) -> Result<Option<&'a HeaderValue>, Malformed> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Malformed::Twice(shown)),
    }
}

/// The credentials of the scheme `Bearer`, whose name may be written in any case; `None` for any other scheme.
fn bearer(value: &HeaderValue) -> Result<Option<&str>, Malformed> {
    let bytes = value.as_bytes();
    let (scheme, rest) = match bytes.iter().position(|byte| *byte == b' ') {
        Some(end) => bytes.split_at(end),
        None => (bytes, &[][..]),
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(None);
    }
    text(rest, "Authorization").map(Some)
}

fn text<'a>(bytes: &'a [u8], header: &'static str) -> Result<&'a str, Malformed> {
    if bytes.len() > LONGEST_CREDENTIAL {
        return Err(Malformed::Long(header));
    }
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() {
        return Err(Malformed::Empty(header));
    }
    if !bytes.iter().all(u8::is_ascii_graphic) {
        return Err(Malformed::Characters(header));
    }
    std::str::from_utf8(bytes).map_err(|_| Malformed::Characters(header))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn credentials_are_read_from_both_headers() {
        for (pairs, expected) in [
            (&[][..], Ok(Credential::None)),
            (&[("x-api-key", "hyk_1")], Ok(Credential::Secret("hyk_1"))),
            (
                &[("x-api-key", "anything")],
                Ok(Credential::Secret("anything")),
            ),
            (
                &[("authorization", "Bearer hyk_1")],
                Ok(Credential::Secret("hyk_1")),
            ),
            (
                &[("authorization", "bEaReR   a.b.c ")],
                Ok(Credential::Token("a.b.c")),
            ),
            (&[("authorization", "Basic dTpw")], Ok(Credential::None)),
            (&[("authorization", "Bearerhyk_1")], Ok(Credential::None)),
            (&[("authorization", "")], Ok(Credential::None)),
            (
                &[("authorization", "Bearer")],
                Err(Malformed::Empty("Authorization")),
            ),
            (
                &[("authorization", "Bearer  ")],
                Err(Malformed::Empty("Authorization")),
            ),
            (&[("x-api-key", "")], Err(Malformed::Empty("x-api-key"))),
            (
                &[("x-api-key", "a b")],
                Err(Malformed::Characters("x-api-key")),
            ),
            (
                &[("authorization", "Bearer a b")],
                Err(Malformed::Characters("Authorization")),
            ),
            (
                &[("authorization", "Bearer ä")],
                Err(Malformed::Characters("Authorization")),
            ),
            (
                &[("x-api-key", "a"), ("x-api-key", "a")],
                Err(Malformed::Twice("x-api-key")),
            ),
            (
                &[
                    ("authorization", "Basic dTpw"),
                    ("authorization", "Bearer a"),
                ],
                Err(Malformed::Twice("Authorization")),
            ),
            (
                &[("x-api-key", "a"), ("authorization", "Bearer a")],
                Ok(Credential::Secret("a")),
            ),
            (
                &[("x-api-key", "a"), ("authorization", "Bearer b")],
                Err(Malformed::Both),
            ),
            (
                &[("x-api-key", "a"), ("authorization", "Basic b")],
                Ok(Credential::Secret("a")),
            ),
        ] {
            assert_eq!(credential(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn long_credentials_are_refused_unread() {
        let long = "a".repeat(LONGEST_CREDENTIAL + 1);
        assert_eq!(
            credential(&headers(&[("x-api-key", &long)])),
            Err(Malformed::Long("x-api-key"))
        );
        assert_eq!(
            credential(&headers(&[("authorization", &format!("Bearer {long}"))])),
            Err(Malformed::Long("Authorization"))
        );
    }
}
