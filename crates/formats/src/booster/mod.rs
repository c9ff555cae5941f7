//! What the file of a boosting library says, whichever library wrote it.

mod lower;

use hyaline_model::graph::Linear;
use hyaline_model::trees::EnsembleParts;
use hyaline_model::{ElementType, Feature, Label};

/// A boosted model between its file and the graph.
#[derive(Debug)]
pub(crate) struct Booster {
    /// The library, for notes and error texts.
    pub(crate) library: &'static str,
    /// The columns, in the file's order: each is one raw feature.
    pub(crate) features: Vec<BoosterFeature>,
    /// Precision in which the library sees a feature.
    pub(crate) precision: ElementType,
    /// The part that adds up.
    pub(crate) estimator: Estimator,
    /// From margins to the answer.
    pub(crate) transform: Transform,
    /// What the answer is.
    pub(crate) task: Task,
    /// The classes' labels, where the file has them; else empty.
    pub(crate) labels: Vec<Label>,
    /// What a user should know.
    pub(crate) notes: Vec<String>,
}

/// One column of the model.
#[derive(Debug)]
pub(crate) struct BoosterFeature {
    /// As rows show it.
    pub(crate) feature: Feature,
    /// For a text feature: the texts in code order; the column is a text's position, NaN for any other text.
    pub(crate) codes: Option<Vec<String>>,
}

/// The part of a booster that adds up.
#[derive(Debug)]
pub(crate) enum Estimator {
    /// Trees.
    Trees(EnsembleParts),
    /// `gblinear`; a missing value adds nothing.
    Linear(Linear),
}

/// How margins become the library's prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Transform {
    /// The margin.
    Identity,
    /// `1 / (1 + exp(-scale · m))`, each output by itself.
    Logistic {
        /// LightGBM's `sigmoid` parameter; 1 elsewhere.
        scale: f64,
    },
    /// `exp(m_k) / Σ exp(m_j)`.
    Softmax,
    /// `exp(m)`.
    Exponential,
    /// `sign(m) · m²` (LightGBM's `reg_sqrt`).
    SignedSquare,
    /// `ln(1 + exp(m))` (`cross_entropy_lambda`).
    Softplus,
}

/// What the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Numbers, one per output.
    Regression,
    /// Class 1 against class 0, by one margin; the answer is 1 when the margin is above 0.
    Binary,
    /// One margin per class; the first of the largest wins.
    Classes,
}
