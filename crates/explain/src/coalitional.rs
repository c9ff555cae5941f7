//! Explanations of a model that is only asked for answers: by the marginal game of each row (every coalition, or a sample
//! of them), or by slopes.

use hyaline_model::graph::EvalError;
use hyaline_model::{Batch, Core, Method, Model};

use crate::explained::margin_is_probability;
use crate::game::{Coalitions, Game, MarginalGame, Players};
use crate::gradients;
use crate::sampling::{Budget, Estimator, Sampled, owen, sample};
use crate::{ExplainError, Explanations, OutputSpace, Predict, Request, shapley_values};

/// Coalitions spent per row when the request does not say how many.
const SAMPLES: u32 = 300;

/// Coalitions with which the way to a tolerance begins.
const FIRST_SAMPLES: u32 = 75;

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
    if method == Method::IntegratedGradients {
        return gradients::explain(model, batch, background, space);
    }
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
        let samples = u64::from(request.samples.unwrap_or(SAMPLES));
        match way(model, method, &places, samples) {
            Way::All => {
                answer.put(&places, &enumerated(&game)?, &[]);
                answer.evaluations += game.evaluations_per_coalition() << places.len();
            }
            Way::Owen(groups) => {
                answer.put(&places, &owen::exact(&game, &groups)?, &[]);
                answer.evaluations += game.evaluations_per_coalition() * owen::coalitions(&groups);
            }
            Way::Sample(estimator) => {
                let budget = budget(&request, background.rows() as u64);
                let sampled = sample(&game, estimator, budget, request.seed)?;
                answer.put_sampled(&places, &sampled, game.contexts() as u64);
            }
        }
    }
    let sampled = answer.sampled;
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
pub(crate) fn space(
    model: &Model,
    asked: Option<OutputSpace>,
) -> Result<OutputSpace, ExplainError> {
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

/// How the coalitions of a row are chosen.
enum Way {
    /// All of them.
    All,
    /// All that Owen values of these groups of players need.
    Owen(Vec<Vec<usize>>),
    /// A sample.
    Sample(Estimator),
}

/// How `method` plays a row whose players are the features `places`. Owen values are exact when that takes no more
/// coalitions than `samples`.
fn way(model: &Model, method: Method, places: &[usize], samples: u64) -> Way {
    match method {
        Method::Leverage => Way::Sample(Estimator::Leverage),
        Method::Kernel => Way::Sample(Estimator::Kernel),
        Method::RegressionAdjusted => Way::Sample(Estimator::RegressionAdjusted),
        Method::Permutation => Way::Sample(Estimator::Permutation),
        Method::Owen => {
            let groups = groups(model, places);
            if owen::coalitions(&groups) <= samples {
                Way::Owen(groups)
            } else {
                Way::Sample(Estimator::Owen(groups))
            }
        }
        _ => Way::All,
    }
}

/// The players of each group of the model; one whose feature is in no group is a group of its own.
fn groups(model: &Model, places: &[usize]) -> Vec<Vec<usize>> {
    let mut alone = vec![true; places.len()];
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for group in &model.parts().groups {
        let players: Vec<usize> = (0..places.len())
            .filter(|&player| group.features.contains(&(places[player] as u32)))
            .collect();
        players.iter().for_each(|&player| alone[player] = false);
        if !players.is_empty() {
            groups.push(players);
        }
    }
    groups.extend(
        (0..places.len())
            .filter(|&player| alone[player])
            .map(|player| vec![player]),
    );
    groups
}

fn budget(request: &Request, contexts: u64) -> Budget {
    let first = match request.tolerance {
        None => request.samples.unwrap_or(SAMPLES),
        Some(_) => request.samples.unwrap_or(FIRST_SAMPLES).min(FIRST_SAMPLES),
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
    sampled: bool,
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
            sampled: false,
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
        self.sampled = true;
    }
}
