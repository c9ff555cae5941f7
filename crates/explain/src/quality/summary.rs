//! Figures of several explanations as one.

use super::Quality;

/// Means over explanations, of those that have the figure; largest values for stability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Explanations measured.
    pub explanations: usize,
    /// Mean area under the deletion curve.
    pub deletion: f64,
    /// Mean area under the insertion curve.
    pub insertion: f64,
    /// Mean faithfulness correlation.
    pub faithfulness_correlation: Option<f64>,
    /// Mean infidelity.
    pub infidelity: f64,
    /// Largest sensitivity.
    pub max_sensitivity: Option<f64>,
    /// Largest local Lipschitz estimate.
    pub local_lipschitz: Option<f64>,
    /// Mean sparseness.
    pub sparseness: f64,
    /// Mean complexity.
    pub complexity: f64,
    /// Mean relative error of estimates.
    pub relative_error: Option<f64>,
    /// Mean rank correlation of estimates with exact values.
    pub rank_correlation: Option<f64>,
    /// Mean sign agreement of estimates with exact values.
    pub sign_agreement: Option<f64>,
}

impl Summary {
    /// `None` without explanations.
    pub fn of(qualities: &[Quality]) -> Option<Summary> {
        let values = |figure: &dyn Fn(&Quality) -> Option<f64>| -> Vec<f64> {
            qualities.iter().filter_map(figure).collect()
        };
        let mean = |figure: &dyn Fn(&Quality) -> Option<f64>| {
            let values = values(figure);
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let largest =
            |figure: &dyn Fn(&Quality) -> Option<f64>| values(figure).into_iter().reduce(f64::max);
        Some(Summary {
            explanations: qualities.len(),
            deletion: mean(&|quality| Some(quality.curves.deletion))?,
            insertion: mean(&|quality| Some(quality.curves.insertion))?,
            faithfulness_correlation: mean(&|quality| quality.faithfulness.correlation),
            infidelity: mean(&|quality| Some(quality.faithfulness.infidelity))?,
            max_sensitivity: largest(&|quality| Some(quality.stability?.max_sensitivity)),
            local_lipschitz: largest(&|quality| Some(quality.stability?.local_lipschitz)),
            sparseness: mean(&|quality| Some(quality.sparseness))?,
            complexity: mean(&|quality| Some(quality.complexity))?,
            relative_error: mean(&|quality| Some(quality.agreement?.relative_error)),
            rank_correlation: mean(&|quality| quality.agreement?.rank),
            sign_agreement: mean(&|quality| Some(quality.agreement?.sign)),
        })
    }
}
