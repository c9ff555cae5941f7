//! Operators on free text, with ONNX Runtime's answers: case, tokens, counts of n-grams. Text goes from an input through
//! changes of shape and [`StringNormalizer`] to [`Tokenizer`], whose tokens [`TfIdfVectorizer`] turns into numbers.
//!
//! Positions are byte offsets inside this module. Changing the case never changes how many characters a text has, so a
//! token's characters are those of the text as the caller wrote it.

mod case;
mod pattern;
mod tokenizer;
mod vectorizer;

pub use case::{Case, StringNormalizer};
pub use pattern::{CharClass, Look, Pattern, Step};
pub use tokenizer::{Separation, Tokenizer};
pub use vectorizer::{Counting, Grams, TfIdfVectorizer, Vocabulary};

use crate::graph::operator::operand;
use crate::{Data, ElementType, Tensor};

/// The first operand's shape and texts.
fn texts<'a>(operands: &[Option<&'a Tensor>]) -> Result<(&'a [usize], &'a [String]), String> {
    let x = operand(operands, 0)?;
    match x.data() {
        Data::Text(texts) => Ok((x.shape(), texts)),
        other => Err(no_text(other.element_type())),
    }
}

fn no_text(found: ElementType) -> String {
    format!("{found:?}, expected free text")
}
