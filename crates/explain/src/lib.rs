//! Additive explanations of a model's answers: Shapley values per raw input feature, exact where the model allows it.
//!
//! [`Explainer::new`] does at pack time what can be done then (tables per tree, background statistics);
//! [`Explainer::explain`] answers rows. The crate is pure and deterministic: same rows in, same bits out, on every host.

#![forbid(unsafe_code)]

mod anchors;
mod coalitional;
mod counterfactuals;
mod enumeration;
mod explained;
mod explainer;
mod explanation;
pub mod game;
pub mod global;
pub mod gradients;
mod images;
mod interactions;
mod lime;
mod linear;
mod predict;
mod presence;
pub mod quality;
mod reference_statistics;
pub mod sampling;
mod text;
pub mod trees;

pub use anchors::{Allowed, Anchor, AnchorRequest, Condition, anchor};
pub use counterfactuals::{
    Counterfactual, CounterfactualRequest, Counterfactuals, Goal, Reason, counterfactuals,
};
pub use enumeration::shapley_values;
use enumeration::size_weights;
pub use explainer::{ExplainError, Explainer, Request};
pub use explanation::{Explanations, OutputSpace};
pub use hyaline_model::Method;
pub use images::{
    Filling, ImageExplanation, ImageMethod, ImageRequest, Picture, SegmentValues, Segmentation,
    Segments, explain_image, picture_feature,
};
pub use interactions::Interactions;
pub use lime::{Centred, Lime, LimeOutput, LimeRequest, Moments, Rule, Selection, Surrogate, lime};
pub use predict::{Answers, Predict};
pub use presence::{Fit, PartMethod, PartRequest, PartValues};
pub use reference_statistics::{
    CategoryStatistics, Change, FeatureStatistics, NumberStatistics, ReferenceStatistics,
    ReferenceView, Value, reference_rows,
};
pub use text::{Part, Source, TextExplanation, TextRequest, Token, explain_text, takes_text};
