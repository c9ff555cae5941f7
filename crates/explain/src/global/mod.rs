//! Explanations of a model as a whole, from reference rows: which features matter, how the answer changes with one of
//! them, which rows are typical.

mod dependence;
mod grid;
mod mean_attribution;
mod metric;
mod permutation;
mod prototypes;
mod similarity;

pub use dependence::{Dependence, DependenceKind, DependenceRequest, dependence, dependence_at};
pub use mean_attribution::{MeanAttributions, mean_attributions};
pub use metric::Metric;
pub use permutation::{PermutationImportance, PermutationRequest, permutation_importance};
pub use prototypes::{Examples, prototypes};

use hyaline_model::{Batch, Column, Schema};

use crate::ExplainError;

/// Most rows of one model call: enough for the model's inner loops, small in memory.
const ROWS: usize = 4096;

fn unsupported<T>(text: String) -> Result<T, ExplainError> {
    Err(ExplainError::Unsupported(text))
}

/// `batch` with another column for `feature`.
fn with_column(schema: &Schema, batch: &Batch, feature: usize, column: Column) -> Batch {
    let mut columns = batch.columns().to_vec();
    columns[feature] = column;
    Batch::new(schema, columns).expect("a column of the same kind and length")
}

/// At most `most` positions in `0..count`, evenly spaced.
fn evenly_spaced(count: usize, most: usize) -> Vec<usize> {
    let taken = count.min(most);
    (0..taken).map(|at| at * count / taken).collect()
}
