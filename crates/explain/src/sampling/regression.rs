//! Shapley values as the solution of a weighted regression over pairs of complementary coalitions.
//!
//! The worth of a coalition minus that of its complement, halved, is the part of a game that Shapley values depend on
//! (the odd part; Covert & Lee 2021, arXiv:2012.01536, use it by pairing). Regressed on membership with the Shapley
//! kernel as weight and `Σ φ = v(N) − v(∅)` as constraint, it gives them exactly when every coalition is played, and
//! nearly so from a sample.
//!
//! Every context of the game (each background row) gets its own regression over its own coalitions, because the value of
//! the game is the mean of theirs: the errors of the regressions are independent and average out, whereas coalitions
//! played in all contexts repeat the same error. Only a budget too small for that makes contexts share one.

use hyaline_model::graph::EvalError;

use super::cholesky::Cholesky;
use super::design::{Pair, Sizes, Stratum, draw, pairs_in_all};
use super::plays::{Members, PLAYS_PER_CALL, Plays};
use super::{Ends, Estimate, Random};
use crate::game::Game;

/// Pairs per player that a regression gets at least, as far as there are so many pairs.
const PAIRS_PER_PLAYER: usize = 2;

/// Most players: the regression solves a system of so many equations.
pub const REGRESSION_PLAYERS: usize = 512;

/// A regression of its own: contexts that share it, their active players, its pairs.
struct Problem {
    contexts: Vec<u32>,
    active: Vec<usize>,
    /// One draw, or two that correct each other.
    folds: Vec<Vec<Stratum>>,
}

/// What becomes of the worths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// All of them are fitted, with the sizes of coalitions chosen like this.
    Fit(Sizes),
    /// Half are fitted; the other half estimate without bias what the fit misses, and the reverse.
    CrossFit,
}

/// About `plays` plays of `game`, at least as many as the regression needs.
pub(super) fn estimate(
    game: &dyn Game,
    ends: &Ends,
    how: Use,
    plays: u64,
    random: &mut Random,
) -> Result<Estimate, EvalError> {
    let (players, outputs) = (game.players(), game.outputs());
    let mut estimate = Estimate::zero(players, outputs);
    let mut waiting = Vec::new();
    let mut count = 0;
    let problems = problems(game, plays, how, random);
    let contexts = game.contexts() as f64;
    for problem in problems {
        count += 2 * problem.pairs().count();
        waiting.push(problem);
        if count >= PLAYS_PER_CALL {
            play(game, ends, &mut waiting, contexts, &mut estimate)?;
            count = 0;
        }
    }
    play(game, ends, &mut waiting, contexts, &mut estimate)?;
    Ok(estimate)
}

/// Groups of contexts small enough that all of them together stay within the plays, yet large enough for a regression.
fn problems<'g>(
    game: &'g dyn Game,
    plays: u64,
    how: Use,
    random: &'g mut Random,
) -> impl Iterator<Item = Problem> + 'g {
    let contexts = game.contexts();
    let mut order: Vec<u32> = (0..contexts as u32).collect();
    random.shuffle(&mut order);
    let pairs = usize::try_from(plays / 2).unwrap_or(usize::MAX);
    let (folds, sizes) = match how {
        Use::Fit(sizes) => (1, sizes),
        Use::CrossFit => (2, Sizes::Leverage),
    };
    let least = (folds * PAIRS_PER_PLAYER * game.players()).max(1);
    let groups = (pairs / least).clamp(1, contexts);
    let pairs = (pairs / groups).max(least);
    (0..groups).map(move |group| {
        let own = order[group * contexts / groups..(group + 1) * contexts / groups].to_vec();
        let active = active_players(game, &own);
        let folds = if active.len() < 2 {
            vec![Vec::new()]
        } else {
            let all = pairs_in_all(active.len(), own.len());
            let pairs = (pairs / folds).min(usize::try_from(all).unwrap_or(usize::MAX));
            let fold = |_| draw(active.len(), own.len(), pairs, sizes, random);
            (0..folds).map(fold).collect()
        };
        Problem {
            contexts: own,
            active,
            folds,
        }
    })
}

/// The players that are active in any of the contexts.
fn active_players(game: &dyn Game, contexts: &[u32]) -> Vec<usize> {
    let mut active = vec![false; game.players()];
    for &context in contexts {
        for player in game.active_players(context as usize) {
            active[player] = true;
        }
    }
    (0..active.len()).filter(|&player| active[player]).collect()
}

impl Problem {
    fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.folds
            .iter()
            .flatten()
            .flat_map(|stratum| &stratum.pairs)
    }
}

/// Plays the waiting problems together and adds their solutions.
fn play(
    game: &dyn Game,
    ends: &Ends,
    waiting: &mut Vec<Problem>,
    contexts: f64,
    estimate: &mut Estimate,
) -> Result<(), EvalError> {
    let mut members = Members::none(game.players());
    let mut plays = Plays::new(game);
    for problem in waiting.iter() {
        let mut joins = vec![false; problem.active.len()];
        for pair in problem.pairs() {
            let context = problem.contexts[pair.context as usize];
            joins.fill(false);
            pair.members
                .iter()
                .for_each(|&member| joins[member as usize] = true);
            for side in [true, false] {
                members.clear();
                for (&player, &joins) in problem.active.iter().zip(&joins) {
                    if joins == side {
                        members.add(player);
                    }
                }
                plays.push(members.words(), context)?;
            }
        }
    }
    let worths = plays.take()?;
    estimate.plays += (worths.len() / game.outputs()) as u64;
    let mut rest = worths.as_slice();
    for problem in waiting.drain(..) {
        let taken = 2 * problem.pairs().count() * game.outputs();
        let (own, left) = rest.split_at(taken);
        rest = left;
        add(&problem, ends, own, contexts, estimate);
    }
    Ok(())
}

/// Adds the solution of one problem, weighted by its share of the contexts.
fn add(problem: &Problem, ends: &Ends, worths: &[f64], contexts: f64, estimate: &mut Estimate) {
    let outputs = estimate.outputs;
    let active = problem.active.len();
    if active == 0 {
        return;
    }
    let share = problem.contexts.len() as f64 / contexts;
    let fits: Vec<Fit<'_>> = problem
        .folds
        .iter()
        .map(|fold| Fit::new(fold, active))
        .collect();
    for output in 0..outputs {
        let targets = targets(problem, ends, worths, output, outputs);
        let (solution, variances) = match fits.as_slice() {
            [one, other] => {
                let (first, second) = targets.split_at(one.pairs);
                let (a, b) = (
                    one.corrected(first, other, second),
                    other.corrected(second, one, first),
                );
                let mean = |a: Vec<f64>, b: Vec<f64>, part: f64| {
                    a.iter()
                        .zip(&b)
                        .map(|(a, b)| part * (a + b))
                        .collect::<Vec<f64>>()
                };
                (mean(a.0, b.0, 0.5), mean(a.1, b.1, 0.25))
            }
            fits => fits[0].alone(&targets),
        };
        let gain = problem
            .contexts
            .iter()
            .map(|&context| ends.gain(context as usize, output))
            .sum::<f64>()
            / problem.contexts.len() as f64
            / active as f64;
        for (position, &player) in problem.active.iter().enumerate() {
            let place = player * outputs + output;
            estimate.values[place] += share * (solution[position] + gain);
            estimate.variances[place] += share * share * variances[position];
        }
    }
}

/// What the regression explains of each pair: half the difference of its worths, minus what an equal division of the gain
/// of its context explains.
fn targets(
    problem: &Problem,
    ends: &Ends,
    worths: &[f64],
    output: usize,
    outputs: usize,
) -> Vec<f64> {
    let active = problem.active.len() as f64;
    problem
        .pairs()
        .zip(worths.chunks_exact(2 * outputs))
        .map(|(pair, worths)| {
            let context = problem.contexts[pair.context as usize] as usize;
            let portion = pair.members.len() as f64 / active - 0.5;
            (worths[output] - worths[outputs + output]) / 2.0 - ends.gain(context, output) * portion
        })
        .collect()
}

/// The weighted least squares of one draw.
struct Fit<'p> {
    strata: &'p [Stratum],
    players: usize,
    pairs: usize,
    /// Mean of the diagonal of `Σ w a aᵀ`.
    diagonal: f64,
    factor: Cholesky,
}

impl<'p> Fit<'p> {
    fn new(strata: &'p [Stratum], players: usize) -> Fit<'p> {
        let gram = gram(strata, players);
        let diagonal = (0..players).map(|i| gram[i * players + i]).sum::<f64>() / players as f64;
        // The constraint Σ ψ = 0 as one more equation of the size of the others.
        let constrained = gram.iter().map(|entry| entry + diagonal).collect();
        Fit {
            strata,
            players,
            pairs: strata.iter().map(|stratum| stratum.pairs.len()).sum(),
            diagonal,
            factor: Cholesky::new(players, constrained),
        }
    }

    fn solution(&self, targets: &[f64]) -> Vec<f64> {
        let mut solution = right_side(self.strata, self.players, targets);
        self.factor.solve(&mut solution);
        solution
    }

    /// What `solution` leaves of the targets.
    fn residuals(&self, targets: &[f64], solution: &[f64]) -> Vec<f64> {
        let pairs = self.strata.iter().flat_map(|stratum| &stratum.pairs);
        pairs
            .zip(targets)
            .map(|(pair, target)| {
                let fitted: f64 = pair.members.iter().map(|&i| solution[i as usize]).sum();
                target - fitted
            })
            .collect()
    }

    /// The solution and its variances.
    fn alone(&self, targets: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let solution = self.solution(targets);
        let residuals = self.residuals(targets, &solution);
        // Once because residuals of a fit are smaller than errors, once because the inverse of a random matrix is larger
        // than that of its mean.
        let free = self.pairs.saturating_sub(self.players - 1).max(1);
        let correction = self.pairs as f64 / free as f64;
        let mut variances = variances(self.strata, self.players, &residuals, self.diagonal);
        let factor = correction * correction;
        variances
            .iter_mut()
            .for_each(|variance| *variance *= factor);
        (solution, variances)
    }

    /// The solution of `targets` as a surrogate of the game, plus what it misses as the pairs of `other` estimate it
    /// without bias (the difference estimator; Covert & Lee 2021, arXiv:2012.01536, section 3.2, is the same without a
    /// surrogate), and the variances of that.
    fn corrected(&self, targets: &[f64], other: &Fit<'_>, others: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let players = self.players as f64;
        let mut solution = self.solution(targets);
        let residuals = other.residuals(others, &solution);
        // Over all pairs, `Σ w a aᵀ` is 1 / 2n times the identity for vectors that sum to 0.
        let missing = right_side(other.strata, self.players, &residuals);
        for (value, missing) in solution.iter_mut().zip(missing) {
            *value += 2.0 * players * missing;
        }
        let diagonal = (players - 1.0) / (2.0 * players * players);
        (
            solution,
            variances(other.strata, self.players, &residuals, diagonal),
        )
    }
}

/// `Σ w a aᵀ` over pairs, `a_i = [i ∈ S] − |S| / n`, counted with bits: row `i` of a table has a bit per pair of a stratum.
fn gram(strata: &[Stratum], players: usize) -> Vec<f64> {
    let mut gram = vec![0.0; players * players];
    for stratum in strata {
        // Pairs of several sizes are counted size by size.
        let sizes: Vec<usize> = match stratum.size {
            Some(size) => vec![size],
            None => (1..=players / 2).collect(),
        };
        for size in sizes {
            let pairs: Vec<&Pair> = stratum
                .pairs
                .iter()
                .filter(|pair| pair.members.len() == size)
                .collect();
            let words = pairs.len().div_ceil(64);
            let mut table = vec![0u64; players * words];
            for (at, pair) in pairs.iter().enumerate() {
                for &member in &pair.members {
                    table[member as usize * words + at / 64] |= 1 << (at % 64);
                }
            }
            let row = |player: usize| &table[player * words..][..words];
            let single: Vec<f64> = (0..players)
                .map(|player| f64::from(common(row(player), row(player))))
                .collect();
            let part = size as f64 / players as f64;
            for i in 0..players {
                for j in 0..=i {
                    let both = f64::from(common(row(i), row(j)));
                    let centred =
                        both - part * (single[i] + single[j]) + part * part * pairs.len() as f64;
                    gram[i * players + j] += stratum.weight * centred;
                }
            }
        }
    }
    for i in 0..players {
        for j in 0..i {
            gram[j * players + i] = gram[i * players + j];
        }
    }
    gram
}

fn common(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum()
}

/// `Σ w a y` over pairs.
fn right_side(strata: &[Stratum], players: usize, targets: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; players];
    let mut everyone = 0.0;
    let mut targets = targets.iter();
    for stratum in strata {
        for (pair, target) in stratum.pairs.iter().zip(targets.by_ref()) {
            let weighted = stratum.weight * target;
            everyone += weighted * pair.members.len() as f64 / players as f64;
            for &member in &pair.members {
                sums[member as usize] += weighted;
            }
        }
    }
    sums.iter_mut().for_each(|sum| *sum -= everyone);
    sums
}

/// The variance of each value over the draw of pairs, by linearisation: the sandwich of weighted least squares, for strata
/// and for sampling without replacement.
///
/// A pair moves value `i` by `w e a_i / scale`, where `e` is its residual: `Σ w a aᵀ` is nearly `scale` times the
/// identity for vectors that sum to 0. `diagonal` is the mean of its diagonal.
fn variances(strata: &[Stratum], players: usize, residuals: &[f64], diagonal: f64) -> Vec<f64> {
    let scale = diagonal * players as f64 / (players as f64 - 1.0).max(1.0);
    let mut variances = vec![0.0; players];
    let mut residuals = residuals.iter();
    for stratum in strata {
        let count = stratum.pairs.len() as f64;
        // Sums over pairs of what they move a value by, and of its square: for a player in none of them, and what being a
        // member adds.
        let (mut outside_sum, mut outside_squares) = (0.0, 0.0);
        let mut sums = vec![0.0; players];
        let mut squares = vec![0.0; players];
        for (pair, residual) in stratum.pairs.iter().zip(residuals.by_ref()) {
            let moved = stratum.weight * residual / scale;
            let part = pair.members.len() as f64 / players as f64;
            let (outside, inside) = (-moved * part, moved * (1.0 - part));
            outside_sum += outside;
            outside_squares += outside * outside;
            for &member in &pair.members {
                sums[member as usize] += moved;
                squares[member as usize] += inside * inside - outside * outside;
            }
        }
        if stratum.share < 1.0 {
            for (variance, (sum, square)) in variances.iter_mut().zip(sums.iter().zip(&squares)) {
                let (sum, square) = (outside_sum + sum, outside_squares + square);
                let spread = if count > 1.0 {
                    (square - sum * sum / count) * count / (count - 1.0)
                } else {
                    square
                };
                *variance += (1.0 - stratum.share) * spread.max(0.0);
            }
        }
    }
    variances
}
