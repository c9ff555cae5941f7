//! `Scaler`: standardisation.

use borsh::BorshSerialize;

use super::{all_finite, number, read_checked, rows_and_columns};
use crate::graph::operator::{Flow, Operands, Operator, operand, operand_type, tensor};
use crate::{Data, ElementType, Tensor};

/// `(x − offset) · scale`, column by column, as f32. Integers are rounded to f32 first; f64 operands are rounded last.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Scaler {
    #[borsh(serialize_with = "crate::floats::write")]
    offset: Vec<f32>,
    #[borsh(serialize_with = "crate::floats::write")]
    scale: Vec<f32>,
}

impl Scaler {
    /// One offset and scale per column, or one of each for all columns.
    ///
    /// # Errors
    /// When the lengths differ, are 0, or a number is not finite.
    pub fn new(offset: Vec<f32>, scale: Vec<f32>) -> Result<Scaler, String> {
        if offset.len() != scale.len() || scale.is_empty() {
            return Err(format!(
                "{} offsets and {} scales, expected one of each per column",
                offset.len(),
                scale.len()
            ));
        }
        all_finite("offset", &offset)?;
        all_finite("scale", &scale)?;
        Ok(Scaler { offset, scale })
    }
}

impl Operator for Scaler {
    fn name(&self) -> &'static str {
        "Scaler"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        number(operand_type(operands, 0)?)?;
        Ok(vec![ElementType::F32])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let (_, columns) = rows_and_columns(x)?;
        if self.scale.len() != 1 && self.scale.len() != columns {
            return Err(format!(
                "operand of {columns} columns, the scaler has {}",
                self.scale.len()
            ));
        }
        let scaling = self.offset.iter().zip(&self.scale).cycle();
        let scaled = match x.data() {
            Data::F32(values) => values
                .iter()
                .zip(scaling)
                .map(|(&x, (offset, scale))| (x - offset) * scale)
                .collect(),
            Data::I64(values) => values
                .iter()
                .zip(scaling)
                .map(|(&x, (offset, scale))| (x as f32 - offset) * scale)
                .collect(),
            Data::F64(values) => {
                let scale = |(&x, (&offset, &scale)): (&f64, (&f32, &f32))| {
                    (x - f64::from(offset)) * f64::from(scale)
                };
                values
                    .iter()
                    .zip(scaling)
                    .map(|pair| scale(pair) as f32)
                    .collect()
            }
            _ => return Err(format!("{:?}, expected numbers", x.element_type())),
        };
        Ok(vec![tensor(x.shape().to_vec(), Data::F32(scaled))?])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}

read_checked!(Scaler, reader => Scaler::new(crate::floats::read(reader)?, crate::floats::read(reader)?));
