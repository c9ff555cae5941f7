//! How good an explanation is, measured on the model that it explains. Names are those of Quantus (Hedström et al. 2023,
//! arXiv:2202.06861) and OpenXAI (Agarwal et al. 2022, arXiv:2206.11104).
//!
//! | figure | asks | better |
//! |---|---|---|
//! | deletion | does the answer fall when the features that raise it most go first? | smaller |
//! | insertion | does it rise when they come first? | larger |
//! | faithfulness correlation | do sums of attributions go with the change when those features go? | towards 1 |
//! | infidelity | how far are they from that change? | towards 0 |
//! | sensitivity, Lipschitz | do nearly equal rows have nearly equal explanations? | smaller |
//! | sparseness, complexity | do few features say it all? | larger, smaller |
//! | agreement | how far is an estimate from the exact values? | see [`Agreement`] |
//!
//! A feature that is gone has the values of the background rows, as in the marginal game that Shapley values divide up.

mod agreement;
mod curves;
mod faithfulness;
mod shape;
mod stability;
mod summary;

pub use agreement::{Agreement, agreement};
pub use curves::{Curves, curves};
pub use faithfulness::{Faithfulness, faithfulness};
pub use shape::{complexity, sparseness};
pub use stability::Stability;
pub use summary::Summary;

use hyaline_model::{Batch, Method, Model};

use crate::game::{MarginalGame, Players};
use crate::{ExplainError, Explainer, Explanations, Request};

/// How much is spent on measuring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckOptions {
    /// Random sets of features for faithfulness; at least 2.
    pub subsets: usize,
    /// Nearly equal rows that are explained for stability.
    pub neighbours: usize,
    /// How far a number of such a row may be off, in standard deviations of the background.
    pub radius: f64,
    /// What both are drawn from.
    pub seed: u64,
}

impl Default for CheckOptions {
    /// 64 sets, 10 neighbours within a tenth of a standard deviation, seed 0.
    fn default() -> CheckOptions {
        CheckOptions {
            subsets: 64,
            neighbours: 10,
            radius: 0.1,
            seed: 0,
        }
    }
}

/// Figures of the explanation of one row, about one output: the predicted class where there are several.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// The output they are about.
    pub output: usize,
    /// Areas under the deletion and insertion curves, in the unit of the explanation.
    pub curves: Curves,
    /// How well sums of attributions say what happens without those features.
    pub faithfulness: Faithfulness,
    /// How much the explanation changes with the row; `None` where no number of the row can be changed a little, or
    /// explaining as many rows would take millions of evaluations.
    pub stability: Option<Stability>,
    /// Gini index of the magnitudes, 0 (all equal) to 1 (one alone).
    pub sparseness: f64,
    /// Entropy of the magnitudes' shares, in nats.
    pub complexity: f64,
    /// How near an estimate of Shapley values is to exact ones; `None` for exact explanations, for methods that are after
    /// other values (Owen's, integrated gradients), and where exact values cannot be had for a few million evaluations.
    pub agreement: Option<Agreement>,
}

/// Most evaluations of an exact method to compare an estimate with, or of the explanations of neighbours.
const EVALUATIONS: u64 = 1 << 22;

/// Measures `explanations`, which `explainer` made of `batch` as `request` says, one figure set per row.
///
/// # Errors
/// [`ExplainError::Unsupported`] when the model keeps no background rows to measure against;
/// [`ExplainError::Evaluation`] when it refuses a changed row.
///
/// # Panics
/// If the explanations are of other rows, or `options.subsets` is below 2.
pub fn check(
    model: &Model,
    explainer: &Explainer,
    batch: &Batch,
    explanations: &Explanations,
    request: Request,
    options: CheckOptions,
) -> Result<Vec<Quality>, ExplainError> {
    assert_eq!(
        explanations.rows,
        batch.rows(),
        "explanations of these rows"
    );
    let Some(background) = &model.parts().background else {
        return Err(ExplainError::Unsupported(
            "the quality of an explanation is measured against background rows (pack with --data)"
                .to_owned(),
        ));
    };
    // What is compared must be made in the same way.
    let request = Request {
        method: Some(explanations.method),
        ..request
    };
    let exact = exact_values(model, explainer, batch, explanations)?;
    let (features, outputs) = (explanations.features, explanations.outputs);
    let mut qualities = Vec::with_capacity(batch.rows());
    for row in 0..batch.rows() {
        let output = largest(&explanations.predictions[row * outputs..][..outputs]);
        let own = |explanations: &Explanations| -> Vec<f64> {
            let own = &explanations.attributions[row * features * outputs..];
            own[..features * outputs]
                .iter()
                .copied()
                .skip(output)
                .step_by(outputs)
                .collect()
        };
        let attributions = own(explanations);
        let players = Players::single(features);
        let space = explanations.space;
        let game = MarginalGame::new(model, batch, row, background, players, space, outputs);
        let stability = if is_dear(model, background, explanations.method, options.neighbours) {
            None
        } else {
            let place = stability::Place {
                batch,
                row,
                background,
                output,
            };
            stability::stability(model, explainer, place, &attributions, request, options)?
        };
        qualities.push(Quality {
            output,
            curves: curves(&game, &attributions, output)?,
            faithfulness: faithfulness(&game, &attributions, output, options)?,
            stability,
            sparseness: sparseness(&attributions),
            complexity: complexity(&attributions),
            agreement: exact
                .as_ref()
                .map(|exact| agreement(exact.method, &attributions, &own(exact))),
        });
    }
    Ok(qualities)
}

/// Exact values of the same game, for estimates.
fn exact_values(
    model: &Model,
    explainer: &Explainer,
    batch: &Batch,
    explanations: &Explanations,
) -> Result<Option<Explanations>, ExplainError> {
    let estimates_shapley_values =
        explanations.method.is_sampled() && explanations.method != Method::Owen;
    if explanations.exact || !estimates_shapley_values {
        return Ok(None);
    }
    let background = model.parts().background.as_ref();
    for method in explainer.methods(model) {
        let same_game = matches!(
            method,
            Method::Interventional | Method::Linear | Method::Enumeration
        );
        if !same_game || background.is_none_or(|rows| is_dear(model, rows, method, batch.rows())) {
            continue;
        }
        let request = Request {
            method: Some(method),
            space: Some(explanations.space),
            ..Request::default()
        };
        match explainer.explain(model, batch, request) {
            Ok(exact) if exact.space == explanations.space => return Ok(Some(exact)),
            Ok(_) | Err(ExplainError::Unsupported(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Whether explaining `rows` rows by `method` takes millions of evaluations.
fn is_dear(model: &Model, background: &Batch, method: Method, rows: usize) -> bool {
    let coalitions = 1u64 << model.schema().len().min(40);
    let evaluations = coalitions.saturating_mul((background.rows() * rows) as u64);
    method == Method::Enumeration && evaluations > EVALUATIONS
}

fn largest(numbers: &[f64]) -> usize {
    (1..numbers.len()).fold(0, |best, at| {
        if numbers[at] > numbers[best] {
            at
        } else {
            best
        }
    })
}
