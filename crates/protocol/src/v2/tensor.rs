//! Tensors on the wire.

use crate::Refusal;
use crate::json::{Json, JsonWriter};

/// The protocol's element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Fp32,
    Fp64,
    Bytes,
}

const DATATYPES: [(&str, Datatype); 13] = [
    ("BOOL", Datatype::Bool),
    ("UINT8", Datatype::Uint8),
    ("UINT16", Datatype::Uint16),
    ("UINT32", Datatype::Uint32),
    ("UINT64", Datatype::Uint64),
    ("INT8", Datatype::Int8),
    ("INT16", Datatype::Int16),
    ("INT32", Datatype::Int32),
    ("INT64", Datatype::Int64),
    ("FP16", Datatype::Fp16),
    ("FP32", Datatype::Fp32),
    ("FP64", Datatype::Fp64),
    ("BYTES", Datatype::Bytes),
];

/// The elements of an input, row-major; a missing number is NaN, a missing text `None`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Elements {
    Numbers(Vec<f64>),
    Texts(Vec<Option<String>>),
}

impl Elements {
    pub(super) fn len(&self) -> usize {
        match self {
            Elements::Numbers(values) => values.len(),
            Elements::Texts(values) => values.len(),
        }
    }

    /// Column `column` of a matrix of `width` columns.
    pub(super) fn column(&self, column: usize, width: usize) -> Elements {
        match self {
            Elements::Numbers(values) => {
                Elements::Numbers(values.iter().skip(column).step_by(width).copied().collect())
            }
            Elements::Texts(values) => {
                Elements::Texts(values.iter().skip(column).step_by(width).cloned().collect())
            }
        }
    }
}

impl Datatype {
    pub(super) fn parse(name: &str) -> Option<Datatype> {
        DATATYPES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, datatype)| *datatype)
    }

    pub(super) fn name(self) -> &'static str {
        DATATYPES[self as usize].0
    }

    /// Bytes of one element; `None` where they vary.
    fn size(self) -> Option<usize> {
        Some(match self {
            Datatype::Bool | Datatype::Uint8 | Datatype::Int8 => 1,
            Datatype::Uint16 | Datatype::Int16 | Datatype::Fp16 => 2,
            Datatype::Uint32 | Datatype::Int32 | Datatype::Fp32 => 4,
            Datatype::Uint64 | Datatype::Int64 | Datatype::Fp64 => 8,
            Datatype::Bytes => return None,
        })
    }

    /// Smallest and largest whole number; `None` for types that are no integers.
    fn range(self) -> Option<(f64, f64)> {
        Some(match self {
            Datatype::Uint8 => (0.0, f64::from(u8::MAX)),
            Datatype::Uint16 => (0.0, f64::from(u16::MAX)),
            Datatype::Uint32 => (0.0, f64::from(u32::MAX)),
            Datatype::Uint64 => (0.0, u64::MAX as f64),
            Datatype::Int8 => (f64::from(i8::MIN), f64::from(i8::MAX)),
            Datatype::Int16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
            Datatype::Int32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
            Datatype::Int64 => (i64::MIN as f64, i64::MAX as f64),
            _ => return None,
        })
    }

    /// Elements of a JSON `data` member, nested or flat.
    ///
    /// # Errors
    /// For an element that is not of this type.
    pub(super) fn read_json(self, name: &str, data: &Json<'_>) -> Result<Elements, Refusal> {
        let mut elements = match self {
            Datatype::Bytes => Elements::Texts(Vec::new()),
            _ => Elements::Numbers(Vec::new()),
        };
        self.flatten(name, data, &mut elements)?;
        Ok(elements)
    }

    fn flatten(self, name: &str, data: &Json<'_>, elements: &mut Elements) -> Result<(), Refusal> {
        if let Json::Array(inner) = data {
            return inner
                .iter()
                .try_for_each(|element| self.flatten(name, element, elements));
        }
        let at = elements.len();
        match elements {
            Elements::Numbers(values) => values.push(
                self.number(data)
                    .ok_or_else(|| self.refused(name, at, data))?,
            ),
            Elements::Texts(values) => values.push(match data {
                Json::Text(text) => Some(text.to_string()),
                Json::Null => None,
                _ => return Err(self.refused(name, at, data)),
            }),
        }
        Ok(())
    }

    fn number(self, data: &Json<'_>) -> Option<f64> {
        match (data, self) {
            (Json::Null, Datatype::Fp16 | Datatype::Fp32 | Datatype::Fp64) => Some(f64::NAN),
            (Json::Bool(value), Datatype::Bool) => Some(f64::from(u8::from(*value))),
            (Json::Number(value), Datatype::Bool) => {
                (*value == 0.0 || *value == 1.0).then_some(*value)
            }
            // What the binary form of the same tensor would carry.
            (Json::Number(value), Datatype::Fp32) => Some(f64::from(*value as f32)),
            (Json::Number(value), _) => match self.range() {
                Some((least, most)) => {
                    (value.fract() == 0.0 && (least..=most).contains(value)).then_some(*value)
                }
                None => Some(*value),
            },
            _ => None,
        }
    }

    fn refused(self, name: &str, at: usize, data: &Json<'_>) -> Refusal {
        Refusal::bad_request(format!(
            "input `{name}`, element {at}: {} is no {}",
            data.describe(),
            self.name()
        ))
    }

    /// Elements of a binary tensor, little-endian.
    ///
    /// # Errors
    /// When the bytes are not whole elements, or a text is not UTF-8.
    pub(super) fn read_binary(self, name: &str, bytes: &[u8]) -> Result<Elements, Refusal> {
        let Some(size) = self.size() else {
            return read_texts(name, bytes).map(Elements::Texts);
        };
        if !bytes.len().is_multiple_of(size) {
            return Err(Refusal::bad_request(format!(
                "input `{name}` has {} bytes, which is no multiple of the {size} of {}",
                bytes.len(),
                self.name()
            )));
        }
        Ok(Elements::Numbers(
            bytes
                .chunks_exact(size)
                .map(|element| self.decode(element))
                .collect(),
        ))
    }

    fn decode(self, bytes: &[u8]) -> f64 {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(wide);
        match self {
            Datatype::Bool => f64::from(u8::from(bits != 0)),
            Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 | Datatype::Uint64 => bits as f64,
            Datatype::Int8 => f64::from(bits as i8),
            Datatype::Int16 => f64::from(bits as i16),
            Datatype::Int32 => f64::from(bits as i32),
            Datatype::Int64 => bits as i64 as f64,
            Datatype::Fp16 => half(bits as u16),
            Datatype::Fp32 => f64::from(f32::from_bits(bits as u32)),
            Datatype::Fp64 => f64::from_bits(bits),
            Datatype::Bytes => unreachable!("texts have no fixed size"),
        }
    }
}

/// Texts, each after its length as 32 bits.
fn read_texts(name: &str, mut bytes: &[u8]) -> Result<Vec<Option<String>>, Refusal> {
    let mut texts = Vec::new();
    while !bytes.is_empty() {
        let cut = || {
            Refusal::bad_request(format!(
                "input `{name}` breaks off inside element {}",
                texts.len()
            ))
        };
        let (length, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
        let (text, rest) = rest
            .split_at_checked(u32::from_le_bytes(*length) as usize)
            .ok_or_else(cut)?;
        let text = std::str::from_utf8(text).map_err(|_| {
            Refusal::bad_request(format!(
                "input `{name}`, element {}: the text is not UTF-8",
                texts.len()
            ))
        })?;
        texts.push(Some(text.to_owned()));
        bytes = rest;
    }
    Ok(texts)
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let power = |exponent: i64| f64::from_bits(((1023 + exponent) as u64) << 52);
    let magnitude = match i64::from(bits >> 10 & 31) {
        0 => fraction * power(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1024.0 + fraction) * power(exponent - 25),
    };
    if bits >> 15 == 1 {
        -magnitude
    } else {
        magnitude
    }
}

/// The elements of an output.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    Fp64(Vec<f64>),
    Fp32(Vec<f32>),
    Int64(Vec<i64>),
    Bytes(Vec<String>),
}

/// An output tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) data: Output,
    /// Whether the texts are documents of their own (Seldon's `content_type: str`).
    pub(super) document: bool,
}

impl Tensor {
    /// Writes the tensor as an element of `outputs`; its data goes to `tail` when there is one.
    pub(super) fn write(&self, json: &mut JsonWriter, tail: Option<&mut Vec<u8>>) {
        let datatype = match self.data {
            Output::Fp64(_) => Datatype::Fp64,
            Output::Fp32(_) => Datatype::Fp32,
            Output::Int64(_) => Datatype::Int64,
            Output::Bytes(_) => Datatype::Bytes,
        };
        json.begin_object();
        json.key("name").text(&self.name);
        json.key("datatype").text(datatype.name());
        json.key("shape")
            .numbers(self.shape.iter().map(|&extent| extent as f64));
        let before = tail.as_ref().map(|tail| tail.len());
        if let Some(tail) = tail {
            self.append_binary(tail);
            json.key("parameters").begin_object();
            json.key("binary_data_size")
                .integer((tail.len() - before.unwrap_or(0)) as u64);
            json.end_object();
        } else {
            if self.document {
                json.key("parameters")
                    .begin_object()
                    .key("content_type")
                    .text("str")
                    .end_object();
            }
            json.key("data").begin_array();
            match &self.data {
                Output::Fp64(values) => values.iter().for_each(|&value| {
                    json.number(value);
                }),
                Output::Fp32(values) => values.iter().for_each(|&value| {
                    json.single(value);
                }),
                Output::Int64(values) => values.iter().for_each(|value| {
                    json.raw(&value.to_string());
                }),
                Output::Bytes(values) => values.iter().for_each(|value| {
                    json.text(value);
                }),
            }
            json.end_array();
        }
        json.end_object();
    }

    fn append_binary(&self, tail: &mut Vec<u8>) {
        match &self.data {
            Output::Fp64(values) => values
                .iter()
                .for_each(|value| tail.extend(value.to_le_bytes())),
            Output::Fp32(values) => values
                .iter()
                .for_each(|value| tail.extend(value.to_le_bytes())),
            Output::Int64(values) => values
                .iter()
                .for_each(|value| tail.extend(value.to_le_bytes())),
            Output::Bytes(values) => values.iter().for_each(|value| {
                tail.extend((value.len() as u32).to_le_bytes());
                tail.extend(value.as_bytes());
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datatypes_are_listed_in_order() {
        for (at, (name, datatype)) in DATATYPES.iter().enumerate() {
            assert_eq!((*datatype as usize, datatype.name()), (at, *name));
        }
    }

    // Values from IEEE 754-2019, table 3.5, worked out by hand.
    #[test]
    fn halves() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103515625e-5),
            (0x0001, 5.960464477539063e-8),
            (0x3555, 0.333251953125),
            (0x7c00, f64::INFINITY),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:04x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
