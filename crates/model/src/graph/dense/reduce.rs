//! Sums, means and other summaries over axes.

use borsh::{BorshDeserialize, BorshSerialize};

use super::layout::permute;
use crate::graph::operator::{Flow, Operands, Operator, axis_of, operand, operand_type, tensor};
use crate::{Data, ElementType, Tensor};

/// What a [`Reduce`] makes of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Reduction {
    /// `Σ x`
    Sum,
    /// The mean.
    Mean,
    /// The largest; NaN when one is NaN.
    Max,
    /// The smallest; NaN when one is NaN.
    Min,
    /// `Π x`
    Prod,
    /// `Σ |x|`
    L1,
    /// `√Σ x²`
    L2,
    /// `Σ x²`
    SumSquare,
    /// `ln Σ x`
    LogSum,
    /// `ln Σ eˣ`
    LogSumExp,
}

/// Summarises over `axes`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Reduce {
    /// The summary.
    pub reduction: Reduction,
    /// Axes, negative counted from the end; `None`: all.
    pub axes: Option<Vec<i64>>,
    /// Whether the axes stay, with extent 1.
    pub keep: bool,
}

impl Operator for Reduce {
    fn name(&self) -> &'static str {
        match self.reduction {
            Reduction::Sum => "ReduceSum",
            Reduction::Mean => "ReduceMean",
            Reduction::Max => "ReduceMax",
            Reduction::Min => "ReduceMin",
            Reduction::Prod => "ReduceProd",
            Reduction::L1 => "ReduceL1",
            Reduction::L2 => "ReduceL2",
            Reduction::SumSquare => "ReduceSumSquare",
            Reduction::LogSum => "ReduceLogSum",
            Reduction::LogSumExp => "ReduceLogSumExp",
        }
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match operand_type(operands, 0)? {
            found @ (ElementType::F32 | ElementType::F64 | ElementType::I64) => Ok(vec![found]),
            other => Err(format!("{} of {other:?}", self.name())),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let rank = x.shape().len();
        let mut reduced = vec![self.axes.is_none(); rank];
        for &axis in self.axes.iter().flatten() {
            reduced[axis_of(axis, rank)?] = true;
        }
        // The reduced axes go last, so that every summary is over a contiguous run.
        let kept: Vec<usize> = (0..rank).filter(|&axis| !reduced[axis]).collect();
        let summed: Vec<usize> = (0..rank).filter(|&axis| reduced[axis]).collect();
        let run: usize = summed.iter().map(|&axis| x.shape()[axis]).product();
        let runs: usize = kept.iter().map(|&axis| x.shape()[axis]).product();
        let order: Vec<usize> = kept.iter().chain(&summed).copied().collect();
        let moved;
        let x_in_order = if order.is_sorted() {
            x
        } else {
            moved = permute(x, &order)?;
            &moved
        };
        let data = match x_in_order.data() {
            Data::F32(values) => Data::F32(each(values, run, runs, |run| {
                self.float(run.iter().map(|&x| f64::from(x))) as f32
            })),
            Data::F64(values) => Data::F64(each(values, run, runs, |run| {
                self.float(run.iter().copied())
            })),
            Data::I64(values) => Data::I64(each(values, run, runs, |run| self.integer(run))),
            other => return Err(format!("{} of {:?}", self.name(), other.element_type())),
        };
        let shape = (0..rank)
            .filter(|&axis| self.keep || !reduced[axis])
            .map(|axis| if reduced[axis] { 1 } else { x.shape()[axis] })
            .collect();
        Ok(vec![tensor(shape, data)?])
    }

    fn flow(&self) -> Flow {
        match self.axes.as_deref() {
            Some(axes) if axes.iter().all(|&axis| axis > 0) => Flow::Rows,
            Some([-1]) => Flow::Rows,
            _ => Flow::All,
        }
    }
}

fn each<T: Copy>(values: &[T], run: usize, runs: usize, f: impl Fn(&[T]) -> T) -> Vec<T> {
    if run == 0 {
        return (0..runs).map(|_| f(&[])).collect();
    }
    values.chunks_exact(run).map(f).collect()
}

impl Reduce {
    fn float(&self, x: impl Iterator<Item = f64> + Clone) -> f64 {
        let count = x.clone().count();
        let largest = |x: &mut dyn Iterator<Item = f64>| {
            x.fold(
                f64::NEG_INFINITY,
                |a, b| if a > b || a.is_nan() { a } else { b },
            )
        };
        match self.reduction {
            Reduction::Sum => x.sum(),
            Reduction::Mean => x.sum::<f64>() / count as f64,
            Reduction::Max => largest(&mut x.clone()),
            Reduction::Min => x.fold(
                f64::INFINITY,
                |a, b| if a < b || a.is_nan() { a } else { b },
            ),
            Reduction::Prod => x.product(),
            Reduction::L1 => x.map(f64::abs).sum(),
            Reduction::L2 => libm::sqrt(x.map(|x| x * x).sum()),
            Reduction::SumSquare => x.map(|x| x * x).sum(),
            Reduction::LogSum => libm::log(x.sum()),
            Reduction::LogSumExp => {
                let top = largest(&mut x.clone());
                let top = if top.is_finite() { top } else { 0.0 };
                top + libm::log(x.map(|x| libm::exp(x - top)).sum())
            }
        }
    }

    fn integer(&self, x: &[i64]) -> i64 {
        let sum = |f: fn(i64) -> i64| x.iter().fold(0i64, |sum, &x| sum.wrapping_add(f(x)));
        match self.reduction {
            Reduction::Sum => sum(|x| x),
            Reduction::Mean => sum(|x| x).checked_div(x.len() as i64).unwrap_or(0),
            Reduction::Max => x.iter().copied().max().unwrap_or(i64::MIN),
            Reduction::Min => x.iter().copied().min().unwrap_or(i64::MAX),
            Reduction::Prod => x.iter().fold(1i64, |product, &x| product.wrapping_mul(x)),
            Reduction::L1 => sum(i64::wrapping_abs),
            Reduction::SumSquare => sum(|x| x.wrapping_mul(x)),
            Reduction::L2 | Reduction::LogSum | Reduction::LogSumExp => {
                self.float(x.iter().map(|&x| x as f64)) as i64
            }
        }
    }
}
