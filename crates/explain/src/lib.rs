//! Additive explanations of a model's answers: Shapley values per raw input feature, exact where the model allows it.
//!
//! [`Explainer::new`] does at pack time what can be done then (tables per tree, background statistics);
//! [`Explainer::explain`] answers rows. The crate is pure and deterministic: same rows in, same bits out, on every host.

#![forbid(unsafe_code)]

mod counterfactuals;
mod coalitional;
mod enumeration;
mod explained;
mod explainer;
mod explanation;
pub mod game;
pub mod global;
mod interactions;
mod linear;
mod predict;
mod reference_statistics;
pub mod sampling;
pub mod trees;
mod presence;
pub mod quality;

pub use counterfactuals::{
    Counterfactual, CounterfactualRequest, Counterfactuals, Goal, Reason, counterfactuals,
};
pub use enumeration::shapley_values;
pub use explainer::{ExplainError, Explainer, Request};
pub use explanation::{Explanations, OutputSpace};
pub use hyaline_model::Method;
pub use interactions::Interactions;
pub use predict::{Answers, Predict};
pub use reference_statistics::{
    CategoryStatistics, Change, FeatureStatistics, NumberStatistics, ReferenceStatistics, ReferenceView,
    Value, reference_rows,
};
