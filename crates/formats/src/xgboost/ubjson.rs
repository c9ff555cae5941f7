//! Universal Binary JSON (draft 12) as XGBoost writes it, read through `serde`, so that both encodings share one
//! description of the document.
//!
//! Containers may carry a type and a count (`[$d#L…`). A count is never trusted: memory grows only with elements that
//! are really there, and element types without bytes (`Z N T F`) are refused as a container's type.

use serde::de::{self, DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// Containers inside containers; XGBoost's documents have 8 levels.
const MAX_DEPTH: u32 = 32;

/// Why bytes are no UBJSON document of the wanted shape.
#[derive(Debug, thiserror::Error)]
#[error("byte {at}: {reason}")]
pub(super) struct UbjsonError {
    at: usize,
    reason: String,
}

impl de::Error for UbjsonError {
    fn custom<T: std::fmt::Display>(reason: T) -> Self {
        UbjsonError {
            at: 0,
            reason: reason.to_string(),
        }
    }
}

/// Reads one document that fills `bytes`.
pub(super) fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, UbjsonError> {
    let mut reader = Reader {
        bytes,
        at: 0,
        depth: 0,
    };
    let document = T::deserialize(Item {
        reader: &mut reader,
        marker: None,
    });
    let document = document.map_err(|error| UbjsonError {
        at: error.at.max(reader.at),
        ..error
    })?;
    if reader.at != bytes.len() {
        return Err(reader.error(format!(
            "{} bytes after the end of the document",
            bytes.len() - reader.at
        )));
    }
    Ok(document)
}

struct Reader<'de> {
    bytes: &'de [u8],
    at: usize,
    depth: u32,
}

impl<'de> Reader<'de> {
    fn error(&self, reason: impl Into<String>) -> UbjsonError {
        UbjsonError {
            at: self.at,
            reason: reason.into(),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'de [u8], UbjsonError> {
        let rest = &self.bytes[self.at..];
        if length > rest.len() {
            return Err(self.error(format!("{length} bytes expected, {} left", rest.len())));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], UbjsonError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, UbjsonError> {
        Ok(self.array::<1>()?[0])
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Marker of the next value; `N` (no operation) is skipped.
    fn marker(&mut self) -> Result<u8, UbjsonError> {
        loop {
            match self.byte()? {
                b'N' => {}
                marker => return Ok(marker),
            }
        }
    }

    /// An integer of type `marker`.
    fn integer(&mut self, marker: u8) -> Result<i64, UbjsonError> {
        Ok(match marker {
            b'i' => i64::from(i8::from_be_bytes(self.array()?)),
            b'U' => i64::from(self.byte()?),
            b'I' => i64::from(i16::from_be_bytes(self.array()?)),
            b'l' => i64::from(i32::from_be_bytes(self.array()?)),
            b'L' => i64::from_be_bytes(self.array()?),
            other => {
                return Err(self.error(format!("marker {} where an integer belongs", show(other))));
            }
        })
    }

    fn length(&mut self) -> Result<usize, UbjsonError> {
        let marker = self.marker()?;
        let length = self.integer(marker)?;
        usize::try_from(length).map_err(|_| self.error(format!("the length {length}")))
    }

    fn text(&mut self) -> Result<&'de str, UbjsonError> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.error("a text that is no UTF-8"))
    }

    /// The optional type and count after `[` or `{`.
    fn container(&mut self) -> Result<Container, UbjsonError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!(
                "more than {MAX_DEPTH} containers inside each other"
            )));
        }
        let mut container = Container {
            element: None,
            left: None,
        };
        if self.peek() == Some(b'$') {
            self.at += 1;
            let element = self.byte()?;
            if !b"iUIlLdDSC[{H".contains(&element) {
                return Err(self.error(format!("containers of {} are not read", show(element))));
            }
            if self.peek() != Some(b'#') {
                return Err(self.error("a typed container without a count"));
            }
            container.element = Some(element);
        }
        if self.peek() == Some(b'#') {
            self.at += 1;
            container.left = Some(self.length()?);
        }
        Ok(container)
    }
}

/// Where a container stands.
struct Container {
    element: Option<u8>,
    left: Option<usize>,
}

impl Container {
    /// Whether another element follows; at the end, the container is closed.
    fn more(&mut self, reader: &mut Reader<'_>, end: u8) -> Result<bool, UbjsonError> {
        let more = match &mut self.left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => {
                while reader.peek() == Some(b'N') {
                    reader.at += 1;
                }
                let ends = reader.peek() == Some(end);
                reader.at += usize::from(ends);
                !ends
            }
        };
        if !more {
            reader.depth -= 1;
        }
        Ok(more)
    }
}

fn show(marker: u8) -> String {
    format!("`{}`", marker.escape_ascii())
}

/// The next value; inside a typed container its marker is known.
struct Item<'r, 'de> {
    reader: &'r mut Reader<'de>,
    marker: Option<u8>,
}

impl<'de> de::Deserializer<'de> for Item<'_, 'de> {
    type Error = UbjsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, UbjsonError> {
        let Item { reader, marker } = self;
        let marker = match marker {
            Some(marker) => marker,
            None => reader.marker()?,
        };
        match marker {
            b'Z' => visitor.visit_unit(),
            b'T' => visitor.visit_bool(true),
            b'F' => visitor.visit_bool(false),
            b'i' | b'U' | b'I' | b'l' | b'L' => visitor.visit_i64(reader.integer(marker)?),
            b'd' => visitor.visit_f64(f64::from(f32::from_be_bytes(reader.array()?))),
            b'D' => visitor.visit_f64(f64::from_be_bytes(reader.array()?)),
            b'C' => visitor.visit_char(char::from(reader.byte()?)),
            b'S' | b'H' => visitor.visit_borrowed_str(reader.text()?),
            b'[' => {
                let container = reader.container()?;
                visitor.visit_seq(Elements { reader, container })
            }
            b'{' => {
                let container = reader.container()?;
                visitor.visit_map(Elements { reader, container })
            }
            other => Err(reader.error(format!("marker {} is none of UBJSON's", show(other)))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, UbjsonError> {
        if self.marker.is_none() && self.reader.peek() == Some(b'Z') {
            self.reader.at += 1;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, UbjsonError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

struct Elements<'r, 'de> {
    reader: &'r mut Reader<'de>,
    container: Container,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = UbjsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, UbjsonError> {
        if !self.container.more(self.reader, b']')? {
            return Ok(None);
        }
        seed.deserialize(Item {
            reader: self.reader,
            marker: self.container.element,
        })
        .map(Some)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = UbjsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, UbjsonError> {
        if !self.container.more(self.reader, b'}')? {
            return Ok(None);
        }
        let key = self.reader.text()?;
        seed.deserialize(de::value::BorrowedStrDeserializer::new(key))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, UbjsonError> {
        seed.deserialize(Item {
            reader: self.reader,
            marker: self.container.element,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::from_slice;
    use serde_json::{Value, json};

    fn value(bytes: &[u8]) -> Result<Value, String> {
        from_slice(bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_typed_counted_and_open_containers() {
        assert_eq!(
            value(b"[$d#i\x02\x3f\x80\x00\x00\xc0\x00\x00\x00"),
            Ok(json!([1.0, -2.0]))
        );
        assert_eq!(value(b"[#U\x02i\xffI\x01\x00"), Ok(json!([-1, 256])));
        assert_eq!(
            value(b"{i\x01aSi\x02hii\x01bNZ}"),
            Ok(json!({"a": "hi", "b": null}))
        );
        assert_eq!(value(b"[[]N[TF]]"), Ok(json!([[], [true, false]])));
        assert_eq!(
            value(b"L\x00\x00\x00\x01\x00\x00\x00\x00"),
            Ok(json!(4294967296u64))
        );
    }

    #[test]
    fn refuses_what_is_not_there() {
        let refused = |bytes: &[u8]| value(bytes).expect_err("refused");
        assert_eq!(
            refused(b"[$L#l\x7f\xff\xff\xff\x00"),
            "byte 9: 8 bytes expected, 1 left"
        );
        assert_eq!(
            refused(b"[$Z#L\x7f\xff\xff\xff\xff\xff\xff\xff"),
            "byte 3: containers of `Z` are not read"
        );
        assert_eq!(refused(b"[#i\xff"), "byte 4: the length -1");
        assert_eq!(
            refused(&[b'['; 100]),
            "byte 33: more than 32 containers inside each other"
        );
        assert_eq!(
            refused(b"Zi"),
            "byte 1: 1 bytes after the end of the document"
        );
        assert_eq!(refused(b"Q"), "byte 1: marker `Q` is none of UBJSON's");
        assert_eq!(
            refused(b"Si\x02\xff\xfe"),
            "byte 5: a text that is no UTF-8"
        );
    }
}
