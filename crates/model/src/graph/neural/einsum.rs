//! Sums of products over named axes.

use borsh::{BorshDeserialize, BorshSerialize};

use super::floats;
use crate::graph::operator::{
    Arity, Flow, Operands, Operator, element_count, operand, operand_type, tensor,
};
use crate::{Data, ElementType, Tensor};

/// `Σ Π operands`, f32; the sum over all axes that the result does not name, in double precision.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Einsum {
    /// The letter of every axis, per operand.
    pub operands: Vec<Vec<u8>>,
    /// The letters of the result's axes.
    pub result: Vec<u8>,
}

impl Operator for Einsum {
    fn name(&self) -> &'static str {
        "Einsum"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(self.operands.len())
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        for index in 0..operands.len() {
            let found = operand_type(operands, index)?;
            if found != ElementType::F32 {
                return Err(format!("{found:?}, expected F32"));
            }
        }
        Ok(vec![ElementType::F32])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let mut letters = self.result.clone();
        let mut extents = vec![0; letters.len()];
        let mut factors = Vec::with_capacity(self.operands.len());
        for (index, axes) in self.operands.iter().enumerate() {
            let x = operand(operands, index)?;
            if x.shape().len() != axes.len() {
                return Err(format!(
                    "an operand of shape {:?} for {} axes",
                    x.shape(),
                    axes.len()
                ));
            }
            for (letter, &extent) in axes.iter().zip(x.shape()) {
                let at = letters
                    .iter()
                    .position(|own| own == letter)
                    .unwrap_or_else(|| {
                        letters.push(*letter);
                        extents.push(0);
                        letters.len() - 1
                    });
                if extents[at] > 1 && extent > 1 && extents[at] != extent {
                    return Err(format!(
                        "an axis of {extent} and one of {} of one name",
                        extents[at]
                    ));
                }
                extents[at] = extents[at].max(extent);
            }
            factors.push(floats(x)?);
        }
        let (outer, inner) = extents.split_at(self.result.len());
        let (shape, terms) = (outer.to_vec(), element_count(inner)?);
        element_count(&extents)?;
        // Strides of every operand along every letter; an axis of extent 1 stays where it is.
        let mut strides = vec![vec![0; letters.len()]; factors.len()];
        for (index, axes) in self.operands.iter().enumerate() {
            let mut stride = 1;
            for (letter, &extent) in axes.iter().zip(operand(operands, index)?.shape()).rev() {
                if let Some(at) = letters
                    .iter()
                    .position(|own| own == letter)
                    .filter(|_| extent > 1)
                {
                    strides[index][at] += stride;
                }
                stride *= extent;
            }
        }
        let mut made = Vec::with_capacity(element_count(&shape)?);
        let mut index = vec![0; letters.len()];
        for _ in 0..element_count(&shape)? {
            let mut sum = 0.0;
            for _ in 0..terms {
                let offset = |strides: &[usize]| -> usize {
                    strides
                        .iter()
                        .zip(&index)
                        .map(|(stride, at)| stride * at)
                        .sum()
                };
                let product = factors.iter().zip(&strides);
                sum += product.fold(1.0, |product, (x, strides)| {
                    product * f64::from(x[offset(strides)])
                });
                advance(&mut index[shape.len()..], inner);
            }
            made.push(sum as f32);
            advance(&mut index[..shape.len()], outer);
        }
        Ok(vec![tensor(shape, Data::F32(made))?])
    }

    fn flow(&self) -> Flow {
        Flow::All
    }
}

/// The next index, last axis fastest; after the last comes the first.
fn advance(index: &mut [usize], extents: &[usize]) {
    for (at, &extent) in index.iter_mut().zip(extents).rev() {
        *at += 1;
        if *at < extent {
            return;
        }
        *at = 0;
    }
}
