//! `StringNormalizer`: upper and lower case.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{no_text, texts};
use crate::graph::operator::{Flow, Operands, Operator, operand_type, tensor};
use crate::{Data, ElementType, Tensor};

/// A change of case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Case {
    /// To lower case.
    Lower,
    /// To upper case.
    Upper,
}

/// Changes the case of every character by Unicode's one-to-one mappings, as C libraries do in a UTF-8 locale: a character
/// that only has a longer counterpart stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StringNormalizer {
    /// What becomes of letters.
    pub case: Case,
}

impl Operator for StringNormalizer {
    fn name(&self) -> &'static str {
        "StringNormalizer"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match operand_type(operands, 0)? {
            ElementType::Text => Ok(vec![ElementType::Text]),
            other => Err(no_text(other)),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let (shape, texts) = texts(operands)?;
        let changed = texts.iter().map(|text| self.case.apply(text)).collect();
        Ok(vec![tensor(shape.to_vec(), Data::Text(changed))?])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}

impl Case {
    /// The text in this case; as many characters as before.
    pub fn apply(self, text: &str) -> String {
        if text.is_ascii() {
            return match self {
                Case::Lower => text.to_ascii_lowercase(),
                Case::Upper => text.to_ascii_uppercase(),
            };
        }
        text.chars().map(|letter| self.of(letter)).collect()
    }

    fn of(self, letter: char) -> char {
        match self {
            Case::Lower => match letter {
                // The one letter whose full lower case is two characters.
                '\u{130}' => 'i',
                _ => single(letter.to_lowercase()).unwrap_or(letter),
            },
            Case::Upper => single(letter.to_uppercase()).unwrap_or_else(|| titled(letter)),
        }
    }
}

/// The only character of a mapping.
fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next();
    first.filter(|_| mapped.next().is_none())
}

/// Greek letters with iota subscript have a one-to-one upper case with the iota beside.
fn titled(letter: char) -> char {
    let offset = match u32::from(letter) {
        0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7 => 8,
        0x1fb3 | 0x1fc3 | 0x1ff3 => 9,
        _ => 0,
    };
    char::from_u32(u32::from(letter) + offset).unwrap_or(letter)
}
