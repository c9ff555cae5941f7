//! `OneHotEncoder`: one column per category.

use borsh::{BorshDeserialize, BorshSerialize};

use super::read_checked;
use crate::graph::operator::{
    Flow, Operands, Operator, element_count, operand, operand_type, tensor,
};
use crate::{Data, ElementType, Symbol, Tensor, sorted_positions};

/// Adds an axis with a 1 at the element's category and 0 elsewhere, as f32. Floats are truncated to integers first; of
/// equal categories the last counts. O(log categories) per element.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct OneHotEncoder {
    categories: Categories,
    accepts_unseen: bool,
    /// Positions of the categories, by ascending category.
    #[borsh(skip)]
    order: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
enum Categories {
    Integers(Vec<i64>),
    Symbols(Vec<Symbol>),
}

impl OneHotEncoder {
    /// For numbers. An unseen one becomes zeros, or is refused unless `accepts_unseen`.
    ///
    /// # Errors
    /// When there is no category.
    pub fn integers(categories: Vec<i64>, accepts_unseen: bool) -> Result<OneHotEncoder, String> {
        OneHotEncoder::new(Categories::Integers(categories), accepts_unseen)
    }

    /// For texts. An unseen one becomes zeros, or is refused unless `accepts_unseen`.
    ///
    /// # Errors
    /// When there is no category.
    pub fn symbols(categories: Vec<Symbol>, accepts_unseen: bool) -> Result<OneHotEncoder, String> {
        OneHotEncoder::new(Categories::Symbols(categories), accepts_unseen)
    }

    fn new(categories: Categories, accepts_unseen: bool) -> Result<OneHotEncoder, String> {
        let order = match &categories {
            Categories::Integers(categories) => ascending(categories),
            Categories::Symbols(categories) => ascending(categories),
        };
        if order.is_empty() {
            return Err("no categories, expected at least one".to_owned());
        }
        Ok(OneHotEncoder {
            categories,
            accepts_unseen,
            order,
        })
    }

    /// How many categories.
    pub fn categories(&self) -> usize {
        self.order.len()
    }

    /// Whether an unseen category becomes zeros instead of being refused.
    pub fn accepts_unseen(&self) -> bool {
        self.accepts_unseen
    }

    /// The texts among the categories, in column order.
    pub fn known_symbols(&self) -> &[Symbol] {
        match &self.categories {
            Categories::Integers(_) => &[],
            Categories::Symbols(symbols) => symbols,
        }
    }

    /// The numbers among the categories, in column order.
    pub fn known_integers(&self) -> &[i64] {
        match &self.categories {
            Categories::Integers(integers) => integers,
            Categories::Symbols(_) => &[],
        }
    }

    /// The category of each element of `x`.
    fn columns(&self, x: &Data) -> Result<Vec<Option<usize>>, String> {
        let order = &self.order;
        Ok(match (&self.categories, x) {
            (Categories::Integers(known), Data::I64(values)) => {
                values.iter().map(|&x| find(known, order, x)).collect()
            }
            (Categories::Integers(known), Data::F32(values)) => values
                .iter()
                .map(|&x| find(known, order, truncate(f64::from(x))))
                .collect(),
            (Categories::Integers(known), Data::F64(values)) => values
                .iter()
                .map(|&x| find(known, order, truncate(x)))
                .collect(),
            (Categories::Symbols(known), Data::Symbol(values)) => {
                values.iter().map(|&x| find(known, order, x)).collect()
            }
            (Categories::Integers(_), other) => {
                return Err(format!(
                    "{:?}, the categories are numbers",
                    other.element_type()
                ));
            }
            (Categories::Symbols(_), other) => {
                return Err(format!(
                    "{:?}, the categories are texts",
                    other.element_type()
                ));
            }
        })
    }
}

impl Operator for OneHotEncoder {
    fn name(&self) -> &'static str {
        "OneHotEncoder"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match (&self.categories, operand_type(operands, 0)?) {
            (Categories::Integers(_), ElementType::I64 | ElementType::F32 | ElementType::F64)
            | (Categories::Symbols(_), ElementType::Symbol) => Ok(vec![ElementType::F32]),
            (Categories::Integers(_), other) => {
                Err(format!("{other:?}, the categories are numbers"))
            }
            (Categories::Symbols(_), other) => Err(format!("{other:?}, the categories are texts")),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let mut shape = x.shape().to_vec();
        shape.push(self.categories());
        let mut encoded = vec![0f32; element_count(&shape)?];
        for (index, column) in self.columns(x.data())?.into_iter().enumerate() {
            match column {
                Some(column) => encoded[index * self.categories() + column] = 1.0,
                None if self.accepts_unseen => {}
                None => {
                    return Err(format!(
                        "element {index} is none of the {} categories (zeros = 0)",
                        self.categories()
                    ));
                }
            }
        }
        Ok(vec![tensor(shape, Data::F32(encoded))?])
    }

    fn flow(&self) -> Flow {
        Flow::Expands
    }
}

read_checked!(OneHotEncoder, reader => OneHotEncoder::new(
    Categories::deserialize_reader(reader)?,
    bool::deserialize_reader(reader)?,
));

fn ascending<T: Ord>(categories: &[T]) -> Vec<u32> {
    let order = sorted_positions(categories.len(), &|a, b| categories[a].cmp(&categories[b]));
    order.into_iter().map(|position| position as u32).collect()
}

/// Position of the last category equal to `x`.
fn find<T: Ord + Copy>(categories: &[T], order: &[u32], x: T) -> Option<usize> {
    let not_above = order.partition_point(|&position| categories[position as usize] <= x);
    let position = order[not_above.checked_sub(1)?] as usize;
    (categories[position] == x).then_some(position)
}

/// Towards zero; what no 64-bit integer can hold becomes the smallest one, as on the processors that ONNX Runtime runs on.
fn truncate(x: f64) -> i64 {
    const LIMIT: f64 = (1u64 << 63) as f64;
    if (-LIMIT..LIMIT).contains(&x) {
        x as i64
    } else {
        i64::MIN
    }
}
