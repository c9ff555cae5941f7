//! Paths and queries: taken apart, percent-decoded, and made safe to send on.

use http::Uri;

/// The segments of a path, percent-decoded; a slash at the end adds none. `None` when one is not UTF-8.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').map(decoded).collect()
}

/// A text without percent signs; `None` when that is no UTF-8, or a sign is not followed by two hexadecimal digits.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

/// The value of the first parameter `name` of a query, percent-decoded.
pub(crate) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    query?.split('&').find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (key == name).then(|| decoded(value).unwrap_or_else(|| value.to_owned()))
    })
}

/// One segment of a path, or one name or value of a query, with everything encoded that could be taken for something else.
pub(crate) fn encoded(text: &str) -> String {
    escape(text, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
    })
}

/// `path` and `query` of an event as a URI. What is already encoded stays as it is; what no URI may have is encoded, so
/// that there is no text that cannot be sent on.
pub(crate) fn origin_form(path: &str, query: &str) -> Uri {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
    let mut text = escape(path, |byte| allowed(byte) && byte != b'?');
    if !text.starts_with('/') {
        text.insert(0, '/');
    }
    if !query.is_empty() {
        text.push('?');
        text.push_str(&escape(query, allowed));
    }
    // The only texts left that `http` refuses are longer than 65,534 bytes.
    text.parse().unwrap_or_else(|_| Uri::from_static("/"))
}

fn escape(text: &str, allowed: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if allowed(byte) {
            escaped.push(byte.into());
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_once() {
        assert_eq!(segments("/a/b%2Fc/%2525/").unwrap(), ["a", "b/c", "%25"]);
        assert_eq!(segments("/").unwrap(), [""]);
        for path in ["/%", "/%2", "/%zz", "/%C3", "/%+1"] {
            assert_eq!(segments(path), None, "{path}");
        }
    }

    #[test]
    fn every_text_becomes_a_path_that_can_be_sent() {
        for (path, query, uri) in [
            ("/predict", "", "/predict"),
            ("predict", "a=1&b=%20", "/predict?a=1&b=%20"),
            ("/ä b?c#d", "e=ü", "/%C3%A4%20b%3Fc%23d?e=%C3%BC"),
            ("", "", "/"),
            ("//host/x", "", "//host/x"),
        ] {
            assert_eq!(origin_form(path, query).path_and_query().unwrap(), uri);
        }
        assert_eq!(origin_form(&"x".repeat(1 << 20), ""), "/");
    }

    #[test]
    fn parameters_are_found_by_name() {
        let query = Some("a=1&Qualifier=%24LATEST&Qualifier=2&b");
        assert_eq!(parameter(query, "Qualifier").as_deref(), Some("$LATEST"));
        assert_eq!(parameter(query, "b").as_deref(), Some(""));
        assert_eq!(parameter(query, "c"), None);
        assert_eq!(parameter(None, "c"), None);
    }
}
