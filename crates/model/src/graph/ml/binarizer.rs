//! `Binarizer`: numbers to 0 and 1.

use borsh::BorshSerialize;

use super::{number, read_checked};
use crate::graph::operator::{Flow, Operands, Operator, as_f32, operand, operand_type, tensor};
use crate::{Data, ElementType, Tensor};

/// 1 where `x > threshold`, else 0, as f32. NaN is refused.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize)]
pub struct Binarizer {
    #[borsh(serialize_with = "crate::floats::write_one")]
    threshold: f32,
}

impl Binarizer {
    /// # Errors
    /// When the threshold is NaN.
    pub fn new(threshold: f32) -> Result<Binarizer, String> {
        if threshold.is_nan() {
            return Err("the threshold is NaN, expected a number".to_owned());
        }
        Ok(Binarizer { threshold })
    }
}

impl Operator for Binarizer {
    fn name(&self) -> &'static str {
        "Binarizer"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        number(operand_type(operands, 0)?)?;
        Ok(vec![ElementType::F32])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let values = as_f32(x)?;
        if let Some(position) = values.iter().position(|x| x.is_nan()) {
            return Err(format!(
                "element {position} is NaN, which is neither above {} nor below",
                self.threshold
            ));
        }
        let binary = values
            .iter()
            .map(|&x| f32::from(u8::from(x > self.threshold)))
            .collect();
        Ok(vec![tensor(x.shape().to_vec(), Data::F32(binary))?])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}

read_checked!(Binarizer, reader => Binarizer::new(crate::floats::read_one(reader)?));
