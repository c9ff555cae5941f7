//! Numbers divided by what they add up to.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::graph::operator::{Flow, Operands, Operator, axis_of, operand, operand_type, tensor};
use crate::{Data, ElementType, Tensor};

/// `e^x / Σ e^x` (or its logarithm) over the axes that follow `axis`, or over `axis` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Softmax {
    /// The axis; negative counts from the end.
    pub axis: i64,
    /// Whether all axes from `axis` on count as one (before opset 13).
    pub flattened: bool,
    /// Whether the logarithm is wanted.
    pub log: bool,
}

fn floats(operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
    match operand_type(operands, 0)? {
        found @ (ElementType::F32 | ElementType::F64) => Ok(vec![found]),
        other => Err(format!("{other:?}, expected floats")),
    }
}

/// Replaces the numbers along `axis` (all axes from it on when `flattened`) by what `f` makes of them.
fn along(
    x: &Tensor,
    axis: i64,
    flattened: bool,
    f: impl Fn(&mut [f64]),
) -> Result<Vec<Tensor>, String> {
    let axis = axis_of(axis, x.shape().len())?;
    let (run, inner): (usize, usize) = if flattened {
        (x.shape()[axis..].iter().product(), 1)
    } else {
        (x.shape()[axis], x.shape()[axis + 1..].iter().product())
    };
    let data = match x.data() {
        Data::F32(values) => Data::F32(runs(values, run, inner, f, f64::from, |x| x as f32)),
        Data::F64(values) => Data::F64(runs(values, run, inner, f, |x| x, |x| x)),
        other => return Err(format!("{:?}, expected floats", other.element_type())),
    };
    Ok(vec![tensor(x.shape().to_vec(), data)?])
}

fn runs<T: Copy>(
    values: &[T],
    run: usize,
    inner: usize,
    f: impl Fn(&mut [f64]),
    widen: impl Fn(T) -> f64,
    narrow: impl Fn(f64) -> T,
) -> Vec<T> {
    let mut result = values.to_vec();
    if values.is_empty() {
        return result;
    }
    let mut numbers = vec![0.0; run];
    for block in result.chunks_exact_mut(run * inner) {
        for offset in 0..inner {
            numbers
                .iter_mut()
                .zip(block[offset..].iter().step_by(inner))
                .for_each(|(number, &x)| *number = widen(x));
            f(&mut numbers);
            block[offset..]
                .iter_mut()
                .step_by(inner)
                .zip(&numbers)
                .for_each(|(x, &number)| *x = narrow(number));
        }
    }
    result
}

impl Operator for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "LogSoftmax" } else { "Softmax" }
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        floats(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        along(operand(operands, 0)?, self.axis, self.flattened, |x| {
            let top = x.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            let sum: f64 = x.iter().map(|&x| libm::exp(x - top)).sum();
            let log_sum = libm::log(sum);
            x.iter_mut().for_each(|x| {
                *x = if self.log {
                    *x - top - log_sum
                } else {
                    libm::exp(*x - top) / sum
                }
            });
        })
    }

    fn flow(&self) -> Flow {
        if self.axis == -1 || self.axis > 0 {
            Flow::Rows
        } else {
            Flow::All
        }
    }
}

/// `x / (Σ |x|ᵖ)^(1/p)` along an axis; 0 stays 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LpNormalize {
    /// The axis; negative counts from the end.
    pub axis: i64,
    /// Whether p is 1 instead of 2.
    pub manhattan: bool,
}

impl Operator for LpNormalize {
    fn name(&self) -> &'static str {
        "LpNormalization"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        floats(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        along(operand(operands, 0)?, self.axis, false, |x| {
            let norm = if self.manhattan {
                x.iter().map(|x| x.abs()).sum()
            } else {
                libm::sqrt(x.iter().map(|x| x * x).sum())
            };
            if norm != 0.0 {
                x.iter_mut().for_each(|x| *x /= norm);
            }
        })
    }

    fn flow(&self) -> Flow {
        if self.axis == -1 || self.axis > 0 {
            Flow::Rows
        } else {
            Flow::All
        }
    }
}
