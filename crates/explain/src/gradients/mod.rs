//! Slopes of a model's answers and what is explained with them.

mod backward;
mod differences;
mod integrated;

pub(crate) use backward::backward;
pub use differences::differences;
pub(crate) use integrated::explain;

/// Where slopes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GradientSource {
    /// The model's own backward pass.
    Backward,
    /// Central differences of answers on both sides of a point.
    FiniteDifference,
}

impl GradientSource {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            GradientSource::Backward => "backward",
            GradientSource::FiniteDifference => "finite-difference",
        }
    }
}

/// Slopes of the explained numbers of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// Numbers per row that are explained.
    pub outputs: usize,
    /// Where they come from.
    pub source: GradientSource,
    /// Per feature `[rows, numbers of the feature, outputs]`; empty where there is no slope: for categories and texts, and
    /// without a backward pass for tensors.
    pub features: Vec<Vec<f64>>,
}
