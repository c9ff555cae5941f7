//! JSON Lines in.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::error::ServiceError;
use crate::json::bytes;

/// Media types of JSON Lines.
pub(super) const ARE_JSON_LINES: [&str; 4] = [
    "application/jsonlines",
    "application/jsonl",
    "application/x-jsonlines",
    "application/x-ndjson",
];

/// The lines as one JSON array; blank lines are skipped.
pub(super) fn to_array(body: &[u8]) -> Result<Bytes, ServiceError> {
    let mut rows: Vec<&RawValue> = Vec::new();
    for (line, text) in body.split(|&byte| byte == b'\n').enumerate() {
        if text.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(text) {
            Ok(row) => rows.push(row),
            Err(error) => {
                return Err(ServiceError::validation(format!(
                    "line {} of the body is no JSON: {error}",
                    line + 1
                )));
            }
        }
    }
    Ok(bytes(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_an_array_with_their_numbers_untouched() {
        let array = to_array(b"{\"a\": 1.10}\r\n\n[12345678901234567890123]").unwrap();
        assert_eq!(array, r#"[{"a": 1.10},[12345678901234567890123]]"#);
        assert_eq!(to_array(b"").unwrap(), "[]");
        assert!(to_array(b"{}\n{").is_err());
    }
}
