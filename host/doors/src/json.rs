//! JSON whose numbers keep their text: values are passed on as they were written, never read and written anew.

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// The members of an object in their order, duplicates included.
#[derive(Clone, Debug)]
pub(crate) struct Members(pub(crate) Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Members {
    /// The last value of `name`, which is the one that counts for most readers.
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        let mut members = self.0.iter().rev();
        members
            .find(|(key, _)| key == name)
            .map(|(_, value)| &**value)
    }

    /// Sets `name`, in its place where it is there.
    pub(crate) fn set(&mut self, name: &str, value: Box<RawValue>) {
        let mut members = self.0.iter_mut().rev();
        match members.find(|(key, _)| key == name) {
            Some((_, place)) => *place = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

/// A document made of texts and checked JSON.
pub(crate) fn bytes(document: &impl Serialize) -> Bytes {
    serde_json::to_vec(document)
        .expect("texts, numbers and checked JSON can always be written")
        .into()
}

/// The same as a value that can be put into another document.
pub(crate) fn raw(document: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(document)
        .expect("texts, numbers and checked JSON can always be written")
}

/// Exactly `application/json`: some clients compare the whole header.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer with a JSON body.
pub(crate) fn answer(status: StatusCode, document: &impl Serialize) -> Response<Bytes> {
    answer_bytes(status, JSON, bytes(document))
}

/// An answer with a body of `content_type`.
pub(crate) fn answer_bytes(
    status: StatusCode,
    content_type: HeaderValue,
    body: Bytes,
) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// Sets a header to a text of the caller's or the function's; a text that no header may hold is left out.
pub(crate) fn set_header(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The media type of a header value without parameters, in lower case.
pub(crate) fn essence(value: &str) -> String {
    let essence = value.split(';').next().unwrap_or("");
    essence.trim().to_ascii_lowercase()
}

/// The value of a header, where it is text.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text_and_members_their_order() {
        let text = r#"{"b":1.10,"a":12345678901234567890123,"b":-0.0}"#;
        let mut members: Members = serde_json::from_str(text).unwrap();
        assert_eq!(bytes(&members), text);
        assert_eq!(members.get("b").unwrap().get(), "-0.0");
        members.set("a", raw(&"x"));
        members.set("c", raw(&[1]));
        assert_eq!(bytes(&members), r#"{"b":1.10,"a":"x","b":-0.0,"c":[1]}"#);
    }

    #[test]
    fn a_text_that_no_header_may_hold_is_left_out() {
        let mut headers = HeaderMap::new();
        set_header(&mut headers, CONTENT_TYPE, "a\r\nx: y");
        assert!(headers.is_empty());
    }
}
