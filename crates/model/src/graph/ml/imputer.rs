//! `Imputer`: constants for missing values.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{read_checked, rows_and_columns};
use crate::graph::operator::{Flow, Operands, Operator, operand, operand_type, tensor};
use crate::{Data, ElementType, Tensor};

/// Replaces one value, NaN included, by a constant per column (or one for all columns). The element type stays.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Imputer {
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
enum Rule {
    Floats {
        #[borsh(
            serialize_with = "crate::floats::write_one",
            deserialize_with = "crate::floats::read_one"
        )]
        replaced: f32,
        #[borsh(
            serialize_with = "crate::floats::write",
            deserialize_with = "crate::floats::read"
        )]
        imputed: Vec<f32>,
    },
    Integers {
        replaced: i64,
        imputed: Vec<i64>,
    },
}

impl Imputer {
    /// For float operands.
    ///
    /// # Errors
    /// When there is no imputed value.
    pub fn floats(replaced: f32, imputed: Vec<f32>) -> Result<Imputer, String> {
        Imputer::new(Rule::Floats { replaced, imputed })
    }

    /// For integer operands.
    ///
    /// # Errors
    /// When there is no imputed value.
    pub fn integers(replaced: i64, imputed: Vec<i64>) -> Result<Imputer, String> {
        Imputer::new(Rule::Integers { replaced, imputed })
    }

    fn new(rule: Rule) -> Result<Imputer, String> {
        let imputer = Imputer { rule };
        match imputer.len() {
            0 => Err("no imputed value, expected one, or one per column".to_owned()),
            _ => Ok(imputer),
        }
    }

    fn len(&self) -> usize {
        match &self.rule {
            Rule::Floats { imputed, .. } => imputed.len(),
            Rule::Integers { imputed, .. } => imputed.len(),
        }
    }

    /// Whether a missing value (NaN) comes out as a number, whatever its column.
    pub fn replaces_nan(&self) -> bool {
        match &self.rule {
            Rule::Floats { replaced, imputed } => {
                replaced.is_nan() && imputed.iter().all(|x| !x.is_nan())
            }
            Rule::Integers { .. } => false,
        }
    }
}

impl Operator for Imputer {
    fn name(&self) -> &'static str {
        "Imputer"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match (&self.rule, operand_type(operands, 0)?) {
            (Rule::Floats { .. }, found @ (ElementType::F32 | ElementType::F64)) => Ok(vec![found]),
            (Rule::Integers { .. }, ElementType::I64) => Ok(vec![ElementType::I64]),
            (Rule::Floats { .. }, other) => {
                Err(format!("{other:?}, the imputed values are floats"))
            }
            (Rule::Integers { .. }, other) => {
                Err(format!("{other:?}, the imputed values are integers"))
            }
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let (_, columns) = rows_and_columns(x)?;
        if self.len() != 1 && self.len() != columns {
            return Err(format!(
                "operand of {columns} columns, the imputer has {}",
                self.len()
            ));
        }
        let data = match (x.data(), &self.rule) {
            (Data::F32(values), Rule::Floats { replaced, imputed }) => {
                let is_missing = |x: f32| x == *replaced || (x.is_nan() && replaced.is_nan());
                Data::F32(replace(values, is_missing, imputed.iter().copied()))
            }
            (Data::F64(values), Rule::Floats { replaced, imputed }) => {
                let is_missing =
                    |x: f64| x == f64::from(*replaced) || (x.is_nan() && replaced.is_nan());
                Data::F64(replace(
                    values,
                    is_missing,
                    imputed.iter().map(|&x| f64::from(x)),
                ))
            }
            (Data::I64(values), Rule::Integers { replaced, imputed }) => {
                Data::I64(replace(values, |x| x == *replaced, imputed.iter().copied()))
            }
            _ => {
                return Err(format!(
                    "{:?}, the imputed values are of another type",
                    x.element_type()
                ));
            }
        };
        Ok(vec![tensor(x.shape().to_vec(), data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}

fn replace<T: Copy>(
    values: &[T],
    is_missing: impl Fn(T) -> bool,
    imputed: impl Iterator<Item = T> + Clone,
) -> Vec<T> {
    values
        .iter()
        .zip(imputed.cycle())
        .map(|(&x, imputed)| if is_missing(x) { imputed } else { x })
        .collect()
}

read_checked!(Imputer, reader => Imputer::new(Rule::deserialize_reader(reader)?));
