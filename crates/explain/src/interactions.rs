//! Which features act together: Shapley interaction values behind one explanation.

use hyaline_model::{Batch, Method, Model};

use crate::explained::ExplainedMargin;
use crate::{ExplainError, Explainer, Explanations};

/// Shapley interaction values of `rows` rows (Lundberg et al. 2018, arXiv:1802.03888, section 4), in the unit of the
/// explanation they belong to. The matrix of a row is symmetric; an off-diagonal pair is shared in halves, so that the
/// values of feature `f` in one matrix row sum to its attribution.
#[derive(Clone, Debug, PartialEq)]
pub struct Interactions {
    /// Rows.
    pub rows: usize,
    /// Raw features, in schema order.
    pub features: usize,
    /// Outputs, as in the explanation.
    pub outputs: usize,
    /// `[rows, features, features, outputs]`.
    pub values: Vec<f64>,
}

impl Explainer {
    /// Interaction values behind `explanations`, which this explainer made of the rows of `batch`. O(features²) numbers
    /// per row.
    ///
    /// # Errors
    /// [`ExplainError::Unsupported`] for any method but those of trees and linear models;
    /// [`ExplainError::Evaluation`] when the model refuses a row.
    pub fn interactions(
        &self,
        model: &Model,
        batch: &Batch,
        explanations: &Explanations,
    ) -> Result<Interactions, ExplainError> {
        let (rows, features) = (explanations.rows, explanations.features);
        let values = match (explanations.method, self.trees(explanations.method)) {
            (_, Some(trees)) => {
                let outputs = trees.base_values().len();
                let mut values = vec![0.0; rows * features * features * outputs];
                trees.interactions(&model.encode(batch)?, &mut values);
                ExplainedMargin::of(model).of_differences(values, outputs)
            }
            (Method::Linear, None) => on_the_diagonal(explanations),
            (method, None) => {
                return Err(ExplainError::Unsupported(format!(
                    "interaction values are computed for tree ensembles and linear models, not by {}",
                    method.name()
                )));
            }
        };
        Ok(Interactions {
            rows,
            features,
            outputs: explanations.outputs,
            values,
        })
    }
}

/// Without interactions every feature acts for itself.
fn on_the_diagonal(explanations: &Explanations) -> Vec<f64> {
    let (features, outputs) = (explanations.features, explanations.outputs);
    let mut values = vec![0.0; explanations.rows * features * features * outputs];
    for (at, attribution) in explanations.attributions.chunks_exact(outputs).enumerate() {
        let (row, feature) = (at / features, at % features);
        let place = (row * features + feature) * features + feature;
        values[place * outputs..][..outputs].copy_from_slice(attribution);
    }
    values
}
