//! Anchors: a rule under which the answer stays the same, whatever else the row is (Ribeiro, Singh & Guestrin 2018,
//! doi:10.1609/aaai.v32i1.11491), with the predicates, the perturbation and the defaults of alibi's `AnchorTabular`.
//!
//! A rule holds features in the row's quartile bins or at its categories. Its precision is the share of perturbations
//! under it that have the row's answer, its coverage the share of reference rows that meet it. Rules grow condition by
//! condition; which candidate is the most precise a KL-LUCB bandit finds with few perturbations; the precision that is
//! reported is measured afresh, on perturbations that took no part in the search.

mod bounds;
mod condition;
mod search;

use hyaline_model::{Batch, Predictions};

pub use condition::{Allowed, Condition};

use crate::reference_statistics::{Evaluations, ReferenceView};
use crate::sampling::Random;
use crate::{ExplainError, Predict, Rule};
use condition::{Codes, size};
use search::Search;

/// What a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnchorRequest {
    /// The wanted precision, above 0 and at most 1.
    pub precision: f64,
    /// Probability that the search prefers a worse rule, and that the precision is outside its bounds.
    pub delta: f64,
    /// How much worse than the best candidate a preferred rule may be.
    pub tau: f64,
    /// Rules that are grown side by side; at least 1.
    pub beam: usize,
    /// For a regressor: how far from the row's answer another one may be and still be the same.
    pub tolerance: Option<f64>,
    /// Seed of the perturbations.
    pub seed: u64,
}

impl Default for AnchorRequest {
    /// Precision 0.95, delta 0.1, tau 0.15, a beam of 1, as in alibi.
    fn default() -> AnchorRequest {
        AnchorRequest {
            precision: 0.95,
            delta: 0.1,
            tau: 0.15,
            beam: 1,
            tolerance: None,
            seed: 0,
        }
    }
}

/// A rule and how good it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchor {
    /// Its conditions in schema order; none when the answer is the same nearly everywhere.
    pub conditions: Vec<Condition>,
    /// What each says.
    pub rules: Vec<Rule>,
    /// Whether it has the wanted precision; if not, it is the most precise rule that was tried.
    pub met: bool,
    /// Share of perturbations under the rule with the row's answer.
    pub precision: f64,
    /// Confidence bounds of the precision, each held with probability `1 − delta`.
    pub bounds: (f64, f64),
    /// Share of the reference rows that meet the rule.
    pub coverage: f64,
    /// Perturbations drawn; those that are reference rows have known answers.
    pub samples: u64,
    /// Rows the model was asked about.
    pub evaluations: u64,
}

/// The answer that perturbations are compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Class(u32),
    Value { own: f64, tolerance: f64 },
}

impl Outcome {
    fn is_of(self, answers: &Predictions, row: usize) -> bool {
        match self {
            Outcome::Class(class) => answers.labels[row] == class,
            Outcome::Value { own, tolerance } => (answers.values[row] - own).abs() <= tolerance,
        }
    }
}

/// Finds an anchor of row `row` of `rows`.
///
/// # Errors
/// [`ExplainError::Unsupported`] for a regressor without a tolerance, or with several outputs;
/// [`ExplainError::Evaluation`] when the model refuses a row.
///
/// # Panics
/// If there is no such row, or the reference is of another schema.
pub fn anchor(
    model: &dyn Predict,
    reference: ReferenceView<'_>,
    rows: &Batch,
    row: usize,
    request: AnchorRequest,
) -> Result<Anchor, ExplainError> {
    let mut evaluations = Evaluations { model, spent: 0 };
    let origin = rows.select(&[row]);
    let answer = evaluations.predict(&origin)?;
    let outcome = match (answer.labels.first(), answer.outputs, request.tolerance) {
        (Some(&class), ..) => Outcome::Class(class),
        (None, 1, Some(tolerance)) => Outcome::Value {
            own: answer.values[0],
            tolerance,
        },
        (None, 1, None) => {
            return Err(ExplainError::Unsupported(
                "the model predicts a number; say with tolerance=<number> how far another one may be to be the same".to_owned(),
            ));
        }
        _ => {
            return Err(ExplainError::Unsupported(
                "the model predicts several numbers; anchors are of models that predict a class or one number".to_owned(),
            ));
        }
    };
    let codes = Codes::new(reference, &origin);
    let answers = reference.statistics.predictions();
    let mut search = Search {
        known: (0..answers.rows)
            .map(|row| outcome.is_of(answers, row))
            .collect(),
        evaluations: &mut evaluations,
        codes: &codes,
        outcome,
        random: Random::new(request.seed, 0),
        request,
        samples: 0,
        donors: Vec::new(),
    };
    let found = search.run()?;
    let (samples, tally) = (search.samples, found.arm.tally);
    let level = -libm::log(request.delta);
    let conditions = found.arm.conditions;
    // Without a condition every reference row is known: there is nothing to estimate.
    let bounds = match conditions.is_empty() {
        true => (tally.share(), tally.share()),
        false => (tally.lower(level), tally.upper(level)),
    };
    Ok(Anchor {
        rules: conditions
            .iter()
            .map(|&condition| codes.rule(condition))
            .collect(),
        met: found.met,
        precision: tally.share(),
        bounds,
        coverage: size(&found.arm.rows) as f64 / answers.rows as f64,
        conditions,
        samples,
        evaluations: evaluations.spent,
    })
}
