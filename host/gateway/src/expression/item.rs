//! What expressions are evaluated on: parts of the input as they lie there, and what was made of them.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Number, Value};

use crate::expression::EvaluationError;

/// A value during evaluation. Cheap to clone: nothing of the input is copied.
#[derive(Clone, Debug)]
pub(super) enum Item<'a> {
    /// A part of the input, or of the expression.
    Json(&'a Value),
    Null,
    Boolean(bool),
    Number(Number),
    Text(Rc<str>),
    Array(Rc<[Item<'a>]>),
    Object(Rc<BTreeMap<&'a str, Item<'a>>>),
}

/// The elements of an array, wherever they lie.
#[derive(Clone, Copy)]
pub(super) enum Elements<'b, 'a> {
    Json(&'a [Value]),
    Items(&'b [Item<'a>]),
}

impl<'a> Elements<'_, 'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Elements::Json(values) => values.len(),
            Elements::Items(items) => items.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Item<'a>> {
        match self {
            Elements::Json(values) => values.get(index).map(Item::Json),
            Elements::Items(items) => items.get(index).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Item<'a>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'a> Item<'a> {
    pub(super) fn array(items: Vec<Item<'a>>) -> Self {
        Item::Array(items.into())
    }

    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Item::Text(text.into())
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Item::Null | Item::Json(Value::Null))
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self {
            Item::Boolean(value) | Item::Json(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<&Number> {
        match self {
            Item::Number(number) | Item::Json(Value::Number(number)) => Some(number),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Item::Text(text) => Some(text),
            Item::Json(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn elements(&self) -> Option<Elements<'_, 'a>> {
        match self {
            Item::Array(items) => Some(Elements::Items(items)),
            Item::Json(Value::Array(values)) => Some(Elements::Json(values)),
            _ => None,
        }
    }

    /// The members of an object, in its order.
    pub(super) fn members(&self) -> Option<Vec<(&'a str, Item<'a>)>> {
        match self {
            Item::Object(members) => {
                let members = members.iter();
                Some(members.map(|(name, item)| (*name, item.clone())).collect())
            }
            Item::Json(Value::Object(members)) => {
                let members = members.iter();
                Some(
                    members
                        .map(|(name, value)| (name.as_str(), Item::Json(value)))
                        .collect(),
                )
            }
            _ => None,
        }
    }

    /// How many members an object has.
    pub(super) fn size(&self) -> Option<usize> {
        match self {
            Item::Object(members) => Some(members.len()),
            Item::Json(Value::Object(members)) => Some(members.len()),
            _ => None,
        }
    }

    /// A member of an object; null for anything else.
    pub(super) fn member(&self, name: &str) -> Item<'a> {
        match self {
            Item::Object(members) => members.get(name).cloned(),
            Item::Json(Value::Object(members)) => members.get(name).map(Item::Json),
            _ => None,
        }
        .unwrap_or(Item::Null)
    }

    /// Whether an object has a member.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Item::Object(members) => members.contains_key(name),
            Item::Json(Value::Object(members)) => members.contains_key(name),
            _ => false,
        }
    }

    /// The type, as the specification calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Item::Null | Item::Json(Value::Null) => "null",
            Item::Boolean(_) | Item::Json(Value::Bool(_)) => "boolean",
            Item::Number(_) | Item::Json(Value::Number(_)) => "number",
            Item::Text(_) | Item::Json(Value::String(_)) => "string",
            Item::Array(_) | Item::Json(Value::Array(_)) => "array",
            Item::Object(_) | Item::Json(Value::Object(_)) => "object",
        }
    }

    /// Whether it counts as true: everything but false, null, and what is empty.
    pub(super) fn holds(&self) -> bool {
        if let Some(value) = self.boolean() {
            return value;
        }
        if let Some(text) = self.as_text() {
            return !text.is_empty();
        }
        if let Some(elements) = self.elements() {
            return elements.len() > 0;
        }
        match self.size() {
            Some(size) => size > 0,
            None => !self.is_null(),
        }
    }

    /// As JSON text.
    pub(super) fn write(&self, longest: usize) -> Result<Vec<u8>, EvaluationError> {
        let mut bounded = Bounded {
            bytes: Vec::new(),
            longest,
        };
        match serde_json::to_writer(&mut bounded, self) {
            Ok(()) => Ok(bounded.bytes),
            // Members have texts as names and numbers are finite, so the writer's end is the only thing that can fail.
            Err(_) => Err(EvaluationError::Long { bytes: longest }),
        }
    }
}

/// A writer that ends: values shared many times within one result are written each time.
struct Bounded {
    bytes: Vec<u8>,
    longest: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.longest - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Item::Json(value) => value.serialize(serializer),
            Item::Null => serializer.serialize_unit(),
            Item::Boolean(value) => serializer.serialize_bool(*value),
            Item::Number(number) => number.serialize(serializer),
            Item::Text(text) => serializer.serialize_str(text),
            Item::Array(items) => {
                let mut array = serializer.serialize_seq(Some(items.len()))?;
                for item in &**items {
                    array.serialize_element(item)?;
                }
                array.end()
            }
            Item::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                for (name, item) in &**members {
                    object.serialize_entry(name, item)?;
                }
                object.end()
            }
        }
    }
}
