//! Shapley values from samples of coalitions: estimators that know a [`Game`] and nothing of models.
//!
//! All are seeded and answer the same bits on every host, keep efficiency (`Σ φ = v(N) − v(∅)`, exactly), serve all
//! outputs from the same plays, and state a standard error per value: its standard deviation over the draw.

mod cholesky;
mod design;
pub mod owen;
mod permutation;
mod plays;
mod random;
mod regression;

use hyaline_model::graph::EvalError;

use crate::game::{Coalitions, Game};
pub(crate) use cholesky::Cholesky;
use design::Sizes;
pub use random::Random;
pub use regression::REGRESSION_PLAYERS;
use regression::Use;

/// How coalitions are drawn and values computed from their worths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// Regression over paired coalitions by leverage scores, without repetition (Musco & Witter 2025, arXiv:2410.01917).
    Leverage,
    /// KernelSHAP over paired coalitions (Lundberg & Lee 2017, arXiv:1705.07874; Covert & Lee 2021, arXiv:2012.01536).
    Kernel,
    /// A regression on half of the coalitions as surrogate, and an unbiased estimate of what it misses from the other half,
    /// both ways round: no bias at any budget (regression adjustment, Witter et al. 2025, arXiv:2506.11849, with a surrogate
    /// that is linear in the members).
    RegressionAdjusted,
    /// Antithetic permutations (Castro et al. 2009, doi:10.1016/j.cor.2008.04.004; Mitchell et al. 2022,
    /// arXiv:2104.12199).
    Permutation,
    /// Antithetic permutations that keep the players of each group together: Owen values. Every player is in one group.
    Owen(Vec<Vec<usize>>),
}

/// How much may be spent, and when it is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Plays of the first round: worths of one coalition in one context.
    pub first: u64,
    /// Most plays of all rounds. The first round is played even when it is larger, and no smaller than the estimator
    /// needs at least.
    pub most: u64,
    /// Stop when, for every output, the largest standard error is at most this part of the largest absolute value;
    /// `None` stops after the first round.
    pub tolerance: Option<f64>,
}

/// Shapley values and how far they may be off.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Numbers per player.
    pub outputs: usize,
    /// `[players, outputs]`.
    pub values: Vec<f64>,
    /// `[players, outputs]`: the squares of the standard errors.
    pub variances: Vec<f64>,
    /// Worths asked for, of one coalition in one context each.
    pub plays: u64,
}

/// An estimate and what it stands on.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The values.
    pub estimate: Estimate,
    /// `[outputs]`: `v(∅)`.
    pub empty: Vec<f64>,
    /// `[outputs]`: `v(N)`.
    pub full: Vec<f64>,
    /// Whether the tolerance was reached; true when there was none.
    pub converged: bool,
}

/// Worths of nobody and of everybody.
struct Ends {
    outputs: usize,
    /// `[contexts, outputs]`.
    empty: Vec<f64>,
    /// `[contexts, outputs]`.
    full: Vec<f64>,
}

impl Ends {
    fn of(game: &dyn Game) -> Result<Ends, EvalError> {
        let players = game.players();
        let contexts: Vec<u32> = (0..game.contexts() as u32).collect();
        let same = |joins: bool| {
            let mut coalitions = Coalitions::new(players);
            for _ in &contexts {
                coalitions.push(|_| joins);
            }
            game.worths_in(&coalitions, &contexts)
        };
        Ok(Ends {
            outputs: game.outputs(),
            empty: same(false)?,
            full: same(true)?,
        })
    }

    /// What everybody together gains in `context`.
    fn gain(&self, context: usize, output: usize) -> f64 {
        let place = context * self.outputs + output;
        self.full[place] - self.empty[place]
    }

    fn mean(&self, worths: &[f64]) -> Vec<f64> {
        let contexts = worths.len() / self.outputs;
        let sum = |output| -> f64 { worths.iter().skip(output).step_by(self.outputs).sum() };
        (0..self.outputs)
            .map(|output| sum(output) / contexts as f64)
            .collect()
    }
}

impl Estimate {
    fn zero(players: usize, outputs: usize) -> Estimate {
        Estimate {
            outputs,
            values: vec![0.0; players * outputs],
            variances: vec![0.0; players * outputs],
            plays: 0,
        }
    }

    /// The mean of two independent estimates, weighted by their plays.
    fn combined(mut self, other: &Estimate) -> Estimate {
        let total = (self.plays + other.plays).max(1) as f64;
        let (own, others) = (self.plays as f64 / total, other.plays as f64 / total);
        for (value, other) in self.values.iter_mut().zip(&other.values) {
            *value = own * *value + others * other;
        }
        for (variance, other) in self.variances.iter_mut().zip(&other.variances) {
            *variance = own * own * *variance + others * others * other;
        }
        self.plays += other.plays;
        self
    }

    /// Makes the values of each output sum to `full − empty`: what is missing goes to each value in proportion to its
    /// variance, or, where none has any, to all that are not 0.
    fn close(&mut self, empty: &[f64], full: &[f64]) {
        for output in 0..self.outputs {
            let places = || (output..self.values.len()).step_by(self.outputs);
            let sum: f64 = places().map(|place| self.values[place]).sum();
            let rest = full[output] - empty[output] - sum;
            let spread: f64 = places().map(|place| self.variances[place]).sum();
            let parts: Vec<f64> = if spread > 0.0 {
                places()
                    .map(|place| self.variances[place] / spread)
                    .collect()
            } else {
                let moving = |place: usize| f64::from(u8::from(self.values[place] != 0.0));
                let count: f64 = places().map(moving).sum();
                places()
                    .map(|place| moving(place) / count.max(1.0))
                    .collect()
            };
            let places: Vec<usize> = places().collect();
            for (place, part) in places.into_iter().zip(parts) {
                self.values[place] += rest * part;
            }
        }
    }

    /// Whether the largest standard error is at most `tolerance` times the largest absolute value, for every output.
    pub fn within(&self, tolerance: f64) -> bool {
        let largest = |numbers: &[f64], output: usize| {
            numbers
                .iter()
                .skip(output)
                .step_by(self.outputs)
                .fold(0.0, |most: f64, number| most.max(number.abs()))
        };
        (0..self.outputs).all(|output| {
            let scale = tolerance * largest(&self.values, output);
            largest(&self.variances, output) <= scale * scale
        })
    }

    /// `[players, outputs]`.
    pub fn standard_errors(&self) -> Vec<f64> {
        self.variances.iter().map(|&v| libm::sqrt(v)).collect()
    }
}

/// Estimates the Shapley values of `game`. Rounds that the tolerance asks for double the plays; all of them count.
///
/// # Errors
/// [`EvalError`] when the game cannot be played.
///
/// # Panics
/// When a regression is asked for more than [`REGRESSION_PLAYERS`] players.
pub fn sample(
    game: &dyn Game,
    estimator: Estimator,
    budget: Budget,
    seed: u64,
) -> Result<Sampled, EvalError> {
    let ends = Ends::of(game)?;
    let (empty, full) = (ends.mean(&ends.empty), ends.mean(&ends.full));
    let round = |plays: u64, number: u64| {
        let random = &mut Random::new(seed, number);
        match &estimator {
            Estimator::Leverage => {
                regression::estimate(game, &ends, Use::Fit(Sizes::Leverage), plays, random)
            }
            Estimator::Kernel => {
                regression::estimate(game, &ends, Use::Fit(Sizes::Kernel), plays, random)
            }
            Estimator::RegressionAdjusted => {
                regression::estimate(game, &ends, Use::CrossFit, plays, random)
            }
            Estimator::Permutation => permutation::estimate(game, &ends, &[], plays, random),
            Estimator::Owen(groups) => permutation::estimate(game, &ends, groups, plays, random),
        }
    };
    let mut estimate = round(budget.first, 0)?;
    let mut number = 1;
    let mut converged = budget.tolerance.is_none_or(|limit| estimate.within(limit));
    while !converged && estimate.plays < budget.most {
        let next = round(estimate.plays.min(budget.most - estimate.plays), number)?;
        estimate = estimate.combined(&next);
        converged = budget.tolerance.is_none_or(|limit| estimate.within(limit));
        number += 1;
    }
    estimate.close(&empty, &full);
    Ok(Sampled {
        estimate,
        empty,
        full,
        converged,
    })
}
