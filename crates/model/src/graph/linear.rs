//! Affine maps: the margin of linear and logistic regression, linear SVM, ridge, lasso and their kin.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Data, Tensor};

/// `margin[o] = intercept[o] + Σ_c weights[o, c] · x[c]`, accumulated in f64 in column order.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Linear {
    columns: u32,
    #[borsh(serialize_with = "crate::floats::write")]
    weights: Vec<f64>,
    #[borsh(serialize_with = "crate::floats::write")]
    intercept: Vec<f64>,
}

impl Linear {
    /// `weights` is `[outputs, columns]`, row-major; `intercept` is `[outputs]`.
    ///
    /// # Errors
    /// When the lengths contradict each other, there is no output or no column, or a number is not finite.
    pub fn new(columns: u32, weights: Vec<f64>, intercept: Vec<f64>) -> Result<Linear, String> {
        let expected = (columns as usize).checked_mul(intercept.len());
        if columns == 0 || intercept.is_empty() || expected != Some(weights.len()) {
            return Err(format!(
                "{} weights for {} outputs of {columns} columns",
                weights.len(),
                intercept.len()
            ));
        }
        if let Some(number) = weights
            .iter()
            .chain(&intercept)
            .find(|number| !number.is_finite())
        {
            return Err(format!("the coefficient {number} is not finite"));
        }
        Ok(Linear {
            columns,
            weights,
            intercept,
        })
    }

    /// Columns of the operand.
    pub fn columns(&self) -> usize {
        self.columns as usize
    }

    /// Numbers per row that come out.
    pub fn outputs(&self) -> usize {
        self.intercept.len()
    }

    /// Coefficients of `output`, one per column.
    ///
    /// # Panics
    /// If there is no such output.
    pub fn weights(&self, output: usize) -> &[f64] {
        &self.weights[output * self.columns()..][..self.columns()]
    }

    /// The constant terms, one per output.
    pub fn intercept(&self) -> &[f64] {
        &self.intercept
    }

    /// Margins `[rows, outputs]` of `x` `[rows, columns]`, in f64.
    pub(crate) fn evaluate(&self, x: &Tensor) -> Result<Tensor, String> {
        let rows = super::operator::matrix_rows(x, self.columns())?;
        let x = super::operator::as_f64(x)?;
        let mut margins = Vec::with_capacity(rows * self.outputs());
        for row in x.chunks_exact(self.columns()) {
            for (output, intercept) in self.intercept.iter().enumerate() {
                let terms = self.weights(output).iter().zip(row).map(|(w, x)| w * x);
                margins.push(terms.fold(*intercept, |sum, term| sum + term));
            }
        }
        Ok(Tensor::new(vec![rows, self.outputs()], Data::F64(margins))
            .expect("one margin per row and output"))
    }
}

impl BorshDeserialize for Linear {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let columns = u32::deserialize_reader(reader)?;
        let weights = crate::floats::read(reader)?;
        let intercept = crate::floats::read(reader)?;
        Linear::new(columns, weights, intercept)
            .map_err(|reason| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, reason))
    }
}
