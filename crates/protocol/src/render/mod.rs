//! Answers as JSON, in the shapes that `/predict`, `/explain` and the V1 protocol share.

mod explanation;
mod interactions;
mod prediction;
mod quality;

pub(crate) use explanation::{explained_names, write_explanation, write_explanations};
pub(crate) use interactions::write_interactions;
pub(crate) use prediction::{
    label_text, margin_names, output_names, probabilities, write_by_name, write_label,
    write_outcome, write_prediction, write_prediction_members, write_predictions,
};
pub(crate) use quality::write_checked_explanations;
