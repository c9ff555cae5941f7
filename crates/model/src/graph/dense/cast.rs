//! Changes of element type.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::graph::operator::{Flow, Operands, Operator, numeric, operand, operand_type, tensor};
use crate::{Data, ElementType, Tensor};

/// Converts numbers to another type: floats to integers truncate, NaN and what does not fit become the smallest integer
/// (as on x86), everything but 0 is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Cast {
    /// The type of the result.
    pub to: ElementType,
}

impl Operator for Cast {
    fn name(&self) -> &'static str {
        "Cast"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        let from = operand_type(operands, 0)?;
        if from != self.to {
            numeric(from)
                .and(numeric(self.to))
                .map_err(|_| format!("{from:?} cannot become {:?}", self.to))?;
        }
        Ok(vec![self.to])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let data = match (x.data(), self.to) {
            (data, to) if data.element_type() == to => data.clone(),
            (Data::F32(v), ElementType::F64) => {
                Data::F64(v.iter().map(|&x| f64::from(x)).collect())
            }
            (Data::F32(v), ElementType::I64) => {
                Data::I64(v.iter().map(|&x| truncate(f64::from(x))).collect())
            }
            (Data::F32(v), ElementType::Bool) => Data::Bool(v.iter().map(|&x| x != 0.0).collect()),
            (Data::F64(v), ElementType::F32) => Data::F32(v.iter().map(|&x| x as f32).collect()),
            (Data::F64(v), ElementType::I64) => Data::I64(v.iter().map(|&x| truncate(x)).collect()),
            (Data::F64(v), ElementType::Bool) => Data::Bool(v.iter().map(|&x| x != 0.0).collect()),
            (Data::I64(v), ElementType::F32) => Data::F32(v.iter().map(|&x| x as f32).collect()),
            (Data::I64(v), ElementType::F64) => Data::F64(v.iter().map(|&x| x as f64).collect()),
            (Data::I64(v), ElementType::Bool) => Data::Bool(v.iter().map(|&x| x != 0).collect()),
            (Data::Bool(v), ElementType::F32) => {
                Data::F32(v.iter().map(|&x| f32::from(u8::from(x))).collect())
            }
            (Data::Bool(v), ElementType::F64) => {
                Data::F64(v.iter().map(|&x| f64::from(u8::from(x))).collect())
            }
            (Data::Bool(v), ElementType::I64) => {
                Data::I64(v.iter().map(|&x| i64::from(x)).collect())
            }
            (data, to) => return Err(format!("{:?} cannot become {to:?}", data.element_type())),
        };
        Ok(vec![tensor(x.shape().to_vec(), data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}

/// As the conversion instruction of x86 does it, which is what ONNX Runtime answers there.
fn truncate(x: f64) -> i64 {
    if x >= -(2f64.powi(63)) && x < 2f64.powi(63) {
        x as i64
    } else {
        i64::MIN
    }
}
