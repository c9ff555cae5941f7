//! Reading: one pass over the text into borrowed values.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use hyaline_model::sorted_positions;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::Refusal;

/// Deepest nesting of arrays and objects; no request format of any protocol needs more than six levels.
const DEPTH_LIMIT: usize = 32;

/// Most values in one document, so that a body full of `0,0,0,…` cannot take many times its own length in memory.
const VALUE_LIMIT: usize = 1 << 20;

/// Objects up to this size are compared key by key for repeats; larger ones are sorted first.
const SMALL_OBJECT: usize = 12;

/// A JSON value; object members keep their order and have unique keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// The member `name` of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Json::Object(members) => members
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, for error texts: `the number 3`, `an array`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Json::Null => "null".to_owned(),
            Json::Bool(value) => value.to_string(),
            Json::Number(value) => format!("the number {value}"),
            Json::Text(text) => format!("the text {}", Quoted(text)),
            Json::Array(_) => "an array".to_owned(),
            Json::Object(_) => "an object".to_owned(),
        }
    }
}

/// A text in error messages: quoted, escaped, and cut after 40 characters.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(40) {
            Some((end, _)) => write!(f, "{:?}…", &self.0[..end]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// Reads one JSON document.
///
/// # Errors
/// Refusals that name line and column: invalid UTF-8, syntax, `NaN` and `Infinity` (which JSON does not have), repeated
/// keys, nesting beyond [`DEPTH_LIMIT`], more than [`VALUE_LIMIT`] values, anything after the document.
pub(crate) fn parse(body: &[u8]) -> Result<Json<'_>, Refusal> {
    let text = utf8(body)?;
    if text.trim_ascii().is_empty() {
        return Err(Refusal::bad_request(
            "the body is empty; send at least one row",
        ));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let left = Cell::new(VALUE_LIMIT);
    Value {
        depth: 0,
        left: &left,
    }
    .deserialize(&mut reader)
    .and_then(|value| reader.end().map(|()| value))
    .map_err(|error| syntax_error(text, &error))
}

/// The body as text.
pub(crate) fn utf8(body: &[u8]) -> Result<&str, Refusal> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        Refusal::bad_request(format!(
            "the body is not UTF-8: byte 0x{:02x} at offset {at}",
            body[at]
        ))
    })
}

fn syntax_error(text: &str, error: &serde_json::Error) -> Refusal {
    let line = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or("");
    // serde_json points at the byte it could not take, or just behind it.
    let column = error.column();
    for from in [column.saturating_sub(2), column.saturating_sub(1)] {
        let rest = line.get(from..).unwrap_or("");
        for token in ["NaN", "-NaN", "Infinity", "-Infinity", "nan", "inf", "-inf"] {
            if rest.starts_with(token) {
                return Refusal::bad_request(format!(
                    "JSON has no `{token}` (line {}, column {}); write null for a missing value",
                    error.line(),
                    from + 1
                ));
            }
        }
    }
    Refusal::bad_request(format!("the body is not valid JSON: {error}"))
}

#[derive(Clone, Copy)]
struct Value<'b> {
    depth: usize,
    left: &'b Cell<usize>,
}

impl Value<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_LIMIT {
            return Err(E::custom(format_args!(
                "nested deeper than {DEPTH_LIMIT} levels"
            )));
        }
        Ok(Value {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => {
                return Err(D::Error::custom(format_args!(
                    "more than {VALUE_LIMIT} values in one body; send the rows in several requests"
                )));
            }
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json<'de>, A::Error> {
        let deeper = self.deeper()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(deeper)? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let deeper = self.deeper()?;
        let mut object: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        while let Some(key) = members.next_key_seed(Key)? {
            if object.len() < SMALL_OBJECT && object.iter().any(|(known, _)| *known == key) {
                return Err(repeated(&key));
            }
            object.push((key, members.next_value_seed(deeper)?));
        }
        if object.len() > SMALL_OBJECT {
            let order = sorted_positions(object.len(), &|a, b| object[a].0.cmp(&object[b].0));
            if let Some(pair) = order
                .windows(2)
                .find(|pair| object[pair[0]].0 == object[pair[1]].0)
            {
                return Err(repeated(&object[pair[0]].0));
            }
        }
        Ok(Json::Object(object))
    }
}

fn repeated<E: Error>(key: &str) -> E {
    E::custom(format_args!(
        "the key {} appears twice in one object",
        Quoted(key)
    ))
}

/// Object keys, borrowed where they hold no escape.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}
