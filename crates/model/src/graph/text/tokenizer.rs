//! `Tokenizer` (com.microsoft): a text as a row of tokens.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{Pattern, no_text, texts};
use crate::graph::ml::read_checked;
use crate::graph::operator::{Flow, Operands, Operator, element_count, operand_type, tensor};
use crate::{Data, ElementType, Tensor};

/// What makes tokens.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Separation {
    /// Every character is a token.
    Characters,
    /// What the pattern matches is a token.
    Tokens(Pattern),
    /// What these patterns match lies between tokens; the second pattern separates what the first has left, and so on.
    Separators(Vec<Pattern>),
}

/// Splits every text into tokens along a new last axis; shorter rows are padded.
///
/// A row has its marks whatever the rows beside it are; ONNX Runtime leaves them out where no row has a token.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Tokenizer {
    separation: Separation,
    /// Fewest characters of a token.
    shortest: u32,
    /// Whether every row starts with U+0002 and ends with U+0003.
    mark: bool,
    padding: String,
}

impl Tokenizer {
    /// A tokenizer that drops tokens of less than `shortest` characters.
    ///
    /// # Errors
    /// When a separator matches the empty text, or `shortest` is 0.
    pub fn new(
        separation: Separation,
        shortest: u32,
        mark: bool,
        padding: String,
    ) -> Result<Tokenizer, String> {
        if shortest == 0 {
            return Err("tokens of 0 characters, expected at least 1".to_owned());
        }
        if let Separation::Separators(patterns) = &separation
            && (patterns.is_empty() || patterns.iter().any(Pattern::may_be_empty))
        {
            return Err("no separator, or one that may match no character".to_owned());
        }
        Ok(Tokenizer {
            separation,
            shortest,
            mark,
            padding,
        })
    }

    /// Whether every token is one character.
    pub fn is_by_character(&self) -> bool {
        match &self.separation {
            Separation::Characters => true,
            Separation::Tokens(pattern) => pattern.one_character().is_some(),
            Separation::Separators(_) => false,
        }
    }

    /// What shorter rows are filled up with.
    pub fn padding(&self) -> &str {
        &self.padding
    }

    /// The tokens of `text`, by first byte and the one after the last, in order.
    pub fn tokens(&self, text: &str) -> Vec<(usize, usize)> {
        let long = |&(start, end): &(usize, usize)| {
            text[start..end].chars().count() >= self.shortest as usize
        };
        match &self.separation {
            Separation::Characters => text
                .char_indices()
                .map(|(at, letter)| (at, at + letter.len_utf8()))
                .collect(),
            Separation::Tokens(pattern) => {
                let mut tokens = Vec::new();
                let mut from = 0;
                while let Some(token) = pattern.find(text, from) {
                    if long(&token) {
                        tokens.push(token);
                        from = token.1;
                    } else {
                        match text[token.0..].chars().next() {
                            Some(letter) => from = token.0 + letter.len_utf8(),
                            None => break,
                        }
                    }
                }
                tokens
            }
            Separation::Separators(patterns) => {
                let mut tokens = vec![(0, text.len())];
                for pattern in patterns {
                    let mut shorter = Vec::new();
                    for (first, end) in tokens {
                        let part = &text[first..end];
                        let mut from = 0;
                        while let Some((start, after)) = pattern.find(part, from) {
                            shorter.push((first + from, first + start));
                            from = after;
                        }
                        shorter.push((first + from, end));
                    }
                    shorter.retain(long);
                    tokens = shorter;
                }
                tokens
            }
        }
    }
}

impl Operator for Tokenizer {
    fn name(&self) -> &'static str {
        "Tokenizer"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match operand_type(operands, 0)? {
            ElementType::Text => Ok(vec![ElementType::Text]),
            other => Err(no_text(other)),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let (shape, texts) = texts(operands)?;
        if !matches!(shape.len(), 1 | 2) {
            return Err(format!(
                "operand of shape {shape:?}, expected one or two axes"
            ));
        }
        let rows: Vec<Vec<(usize, usize)>> = texts.iter().map(|text| self.tokens(text)).collect();
        let most = rows.iter().map(Vec::len).max().unwrap_or(0);
        let marks = usize::from(self.mark);
        let width = most + 2 * marks;
        let mut shape = shape.to_vec();
        shape.push(width);
        let mut tokens = Vec::with_capacity(element_count(&shape)?);
        for (index, (text, row)) in texts.iter().zip(&rows).enumerate() {
            let mark = |mark: char| std::iter::repeat_n(mark.to_string(), marks);
            tokens.extend(mark('\u{2}'));
            tokens.extend(row.iter().map(|&(start, end)| text[start..end].to_owned()));
            tokens.extend(mark('\u{3}'));
            tokens.resize((index + 1) * width, self.padding.clone());
        }
        Ok(vec![tensor(shape, Data::Text(tokens))?])
    }

    fn flow(&self) -> Flow {
        Flow::Expands
    }
}

read_checked!(Tokenizer, reader => Tokenizer::new(
    Separation::deserialize_reader(reader)?,
    u32::deserialize_reader(reader)?,
    bool::deserialize_reader(reader)?,
    String::deserialize_reader(reader)?,
));
