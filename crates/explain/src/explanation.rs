//! What every method answers.

use hyaline_model::Method;

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
    /// `[rows, outputs]`: what rounding left over; at most 1e-6 of the prediction's scale for an exact method.
    pub residuals: Vec<f64>,
    /// Model evaluations spent.
    pub evaluations: u64,
}
