//! Support vectors under a kernel, and the regressor made of them (`SVMRegressor`).

use borsh::{BorshDeserialize, BorshSerialize};

use super::{all_finite, number, read_checked};
use crate::graph::operator::{
    Flow, Operands, Operator, as_f32, element_count, matrix_rows, operand, operand_type, tensor,
};
use crate::{Data, ElementType, Tensor};

/// Similarity of two rows.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Kernel {
    /// `x · v`.
    Linear,
    /// `(gamma · x · v + coef0) ^ degree`.
    Poly {
        /// Slope.
        gamma: f32,
        /// Constant term.
        coef0: f32,
        /// Exponent.
        degree: f32,
    },
    /// `exp(−gamma · ‖x − v‖²)`.
    Rbf {
        /// Inverse width.
        gamma: f32,
    },
    /// `tanh(gamma · x · v + coef0)`.
    Sigmoid {
        /// Slope.
        gamma: f32,
        /// Constant term.
        coef0: f32,
    },
}

impl Kernel {
    fn parameters(self) -> [f32; 3] {
        match self {
            Kernel::Linear => [0.0; 3],
            Kernel::Poly {
                gamma,
                coef0,
                degree,
            } => [gamma, coef0, degree],
            Kernel::Rbf { gamma } => [gamma, 0.0, 0.0],
            Kernel::Sigmoid { gamma, coef0 } => [gamma, coef0, 0.0],
        }
    }
}

/// Support vectors and their kernel.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct SupportVectors {
    kernel: Kernel,
    count: u32,
    /// `[columns, count]`: one column of all vectors at a time, so that the inner loop runs over vectors and each sum is
    /// still taken in column order.
    #[borsh(serialize_with = "crate::floats::write")]
    by_column: Vec<f32>,
}

impl SupportVectors {
    /// `vectors` is `[count, columns]`, row-major.
    ///
    /// # Errors
    /// When there is no vector or no column, the numbers do not divide into `count` vectors, or one of them or of the
    /// kernel's parameters is not finite.
    pub fn new(kernel: Kernel, count: u32, vectors: &[f32]) -> Result<SupportVectors, String> {
        let rows = count as usize;
        if rows == 0 || vectors.is_empty() || !vectors.len().is_multiple_of(rows) {
            return Err(format!(
                "{} numbers for {count} support vectors",
                vectors.len()
            ));
        }
        let columns = vectors.len() / rows;
        let by_column = (0..vectors.len())
            .map(|index| vectors[index % rows * columns + index / rows])
            .collect();
        SupportVectors::by_column(kernel, count, by_column)
    }

    fn by_column(
        kernel: Kernel,
        count: u32,
        by_column: Vec<f32>,
    ) -> Result<SupportVectors, String> {
        if count == 0 || by_column.is_empty() || !by_column.len().is_multiple_of(count as usize) {
            return Err(format!(
                "{} numbers for {count} support vectors",
                by_column.len()
            ));
        }
        all_finite("kernel_params", &kernel.parameters())?;
        all_finite("support_vectors", &by_column)?;
        Ok(SupportVectors {
            kernel,
            count,
            by_column,
        })
    }

    /// How many vectors.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Numbers per vector.
    pub fn columns(&self) -> usize {
        self.by_column.len() / self.count()
    }

    /// The kernel of `row` with each vector, in f32.
    pub(super) fn similarities(&self, row: &[f32], similarities: &mut Vec<f32>) {
        similarities.clear();
        similarities.resize(self.count(), 0.0);
        let columns = row.iter().zip(self.by_column.chunks_exact(self.count()));
        if let Kernel::Rbf { gamma } = self.kernel {
            for (x, vectors) in columns {
                for (sum, v) in similarities.iter_mut().zip(vectors) {
                    let difference = x - v;
                    *sum += difference * difference;
                }
            }
            similarities
                .iter_mut()
                .for_each(|k| *k = libm::expf(-gamma * *k));
            return;
        }
        for (x, vectors) in columns {
            for (sum, v) in similarities.iter_mut().zip(vectors) {
                *sum += x * v;
            }
        }
        match self.kernel {
            Kernel::Linear | Kernel::Rbf { .. } => {}
            Kernel::Poly {
                gamma,
                coef0,
                degree,
            } => {
                similarities
                    .iter_mut()
                    .for_each(|k| *k = power(gamma * *k + coef0, degree));
            }
            Kernel::Sigmoid { gamma, coef0 } => {
                similarities
                    .iter_mut()
                    .for_each(|k| *k = libm::tanhf(gamma * *k + coef0));
            }
        }
    }
}

fn power(x: f32, degree: f32) -> f32 {
    if degree == 2.0 {
        x * x
    } else if degree == 3.0 {
        x * x * x
    } else {
        libm::powf(x, degree)
    }
}

read_checked!(SupportVectors, reader => SupportVectors::by_column(
    Kernel::deserialize_reader(reader)?,
    u32::deserialize_reader(reader)?,
    crate::floats::read(reader)?,
));

/// `rho + Σ coefficient · kernel(x, v)`, or its sign for a one-class machine: `[rows, columns]` → f32 `[rows, 1]`.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct SvmRegressor {
    vectors: SupportVectors,
    #[borsh(serialize_with = "crate::floats::write")]
    coefficients: Vec<f32>,
    #[borsh(serialize_with = "crate::floats::write_one")]
    rho: f32,
    one_class: bool,
}

impl SvmRegressor {
    /// One coefficient per vector. A `one_class` machine answers 1 (inside) where the sum is positive, else -1.
    ///
    /// # Errors
    /// When there is another number of coefficients, or a number is not finite.
    pub fn new(
        vectors: SupportVectors,
        coefficients: Vec<f32>,
        rho: f32,
        one_class: bool,
    ) -> Result<SvmRegressor, String> {
        if coefficients.len() != vectors.count() {
            return Err(format!(
                "{} coefficients for {} support vectors",
                coefficients.len(),
                vectors.count()
            ));
        }
        all_finite("coefficients", &coefficients)?;
        all_finite("rho", &[rho])?;
        Ok(SvmRegressor {
            vectors,
            coefficients,
            rho,
            one_class,
        })
    }
}

impl Operator for SvmRegressor {
    fn name(&self) -> &'static str {
        "SVMRegressor"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        number(operand_type(operands, 0)?)?;
        Ok(vec![ElementType::F32])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let rows = matrix_rows(x, self.vectors.columns())?;
        element_count(&[rows, self.vectors.count()])?;
        let mut similarities = Vec::new();
        let values = as_f32(x)?
            .chunks_exact(self.vectors.columns())
            .map(|row| {
                self.vectors.similarities(row, &mut similarities);
                let terms = self
                    .coefficients
                    .iter()
                    .zip(&similarities)
                    .map(|(c, k)| f64::from(*c) * f64::from(*k));
                let value = (f64::from(self.rho) + terms.sum::<f64>()) as f32;
                match self.one_class {
                    true if value > 0.0 => 1.0,
                    true => -1.0,
                    false => value,
                }
            })
            .collect();
        Ok(vec![tensor(vec![rows, 1], Data::F32(values))?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}

read_checked!(SvmRegressor, reader => SvmRegressor::new(
    SupportVectors::deserialize_reader(reader)?,
    crate::floats::read(reader)?,
    crate::floats::read_one(reader)?,
    bool::deserialize_reader(reader)?,
));
