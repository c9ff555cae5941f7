//! How far an answer can be trusted: prediction intervals and sets that cover what they promise, probabilities that are
//! as often right as they say, and figures that show it.
//!
//! Scores and curves are fitted at pack time to *held-out* rows, which neither trained nor tuned the model
//! ([`conformal::conformity`], [`calibration::calibrate`]); a function answers with what was fitted
//! ([`conformal::threshold`]; the operator `Calibration` of the graph). The crate is pure and deterministic.

#![forbid(unsafe_code)]

pub mod calibration;
pub mod conformal;
mod held_out;

pub use held_out::HeldOutError;
