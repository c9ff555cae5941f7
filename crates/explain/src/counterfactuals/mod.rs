//! Counterfactuals: what would have to be different for another answer.
//!
//! Candidates are the row with few changes. They come from a beam search over changes of one, two, … features to values of
//! the reference rows, and from the nearest reference rows that the model answers as wanted (NICE, Brughmans, Leyman &
//! Martens 2024, doi:10.1007/s10618-023-00930-y), taken over feature by feature. Every candidate that reaches the goal loses
//! the changes it does not need, and each number goes back towards the row as far as the goal allows. Of these a diverse
//! few are kept (a greedy determinantal point process, Mothilal, Sharma & Tan 2020, doi:10.1145/3351095.3372850).
//!
//! All changes keep to [`hyaline_model::Recourse`], to the kind of the feature and, where the recipe gives no range, to
//! values between those of the reference rows. The model judges many candidates at a time.

mod goal;
mod moves;
mod refine;
mod search;
mod select;

use hyaline_model::{Batch, Predictions};

pub use goal::Goal;

use crate::reference_statistics::{Change, Evaluations, ReferenceView, Value, changed_rows};
use crate::{ExplainError, Predict};
use goal::Aim;
use moves::Moves;
use search::Search;

/// What a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CounterfactualRequest {
    /// Most counterfactuals per row; at least 1.
    pub count: usize,
    /// The answer to reach.
    pub goal: Goal,
    /// Seed of the last resort: rows mixed at random from reference values, tried where nothing else reaches the goal.
    pub seed: u64,
}

/// A way to another answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterfactual {
    /// What changes, in schema order; nothing else does.
    pub changes: Vec<Change>,
    /// Mean over all features of the difference in median absolute deviations of the reference rows (1 for another
    /// category), after Wachter, Mittelstadt & Russell 2018, doi:10.2139/ssrn.3063289.
    pub distance: f64,
    /// Gower's distance to the row.
    pub gower: f64,
    /// Gower's distance to the nearest reference row: how plausible the changed row is.
    pub nearest: f64,
    /// Whether every number of the changed row lies between reference values, and every category is one of theirs.
    pub inside: bool,
}

/// Why a row has no counterfactual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The answer is the wanted one already.
    Reached,
    /// No feature may be changed.
    Fixed,
    /// Nothing that was tried reaches the goal.
    NotFound,
}

/// The counterfactuals of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterfactuals {
    /// The nearest first; all reach the goal, as the model said in one last evaluation of `rows`.
    pub found: Vec<Counterfactual>,
    /// The changed rows; no row when nothing is found.
    pub rows: Batch,
    /// The model's answers to them.
    pub predictions: Predictions,
    /// Why nothing is found.
    pub reason: Option<Reason>,
    /// Rows the model was asked about.
    pub evaluations: u64,
}

/// Finds counterfactuals of row `row` of `rows`.
///
/// # Errors
/// [`ExplainError::Unsupported`] when the model has not the kind of answer the goal is about;
/// [`ExplainError::Evaluation`] when the model refuses a row.
///
/// # Panics
/// If there is no such row, or the reference is of another schema.
pub fn counterfactuals(
    model: &dyn Predict,
    reference: ReferenceView<'_>,
    rows: &Batch,
    row: usize,
    request: CounterfactualRequest,
) -> Result<Counterfactuals, ExplainError> {
    let mut evaluations = Evaluations { model, spent: 0 };
    let origin = rows.select(&[row]);
    let answer = evaluations.predict(&origin)?;
    let aim = Aim::new(model, request.goal, &answer)?;
    let moves = Moves::of(model.schema(), reference, &origin);
    let mut reason = Reason::NotFound;
    let mut chosen = Vec::new();
    if aim.judge(&answer, 0).reached {
        reason = Reason::Reached;
    } else if moves.are_none() {
        reason = Reason::Fixed;
    } else {
        let mut search = Search {
            evaluations: &mut evaluations,
            reference,
            origin: &origin,
            aim,
            moves: &moves,
        };
        let reaching = search.reaching(request.count, request.seed)?;
        let refined = refine::refine(&mut search, reaching)?;
        chosen = select::diverse(reference.statistics, refined, request.count);
    }
    let lists = || chosen.iter().map(|candidate| candidate.changes.as_slice());
    let changed = changed_rows(model.schema(), &origin, 0, chosen.len(), lists());
    let predictions = evaluations.predict(&changed)?;
    let keep: Vec<usize> = (0..chosen.len())
        .filter(|&at| aim.judge(&predictions, at).reached)
        .collect();
    // Equal rows get equal answers, so all are kept unless a model breaks that promise.
    let (changed, predictions) = if keep.len() == chosen.len() {
        (changed, predictions)
    } else {
        let changed = changed.select(&keep);
        let predictions = evaluations.predict(&changed)?;
        (changed, predictions)
    };
    let found: Vec<Counterfactual> = keep
        .into_iter()
        .enumerate()
        .map(|(at, from)| {
            let changes = std::mem::take(&mut chosen[from].changes);
            describe(reference, &origin, &changed, at, changes)
        })
        .collect();
    Ok(Counterfactuals {
        reason: found.is_empty().then_some(reason),
        found,
        rows: changed,
        predictions,
        evaluations: evaluations.spent,
    })
}

fn describe(
    reference: ReferenceView<'_>,
    origin: &Batch,
    changed: &Batch,
    row: usize,
    changes: Vec<Change>,
) -> Counterfactual {
    let statistics = reference.statistics;
    let features = statistics.features();
    let deviations: f64 = changes
        .iter()
        .map(|change| {
            let from = Value::of(&origin.columns()[change.feature], 0);
            features[change.feature].in_deviations(from, change.value)
        })
        .sum();
    let gaps = (0..reference.rows.rows())
        .map(|other| statistics.gower((changed, row), (reference.rows, other)));
    let columns = features.iter().zip(changed.columns());
    Counterfactual {
        distance: deviations / features.len() as f64,
        gower: statistics.gower((origin, 0), (changed, row)),
        nearest: gaps.fold(f64::INFINITY, f64::min),
        inside: columns
            .into_iter()
            .all(|(feature, column)| feature.has_seen(Value::of(column, row))),
        changes,
    }
}
