//! How alike rows are.

use hyaline_model::{Batch, Column, Schema, Symbol};

use super::unsupported;
use crate::ExplainError;

/// `exp(−d²)`, where `d²` is the mean over features of the squared difference (of categories 0 or 1), each divided by its
/// mean over all pairs of rows: every feature counts alike, whatever its unit, and two rows drawn at random have a
/// distance of 1. Two missing values are equal; a missing and another one are as different as two drawn at random.
pub(super) struct Similarity<'b> {
    features: Vec<Scaled<'b>>,
}

enum Scaled<'b> {
    /// Numbers divided by the root of the mean squared difference.
    Numbers(Vec<f64>),
    /// Categories, and one over the share of unequal pairs.
    Categories(&'b [Symbol], f64),
}

impl<'b> Similarity<'b> {
    /// # Errors
    /// When a feature is text or a tensor, or no feature differs among the rows.
    pub(super) fn new(schema: &Schema, rows: &'b Batch) -> Result<Similarity<'b>, ExplainError> {
        let mut features = Vec::new();
        for (feature, column) in schema.features().iter().zip(rows.columns()) {
            match column {
                Column::Numbers(values) => {
                    let spread = mean_square_difference(values);
                    if spread > 0.0 && spread.is_finite() {
                        let unit = spread.sqrt();
                        features.push(Scaled::Numbers(values.iter().map(|x| x / unit).collect()));
                    }
                }
                Column::Symbols(values) => {
                    let unequal = share_of_unequal(values);
                    if unequal > 0.0 {
                        features.push(Scaled::Categories(values, 1.0 / unequal));
                    }
                }
                Column::Texts(_) | Column::Tensors(_) => {
                    let what = match column {
                        Column::Texts(_) => "free text",
                        _ => "a tensor",
                    };
                    return unsupported(format!(
                        "feature `{}` is {what}; rows are compared by numbers, truth values and categories",
                        feature.name
                    ));
                }
            }
        }
        if features.is_empty() {
            return unsupported("all reference rows are alike".to_owned());
        }
        Ok(Similarity { features })
    }

    /// Between 0 and 1; 1 for equal rows.
    pub(super) fn of(&self, left: usize, right: usize) -> f64 {
        let mut sum = 0.0;
        for feature in &self.features {
            sum += match feature {
                Scaled::Numbers(values) => {
                    let difference = values[left] - values[right];
                    match (
                        difference.is_nan(),
                        values[left].is_nan() == values[right].is_nan(),
                    ) {
                        (false, _) => difference * difference,
                        (true, true) => 0.0,
                        (true, false) => 1.0,
                    }
                }
                Scaled::Categories(values, unequal) if values[left] != values[right] => *unequal,
                Scaled::Categories(..) => 0.0,
            };
        }
        libm::exp(-sum / self.features.len() as f64)
    }
}

/// Twice the variance of the values that are there.
fn mean_square_difference(values: &[f64]) -> f64 {
    let present = values.iter().filter(|x| !x.is_nan());
    let count = present.clone().count() as f64;
    let mean = present.clone().sum::<f64>() / count;
    2.0 * present.map(|x| (x - mean) * (x - mean)).sum::<f64>() / count
}

fn share_of_unequal(values: &[Symbol]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rows = values.len() as f64;
    let shares = sorted
        .chunk_by(|a, b| a == b)
        .map(|equal| equal.len() as f64 / rows);
    1.0 - shares.map(|share| share * share).sum::<f64>()
}
