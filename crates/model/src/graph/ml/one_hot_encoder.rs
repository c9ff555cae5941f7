//! `OneHotEncoder`: one column per category.

use borsh::{BorshDeserialize, BorshSerialize};

use super::read_checked;
use crate::graph::operator::{Flow, Operands, Operator, element_count, operand, operand_type, tensor};
use crate::{Data, ElementType, Symbol, Tensor};

/// Adds an axis with a 1 at the element's category and 0 elsewhere, as f32. Floats are truncated to integers first; of
/// equal categories the last counts.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct OneHotEncoder {
    categories: Categories,
    accepts_unseen: bool,
}

#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
enum Categories {
    Integers(Vec<(i64, u32)>),
    Symbols(Vec<(Symbol, u32)>),
}

impl OneHotEncoder {
    /// For numbers. An unseen one becomes zeros, or is refused unless `accepts_unseen`.
    ///
    /// # Errors
    /// When there is no category.
    pub fn integers(categories: &[i64], accepts_unseen: bool) -> Result<OneHotEncoder, String> {
        OneHotEncoder::new(Categories::Integers(by_category(categories)), accepts_unseen)
    }

    /// For texts. An unseen one becomes zeros, or is refused unless `accepts_unseen`.
    ///
    /// # Errors
    /// When there is no category.
    pub fn symbols(categories: &[Symbol], accepts_unseen: bool) -> Result<OneHotEncoder, String> {
        OneHotEncoder::new(Categories::Symbols(by_category(categories)), accepts_unseen)
    }

    fn new(categories: Categories, accepts_unseen: bool) -> Result<OneHotEncoder, String> {
        let ascending = match &categories {
            Categories::Integers(categories) => categories.is_sorted(),
            Categories::Symbols(categories) => categories.is_sorted(),
        };
        let encoder = OneHotEncoder { categories, accepts_unseen };
        match (encoder.positions(), ascending) {
            ([], _) => Err("no categories, expected at least one".to_owned()),
        }
    }
}
