//! Explanations of a model by the marginal game of each row: every coalition, or a sample of them.

use hyaline_model::graph::EvalError;
use hyaline_model::{Batch, Core, Method, Model};

use crate::explained::margin_is_probability;
use crate::game::{Coalitions, Game, MarginalGame, Players};
use crate::sampling::{Budget, Estimator, Sampled, sample};
use crate::{ExplainError, Explanations, OutputSpace, Predict, Request, shapley_values};

/// Coalitions spent per row when the request does not say how many.
const SAMPLES: u32 = 300;

/// How many times the usual samples are spent at most to reach a tolerance.
const PATIENCE: u32 = 16;

/// Explains every row of `batch` by `method`, which plays coalitions and fits the model.
pub(crate) fn explain(
    model: &Model,
    batch: &Batch,
    method: Method,
    request: Request,
) -> Result<Explanations, ExplainError> {
    let background = model
        .parts()
        .background
        .as_ref()
        .expect("the method was checked");
    let space = space(model, request.space)?;
    let features = model.schema().len();
    let absent = model.answers(background, space)?;
    let outputs = absent.outputs;
    let base_values: Vec<f64> = (0..outputs)
        .map(|output| {
            let sum: f64 = absent.values.iter().skip(output).step_by(outputs).sum();
            sum / background.rows() as f64
        })
        .collect();
    let predictions = if batch.rows() > 0 {
        model.answers(batch, space)?.values
    } else {
        Vec::new()
    };

    let mut answer = RowAnswers::new(features, outputs, batch.rows());
    for row in 0..batch.rows() {
        let (players, places) = Players::single(features).varying(batch, row, background);
        if places.is_empty() {
            answer.skip();
            continue;
        }
        let game = MarginalGame::new(model, batch, row, background, players, space, outputs);
        match estimator(method) {
            None => answer.put(&places, &enumerated(&game)?, &[]),
            Some(estimator) => {
                let budget = budget(&request, background.rows() as u64);
                let sampled = sample(&game, estimator, budget, request.seed)?;
                answer.put_sampled(&places, &sampled, game.contexts() as u64);
            }
        }
        if method == Method::Enumeration {
            answer.evaluations += game.evaluations_per_coalition() << places.len();
        }
    }
    let sampled = method.is_sampled();
    Ok(Explanations {
        exact: !sampled,
        evaluations: answer.evaluations,
        standard_errors: if sampled {
            answer.standard_errors
        } else {
            Vec::new()
        },
        seed: sampled.then_some(request.seed),
        converged: answer.converged,
        ..Explanations::exact(
            method,
            space,
            features,
            base_values,
            answer.attributions,
            predictions,
        )
    })
}

/// The unit: what was asked for, or the model's margin where it has one that is no probability.
pub(crate) fn space(model: &Model, asked: Option<OutputSpace>) -> Result<OutputSpace, ExplainError> {
    let has_margin = matches!(model.parts().core, Core::Additive { .. });
    match asked {
        Some(OutputSpace::Margin) if !has_margin => Err(ExplainError::Unsupported(
            "this model has no margin; ask for space=probability".to_owned(),
        )),
        Some(space) => Ok(space),
        None if has_margin && !margin_is_probability(model) => Ok(OutputSpace::Margin),
        None => Ok(OutputSpace::Probability),
    }
}

/// The estimator of a sampled method.
fn estimator(method: Method) -> Option<Estimator> {
    match method {
        Method::Leverage => Some(Estimator::Leverage),
        Method::Kernel => Some(Estimator::Kernel),
        Method::Permutation => Some(Estimator::Permutation),
        Method::Interventional | Method::PathDependent | Method::Linear | Method::Enumeration => {
            None
        }
    }
}

fn budget(request: &Request, contexts: u64) -> Budget {
    let first = match request.tolerance {
        None => request.samples.unwrap_or(SAMPLES),
        Some(_) => request.samples.unwrap_or(SAMPLES).min(SAMPLES),
    };
    let most = request.samples.unwrap_or(SAMPLES * PATIENCE);
    Budget {
        first: u64::from(first) * contexts,
        most: u64::from(most) * contexts,
        tolerance: request.tolerance,
    }
}

/// Exact values, `[players, outputs]`, from the worth of every coalition.
fn enumerated(game: &MarginalGame<'_>) -> Result<Vec<f64>, EvalError> {
    let (players, outputs) = (game.players(), game.outputs());
    let mut coalitions = Coalitions::new(players);
    for coalition in 0..1u64 << players {
        coalitions.push_words(&[coalition]);
    }
    let worths = game.worths(&coalitions)?;
    let mut values = vec![0.0; players * outputs];
    for output in 0..outputs {
        let worth: Vec<f64> = worths
            .iter()
            .skip(output)
            .step_by(outputs)
            .copied()
            .collect();
        for (player, value) in shapley_values(players, &worth).into_iter().enumerate() {
            values[player * outputs + output] = value;
        }
    }
    Ok(values)
}

/// What becomes of the rows, one after the other. Features that are no player have the value 0.
struct RowAnswers {
    outputs: usize,
    width: usize,
    attributions: Vec<f64>,
    standard_errors: Vec<f64>,
    evaluations: u64,
    converged: bool,
}

impl RowAnswers {
    fn new(features: usize, outputs: usize, rows: usize) -> RowAnswers {
        RowAnswers {
            outputs,
            width: features * outputs,
            attributions: Vec::with_capacity(rows * features * outputs),
            standard_errors: Vec::with_capacity(rows * features * outputs),
            evaluations: 0,
            converged: true,
        }
    }

    /// A row in which nobody plays.
    fn skip(&mut self) {
        self.attributions
            .resize(self.attributions.len() + self.width, 0.0);
        self.standard_errors
            .resize(self.standard_errors.len() + self.width, 0.0);
    }

    /// The values of a row's players, and their standard errors if they have any; player `p` is feature `places[p]`.
    fn put(&mut self, places: &[usize], values: &[f64], errors: &[f64]) {
        let start = self.attributions.len();
        self.skip();
        let spread = |into: &mut Vec<f64>, from: &[f64]| {
            for (&place, values) in places.iter().zip(from.chunks_exact(self.outputs)) {
                into[start + place * self.outputs..][..self.outputs].copy_from_slice(values);
            }
        };
        spread(&mut self.attributions, values);
        spread(&mut self.standard_errors, errors);
    }

    fn put_sampled(&mut self, places: &[usize], sampled: &Sampled, contexts: u64) {
        let estimate = &sampled.estimate;
        self.put(places, &estimate.values, &estimate.standard_errors());
        // Nobody and everybody are played in every context.
        self.evaluations += estimate.plays + 2 * contexts;
        self.converged &= sampled.converged;
    }
}
