//! Normalisation of axes and of channels.

use borsh::{BorshDeserialize, BorshSerialize};
use hyaline_kernels::{Neighbours, local_response, standardise};

use super::{floats, only_floats};
use crate::graph::operator::{Flow, Operands, Operator, axis_of, operand, tensor};
use crate::{Data, ElementType, Tensor};

/// `(x - mean) / √(variance + ε)` over the axes from `axis` on, f32.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Standardise {
    /// The first of them; negative counts from the end.
    pub axis: i64,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether the mean counts; else the mean of the squares is the variance.
    pub centred: bool,
}

impl Operator for Standardise {
    fn name(&self) -> &'static str {
        if self.centred {
            "LayerNormalization"
        } else {
            "RMSNormalization"
        }
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        only_floats(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let axis = axis_of(self.axis, x.shape().len())?;
        let mut values = floats(x)?.to_vec();
        let run: usize = x.shape()[axis..].iter().product();
        standardise(&mut values, run.max(1), self.epsilon, self.centred);
        Ok(vec![tensor(x.shape().to_vec(), Data::F32(values))?])
    }

    fn flow(&self) -> Flow {
        if self.axis == 0 {
            Flow::All
        } else {
            Flow::Rows
        }
    }
}

/// Division by the neighbours in other channels: `[rows, channels, …]`, f32.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct LocalResponse {
    /// Channels that count.
    pub size: u32,
    /// Scale of the sum of squares.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// Added to the sum.
    pub bias: f32,
}

impl Operator for LocalResponse {
    fn name(&self) -> &'static str {
        "LRN"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        only_floats(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let &[_, channels, ref spatial @ ..] = x.shape() else {
            return Err(format!("channels of an operand of shape {:?}", x.shape()));
        };
        let by = Neighbours {
            size: self.size as usize,
            alpha: self.alpha,
            beta: self.beta,
            bias: self.bias,
        };
        let made = local_response(floats(x)?, channels, spatial.iter().product(), &by);
        Ok(vec![tensor(x.shape().to_vec(), Data::F32(made))?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}
