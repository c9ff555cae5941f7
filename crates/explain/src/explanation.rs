//! What every method answers.

use hyaline_model::Method;

use crate::gradients::GradientSource;

/// The unit in which attributions add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputSpace {
    /// Raw scores before the link (log-odds for a binary classifier).
    Margin,
    /// Probabilities of a classifier, predicted values of a regressor.
    Probability,
}

/// Additive explanations of `rows` rows:
/// `predictions[r, o] = base_values[o] + Σ_f attributions[r, f, o] + residuals[r, o]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanations {
    /// How they were computed.
    pub method: Method,
    /// Whether they are exact Shapley values of the stated game, up to rounding.
    pub exact: bool,
    /// Their unit.
    pub space: OutputSpace,
    /// Rows explained.
    pub rows: usize,
    /// Raw features, in schema order.
    pub features: usize,
    /// Outputs explained: 1 for a regressor's target or the positive class of a binary classifier.
    pub outputs: usize,
    /// `[outputs]`: the answer when every feature is absent.
    pub base_values: Vec<f64>,
    /// `[rows, features, outputs]`.
    pub attributions: Vec<f64>,
    /// `[rows, outputs]`: the explained answer.
    pub predictions: Vec<f64>,
    /// `[rows, outputs]`: what rounding left over; at most 1e-6 of the prediction's scale for exact and sampled values.
    pub residuals: Vec<f64>,
    /// Model evaluations spent.
    pub evaluations: u64,
    /// `[rows, features, outputs]`: the standard deviation of each attribution over seeds, as this draw estimates it.
    /// Empty when nothing was drawn.
    pub standard_errors: Vec<f64>,
    /// What was drawn from; `None` when nothing was drawn.
    pub seed: Option<u64>,
    /// Whether every row reached the tolerance asked for; true when none was.
    pub converged: bool,
    /// Where slopes came from, if the method uses any.
    pub gradient: Option<GradientSource>,
}

impl Explanations {
    /// Exact values of as many rows as there are predictions for; their residuals are worked out. `outputs` is the number
    /// of base values.
    pub(crate) fn exact(
        method: Method,
        space: OutputSpace,
        features: usize,
        base_values: Vec<f64>,
        attributions: Vec<f64>,
        predictions: Vec<f64>,
    ) -> Explanations {
        let outputs = base_values.len();
        let rows = predictions.len().checked_div(outputs).unwrap_or(0);
        let mut residuals = Vec::with_capacity(predictions.len());
        for row in 0..rows {
            let own = &attributions[row * features * outputs..(row + 1) * features * outputs];
            for output in 0..outputs {
                let sum: f64 = own.iter().skip(output).step_by(outputs).sum();
                residuals.push(predictions[row * outputs + output] - base_values[output] - sum);
            }
        }
        Explanations {
            method,
            exact: true,
            space,
            rows,
            features,
            outputs,
            base_values,
            attributions,
            predictions,
            residuals,
            evaluations: 0,
            standard_errors: Vec::new(),
            seed: None,
            converged: true,
            gradient: None,
        }
    }
}
