//! Explanations of a prediction by which parts of its input are there: tokens of a text, segments of an image. The parts
//! are the players of a [`Game`]; what stands for an absent one is the game's business.

mod linear_surrogate;

use hyaline_model::Method;
use hyaline_model::graph::EvalError;

pub(crate) use linear_surrogate::Draw;
pub use linear_surrogate::Fit;

use crate::game::{Coalitions, Game};
use crate::sampling::{Budget, Estimator, REGRESSION_PLAYERS, sample};
use crate::{ExplainError, OutputSpace, shapley_values};

/// How parts are valued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartMethod {
    /// Shapley values.
    Shapley(Method),
    /// A weighted linear model of which parts are there (Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938).
    Lime,
    /// What the answer loses when one part goes.
    Occlusion,
}

impl PartMethod {
    /// Every method.
    pub const ALL: [PartMethod; 6] = [
        PartMethod::Shapley(Method::Enumeration),
        PartMethod::Shapley(Method::Leverage),
        PartMethod::Shapley(Method::Kernel),
        PartMethod::Shapley(Method::Permutation),
        PartMethod::Lime,
        PartMethod::Occlusion,
    ];

    /// The method's name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            PartMethod::Shapley(method) => method.name(),
            PartMethod::Lime => "lime",
            PartMethod::Occlusion => "occlusion",
        }
    }

    /// The method called `name`.
    pub fn from_name(name: &str) -> Option<PartMethod> {
        PartMethod::ALL
            .into_iter()
            .find(|method| method.name() == name)
    }
}

/// What a caller asks for; `None` leaves it to the function.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PartRequest {
    /// How to compute.
    pub method: Option<PartMethod>,
    /// In which unit.
    pub space: Option<OutputSpace>,
    /// What is drawn from; the same seed gives the same answer.
    pub seed: u64,
    /// Coalitions a sampling method may spend.
    pub samples: Option<u32>,
    /// Stop a Shapley estimator when, for every output, the largest standard error is at most this part of the largest
    /// attribution.
    pub tolerance: Option<f64>,
}

/// Values of the parts of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct PartValues {
    /// How they were computed.
    pub method: PartMethod,
    /// Whether they are exact Shapley values of the stated game, up to rounding.
    pub exact: bool,
    /// Numbers per part.
    pub outputs: usize,
    /// `[outputs]`: the answer without any part.
    pub base_values: Vec<f64>,
    /// `[outputs]`: the explained answer.
    pub predictions: Vec<f64>,
    /// `[parts, outputs]`.
    pub values: Vec<f64>,
    /// `[parts, outputs]`: the standard deviation of each value over seeds, as this draw estimates it; empty where the
    /// method has none.
    pub standard_errors: Vec<f64>,
    /// Rows the model answered.
    pub evaluations: u64,
    /// What was drawn from; `None` when nothing was drawn.
    pub seed: Option<u64>,
    /// Whether the tolerance was reached; true when there was none.
    pub converged: bool,
    /// The linear model of LIME.
    pub fit: Option<Fit>,
}

/// Most parts whose coalitions are enumerated without being asked.
const ENUMERATED: usize = 12;

/// Most parts whose coalitions are enumerated at all.
const ENUMERATION_CEILING: usize = 16;

/// Most parts.
pub(crate) const MOST_PARTS: usize = 1000;

/// Coalitions spent when the request does not say how many: by Shapley estimators, and by LIME.
const SAMPLES: u32 = 1024;
const LIME_SAMPLES: u32 = 1000;

/// How many times the usual samples are spent at most to reach a tolerance.
const PATIENCE: u32 = 16;

impl PartValues {
    /// Of an input that has no parts and the answer `answer`.
    pub(crate) fn of_nothing(method: Option<PartMethod>, answer: Vec<f64>) -> PartValues {
        PartValues {
            method: method.unwrap_or(PartMethod::Shapley(Method::Enumeration)),
            exact: true,
            outputs: answer.len(),
            base_values: answer.clone(),
            predictions: answer,
            values: Vec::new(),
            standard_errors: Vec::new(),
            evaluations: 1,
            seed: None,
            converged: true,
            fit: None,
        }
    }
}

/// Values the players of `game`.
///
/// # Errors
/// [`ExplainError::Unsupported`] when there are too many players for the method, [`ExplainError::Evaluation`] when the
/// model refuses an input.
pub(crate) fn explain(
    game: &dyn Game,
    request: &PartRequest,
    draw: Draw,
) -> Result<PartValues, ExplainError> {
    let players = game.players();
    let usual = if players <= ENUMERATED {
        Method::Enumeration
    } else if players <= REGRESSION_PLAYERS {
        Method::Leverage
    } else {
        Method::Permutation
    };
    let method = request.method.unwrap_or(PartMethod::Shapley(usual));
    let too_many = |most: usize| {
        Err(ExplainError::Unsupported(format!(
            "{} takes at most {most} parts, this input has {players}; ask for method=permutation",
            method.name()
        )))
    };
    match method {
        PartMethod::Shapley(Method::Enumeration) if players > ENUMERATION_CEILING => {
            too_many(ENUMERATION_CEILING)
        }
        PartMethod::Shapley(Method::Enumeration) => Ok(enumerated(game)?),
        PartMethod::Shapley(Method::Leverage | Method::Kernel) if players > REGRESSION_PLAYERS => {
            too_many(REGRESSION_PLAYERS)
        }
        PartMethod::Shapley(Method::Leverage) => {
            sampled(game, method, Estimator::Leverage, request)
        }
        PartMethod::Shapley(Method::Kernel) => sampled(game, method, Estimator::Kernel, request),
        PartMethod::Shapley(Method::Permutation) => {
            sampled(game, method, Estimator::Permutation, request)
        }
        PartMethod::Shapley(other) => Err(ExplainError::Unsupported(format!(
            "{} knows nothing of parts of an input",
            other.name()
        ))),
        PartMethod::Lime if players > REGRESSION_PLAYERS => too_many(REGRESSION_PLAYERS),
        PartMethod::Lime => {
            let samples = request.samples.unwrap_or(LIME_SAMPLES).max(2);
            Ok(linear_surrogate::explain(
                game,
                samples,
                request.seed,
                draw,
            )?)
        }
        PartMethod::Occlusion => Ok(one_by_one(game)?),
    }
}

/// The worths of nobody, of everybody and of `more`.
fn with_ends(game: &dyn Game, more: impl FnOnce(&mut Coalitions)) -> Result<Worths, EvalError> {
    let mut coalitions = Coalitions::new(game.players());
    coalitions.push(|_| false);
    coalitions.push(|_| true);
    more(&mut coalitions);
    Ok(Worths {
        outputs: game.outputs(),
        evaluations: coalitions.len() as u64 * game.evaluations_per_coalition(),
        values: game.worths(&coalitions)?,
    })
}

struct Worths {
    outputs: usize,
    evaluations: u64,
    values: Vec<f64>,
}

impl Worths {
    fn of(&self, coalition: usize) -> &[f64] {
        &self.values[coalition * self.outputs..][..self.outputs]
    }

    /// Values that nothing was drawn for.
    fn answer(&self, method: PartMethod, values: Vec<f64>) -> PartValues {
        PartValues {
            method,
            exact: false,
            outputs: self.outputs,
            base_values: self.of(0).to_vec(),
            predictions: self.of(1).to_vec(),
            values,
            standard_errors: Vec::new(),
            evaluations: self.evaluations,
            seed: None,
            converged: true,
            fit: None,
        }
    }
}

fn enumerated(game: &dyn Game) -> Result<PartValues, EvalError> {
    let players = game.players();
    let worths = with_ends(game, |coalitions| {
        for coalition in 1..(1u64 << players) - 1 {
            coalitions.push(|player| coalition >> player & 1 == 1);
        }
    })?;
    let mut values = vec![0.0; players * worths.outputs];
    for output in 0..worths.outputs {
        let mut worth: Vec<f64> = worths
            .values
            .iter()
            .skip(output)
            .step_by(worths.outputs)
            .copied()
            .collect();
        // Everybody stands second among the worths, and belongs last.
        worth[1..].rotate_left(1);
        for (player, value) in shapley_values(players, &worth).into_iter().enumerate() {
            values[player * worths.outputs + output] = value;
        }
    }
    Ok(PartValues {
        exact: true,
        ..worths.answer(PartMethod::Shapley(Method::Enumeration), values)
    })
}

fn one_by_one(game: &dyn Game) -> Result<PartValues, EvalError> {
    let players = game.players();
    let worths = with_ends(game, |coalitions| {
        for gone in 0..players {
            coalitions.push(|player| player != gone);
        }
    })?;
    let mut values = Vec::with_capacity(players * worths.outputs);
    for gone in 0..players {
        let without = worths.of(2 + gone).iter();
        values.extend(
            worths
                .of(1)
                .iter()
                .zip(without)
                .map(|(all, without)| all - without),
        );
    }
    Ok(worths.answer(PartMethod::Occlusion, values))
}

fn sampled(
    game: &dyn Game,
    method: PartMethod,
    estimator: Estimator,
    request: &PartRequest,
) -> Result<PartValues, ExplainError> {
    let contexts = game.contexts() as u64;
    let first = match request.tolerance {
        None => request.samples.unwrap_or(SAMPLES),
        Some(_) => request.samples.unwrap_or(SAMPLES).min(SAMPLES),
    };
    // A sample is one model evaluation; what stands for other features is drawn with it.
    let budget = Budget {
        first: u64::from(first),
        most: u64::from(request.samples.unwrap_or(SAMPLES * PATIENCE)),
        tolerance: request.tolerance,
    };
    let sampled = sample(game, estimator, budget, request.seed)?;
    Ok(PartValues {
        method,
        exact: false,
        outputs: game.outputs(),
        base_values: sampled.empty,
        predictions: sampled.full,
        standard_errors: sampled.estimate.standard_errors(),
        // Nobody and everybody are played in every context.
        evaluations: (sampled.estimate.plays + 2 * contexts) * game.evaluations_per_play(),
        values: sampled.estimate.values,
        seed: Some(request.seed),
        converged: sampled.converged,
        fit: None,
    })
}
