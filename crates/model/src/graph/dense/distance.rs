//! Distances between the rows of two matrices, as nearest neighbours and kernels use them.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::graph::operator::{
    Arity, Flow, Operands, Operator, element_count, operand, operand_type, tensor,
};
use crate::{Data, ElementType, Tensor};

/// What a distance is.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Metric {
    /// `Σ (a - b)²`
    SquaredEuclidean,
    /// `√Σ (a - b)²`
    Euclidean,
    /// `Σ |a - b|`
    Manhattan,
    /// `Σ |a - b|ᵖ`, without the root.
    PowerSum(f32),
    /// `max |a - b|`
    Chebyshev,
}

/// `[n, m]` distances between the rows of `[n, d]` and of `[m, d]`.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Distance {
    /// What a distance is.
    pub metric: Metric,
}

impl Operator for Distance {
    fn name(&self) -> &'static str {
        "CDist"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(2)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match (operand_type(operands, 0)?, operand_type(operands, 1)?) {
            (a @ (ElementType::F32 | ElementType::F64), b) if a == b => Ok(vec![a]),
            (a, b) => Err(format!("distances between {a:?} and {b:?}")),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let (a, b) = (operand(operands, 0)?, operand(operands, 1)?);
        let (&[n, d], &[m, found]) = (a.shape(), b.shape()) else {
            return Err(format!(
                "distances between shapes {:?} and {:?}",
                a.shape(),
                b.shape()
            ));
        };
        if found != d {
            return Err(format!(
                "distances between shapes {:?} and {:?}",
                a.shape(),
                b.shape()
            ));
        }
        element_count(&[n, m])?;
        let data = match (a.data(), b.data()) {
            (Data::F32(a), Data::F32(b)) => Data::F32(match self.metric {
                Metric::SquaredEuclidean => pairs(a, b, d, n * m, |a, b| sum(a, b, |x| x * x)),
                Metric::Euclidean => {
                    pairs(a, b, d, n * m, |a, b| libm::sqrtf(sum(a, b, |x| x * x)))
                }
                Metric::Manhattan => pairs(a, b, d, n * m, |a, b| sum(a, b, f32::abs)),
                Metric::PowerSum(p) => {
                    pairs(a, b, d, n * m, |a, b| sum(a, b, |x| libm::powf(x.abs(), p)))
                }
                Metric::Chebyshev => pairs(a, b, d, n * m, |a, b| {
                    a.iter()
                        .zip(b)
                        .map(|(a, b)| (a - b).abs())
                        .fold(0.0, f32::max)
                }),
            }),
            (Data::F64(a), Data::F64(b)) => Data::F64(match self.metric {
                Metric::SquaredEuclidean => pairs(a, b, d, n * m, |a, b| sum(a, b, |x| x * x)),
                Metric::Euclidean => pairs(a, b, d, n * m, |a, b| libm::sqrt(sum(a, b, |x| x * x))),
                Metric::Manhattan => pairs(a, b, d, n * m, |a, b| sum(a, b, f64::abs)),
                Metric::PowerSum(p) => pairs(a, b, d, n * m, |a, b| {
                    sum(a, b, |x| libm::pow(x.abs(), f64::from(p)))
                }),
                Metric::Chebyshev => pairs(a, b, d, n * m, |a, b| {
                    a.iter()
                        .zip(b)
                        .map(|(a, b)| (a - b).abs())
                        .fold(0.0, f64::max)
                }),
            }),
            (a, b) => {
                return Err(format!(
                    "distances between {:?} and {:?}",
                    a.element_type(),
                    b.element_type()
                ));
            }
        };
        Ok(vec![tensor(vec![n, m], data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}

fn pairs<T>(a: &[T], b: &[T], d: usize, count: usize, f: impl Fn(&[T], &[T]) -> T) -> Vec<T> {
    let mut distances = Vec::with_capacity(count);
    if d == 0 {
        distances.extend((0..count).map(|_| f(&[], &[])));
        return distances;
    }
    for a in a.chunks_exact(d) {
        distances.extend(b.chunks_exact(d).map(|b| f(a, b)));
    }
    distances
}

fn sum<T>(a: &[T], b: &[T], f: impl Fn(T) -> T) -> T
where
    T: Copy + Default + std::ops::Sub<Output = T> + std::ops::Add<Output = T>,
{
    a.iter()
        .zip(b)
        .fold(T::default(), |sum, (&a, &b)| sum + f(a - b))
}
