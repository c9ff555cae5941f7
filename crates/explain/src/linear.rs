//! Shapley values of affine models, in closed form.
//!
//! For `margin = b + Σ_c w_c · x_c` and independent background rows, the value of a feature is
//! `Σ_{c of the feature} w_c · (x_c − mean_c)` (Lundberg & Lee 2017, arXiv:1705.07874, corollary 1). That also holds
//! behind preprocessing that makes each column `c` from one raw feature.

use hyaline_model::graph::Linear;

/// What explaining a linear core needs beyond the row: the mean of each encoded column over the background.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LinearExplainer {
    means: Vec<f64>,
    base_values: Vec<f64>,
}

impl LinearExplainer {
    /// `background` is the encoded background, `[rows, columns]`, row-major, of at least one row.
    pub(crate) fn new(linear: &Linear, background: &[f64]) -> LinearExplainer {
        let columns = linear.columns();
        let rows = (background.len() / columns) as f64;
        let mut means = vec![0.0; columns];
        for row in background.chunks_exact(columns) {
            means.iter_mut().zip(row).for_each(|(mean, x)| *mean += x);
        }
        means.iter_mut().for_each(|mean| *mean /= rows);
        let base_values = (0..linear.outputs())
            .map(|output| {
                let terms = linear
                    .weights(output)
                    .iter()
                    .zip(&means)
                    .map(|(w, mean)| w * mean);
                linear.intercept()[output] + terms.sum::<f64>()
            })
            .collect();
        LinearExplainer { means, base_values }
    }

    /// Margins of the mean background row, one per output.
    pub(crate) fn base_values(&self) -> &[f64] {
        &self.base_values
    }

    /// Adds the values of one encoded row to `attributions` `[features, outputs]`.
    pub(crate) fn explain(
        &self,
        linear: &Linear,
        column_feature: &[u32],
        row: &[f64],
        attributions: &mut [f64],
    ) {
        let outputs = linear.outputs();
        for output in 0..outputs {
            let weights = linear.weights(output);
            for (column, &feature) in column_feature.iter().enumerate() {
                attributions[feature as usize * outputs + output] +=
                    weights[column] * (row[column] - self.means[column]);
            }
        }
    }
}
