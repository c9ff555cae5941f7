//! What packing did, took and cost.

use std::fmt;
use std::time::{Duration, Instant};

use crate::card::ExplainerCard;
use crate::held_out::{CalibrationCard, UncertaintyCard};

/// Memory that managed platforms allow an instance.
pub const MEMORY_LIMIT: u64 = 128 << 20;
/// Size that managed platforms allow an application.
pub const SIZE_LIMIT: u64 = 50 << 20;

/// A stage of packing, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read the model file.
    Import,
    /// Read the reference data; features, background, golden rows.
    Describe,
    /// Prepare the explainer and answer the golden rows outside of any sandbox.
    Answer,
    /// Compile the engine, load the model, take the snapshot.
    Load,
    /// Ask the loaded engine and the packed component the golden rows.
    Prove,
    /// Put the card on it.
    Stamp,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Import => "reading the model",
            Step::Describe => "reading the reference data",
            Step::Answer => "preparing the explainer",
            Step::Load => "loading the engine and taking the snapshot",
            Step::Prove => "proving the answers",
            Step::Stamp => "stamping the card",
        })
    }
}

/// What packing did.
#[derive(Clone, Debug)]
pub struct Report {
    /// Name of the engine.
    pub engine: &'static str,
    /// Why this engine.
    pub engine_reason: String,
    /// Bytes of the engine without a model.
    pub engine_bytes: u64,
    /// Bytes of the model image.
    pub image_bytes: u64,
    /// Bytes of the packed component, card included.
    pub component_bytes: u64,
    /// Linear memory of a fresh instance, in bytes.
    pub memory_bytes: u64,
    /// How the function explains, and why so.
    pub explainer: ExplainerCard,
    /// How probabilities were calibrated, if they were.
    pub calibration: Option<CalibrationCard>,
    /// What prediction intervals and sets follow from, if there are any.
    pub uncertainty: Option<UncertaintyCard>,
    /// Rows whose answers were proven equal.
    pub golden_rows: usize,
    /// What the importer wants its user to know.
    pub notes: Vec<String>,
    /// The steps and what they took.
    pub steps: Vec<(Step, Duration)>,
}

/// Announces and times the steps.
pub(crate) struct Steps<'a> {
    announce: &'a mut dyn FnMut(Step),
    taken: Vec<(Step, Duration)>,
    current: Option<(Step, Instant)>,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(announce: &'a mut dyn FnMut(Step)) -> Steps<'a> {
        Steps {
            announce,
            taken: Vec::new(),
            current: None,
        }
    }

    pub(crate) fn begin(&mut self, step: Step) {
        self.end();
        (self.announce)(step);
        self.current = Some((step, Instant::now()));
    }

    fn end(&mut self) {
        if let Some((step, started)) = self.current.take() {
            self.taken.push((step, started.elapsed()));
        }
    }

    pub(crate) fn finish(mut self) -> Vec<(Step, Duration)> {
        self.end();
        self.taken
    }
}
