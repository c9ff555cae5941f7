//! Shapley values as mean marginal contributions over random orders of the players.
//!
//! Every order is walked forwards and backwards (antithetic; Mitchell et al. 2022, arXiv:2104.12199), which is exact for
//! games without interactions of three and more players. One walk stays in one context. With plays enough, every
//! context gets equally many walks; with fewer, a systematic sample of contexts in the order of what they have to explain.

use hyaline_model::graph::EvalError;

use super::plays::{Members, PLAYS_PER_CALL, Plays};
use super::{Ends, Estimate, Random};
use crate::game::Game;

/// An order of the active players of a context, to be walked in both directions.
struct Walk {
    context: usize,
    order: Vec<usize>,
}

/// About `plays` plays of `game`, at least two walks. Orders keep the players of each of the `groups` together; without
/// groups, all orders are drawn.
pub(super) fn estimate(
    game: &dyn Game,
    ends: &Ends,
    groups: &[Vec<usize>],
    plays: u64,
    random: &mut Random,
) -> Result<Estimate, EvalError> {
    let contexts = by_gain(ends, game.contexts(), random);
    let lengths: Vec<u64> = contexts
        .iter()
        .map(|&context| 2 * (game.active_players(context).len() as u64).saturating_sub(1))
        .collect();
    let once: u64 = lengths.iter().sum();
    let walks_per_context = (plays / once.max(1)).max(1);
    let chosen = if plays >= once {
        contexts
    } else {
        let mean = once as f64 / contexts.len() as f64;
        let count = ((plays as f64 / mean) as usize).clamp(2.min(contexts.len()), contexts.len());
        systematic(&contexts, count, random)
    };
    // One context alone has to be walked twice to say how far walks differ.
    let repeats = if chosen.len() == 1 {
        walks_per_context.max(2)
    } else {
        walks_per_context
    };

    let mut tally = Tally::new(game, repeats, chosen.len());
    let mut asked = Plays::new(game);
    let mut waiting: Vec<Walk> = Vec::new();
    let mut count = 0;
    for context in chosen {
        let active = game.active_players(context);
        for _ in 0..repeats {
            let order = order(&active, groups, random);
            count += push(&mut asked, game.players(), context as u32, &order)?;
            waiting.push(Walk { context, order });
            if count >= PLAYS_PER_CALL {
                tally.add(ends, &waiting, &asked.take()?);
                waiting.clear();
                count = 0;
            }
        }
    }
    tally.add(ends, &waiting, &asked.take()?);
    Ok(tally.finish(ends))
}

/// A random order of the active players, by group.
fn order(active: &[usize], groups: &[Vec<usize>], random: &mut Random) -> Vec<usize> {
    let mut order = active.to_vec();
    random.shuffle(&mut order);
    if groups.is_empty() {
        return order;
    }
    let mut turns: Vec<usize> = (0..groups.len()).collect();
    random.shuffle(&mut turns);
    let last = order.iter().max().map_or(0, |player| player + 1);
    let mut turn_of = vec![0; last];
    for (group, turn) in groups.iter().zip(turns) {
        for &player in group.iter().filter(|&&player| player < last) {
            turn_of[player] = turn;
        }
    }
    hyaline_model::sorted_positions(order.len(), &|a, b| {
        turn_of[order[a]].cmp(&turn_of[order[b]])
    })
    .into_iter()
    .map(|position| order[position])
    .collect()
}

/// The contexts in ascending order of the gain of the first output, equal ones in random order.
fn by_gain(ends: &Ends, contexts: usize, random: &mut Random) -> Vec<usize> {
    let mut shuffled: Vec<usize> = (0..contexts).collect();
    random.shuffle(&mut shuffled);
    hyaline_model::sorted_positions(contexts, &|a, b| {
        ends.gain(shuffled[a], 0)
            .total_cmp(&ends.gain(shuffled[b], 0))
    })
    .into_iter()
    .map(|position| shuffled[position])
    .collect()
}

/// `count` of the contexts at equal distances from a random start: each is as likely as any other.
fn systematic(contexts: &[usize], count: usize, random: &mut Random) -> Vec<usize> {
    let step = contexts.len() as f64 / count as f64;
    let start = random.unit();
    (0..count)
        .map(|at| contexts[(((at as f64 + start) * step) as usize).min(contexts.len() - 1)])
        .collect()
}

/// Pushes the coalitions on the way from nobody to everybody along `order`, then those along its reverse; the ends are
/// known. Returns how many.
fn push(
    plays: &mut Plays<'_>,
    players: usize,
    context: u32,
    order: &[usize],
) -> Result<usize, EvalError> {
    let inner = order.len().saturating_sub(1);
    let mut members = Members::none(players);
    for &player in &order[..inner] {
        members.add(player);
        plays.push(members.words(), context)?;
    }
    members.clear();
    for &player in order.iter().rev().take(inner) {
        members.add(player);
        plays.push(members.words(), context)?;
    }
    Ok(2 * inner)
}

/// Sums over walks.
///
/// The variance over the draw is that of walks within their context when a context has several; else it is taken from
/// successive contexts in their order, which can only be too large (the estimator of successive differences of
/// systematic samples, Wolter 2007, doi:10.1007/978-0-387-35099-8, chapter 8).
struct Tally {
    outputs: usize,
    repeats: u64,
    contexts: usize,
    values: Vec<f64>,
    variances: Vec<f64>,
    plays: u64,
    walks_here: u64,
    here: Vec<f64>,
    squares_here: Vec<f64>,
    before: Option<Vec<f64>>,
}

impl Tally {
    fn new(game: &dyn Game, repeats: u64, contexts: usize) -> Tally {
        let zeros = vec![0.0; game.players() * game.outputs()];
        Tally {
            outputs: game.outputs(),
            repeats,
            contexts,
            values: zeros.clone(),
            variances: zeros.clone(),
            plays: 0,
            walks_here: 0,
            here: zeros.clone(),
            squares_here: zeros,
            before: None,
        }
    }

    fn add(&mut self, ends: &Ends, walks: &[Walk], worths: &[f64]) {
        let outputs = self.outputs;
        let mut rest = worths;
        for walk in walks {
            let inner = walk.order.len().saturating_sub(1);
            let (own, left) = rest.split_at(2 * inner * outputs);
            rest = left;
            self.plays += 2 * inner as u64;
            let (forwards, backwards) = own.split_at(inner * outputs);
            for output in 0..outputs {
                let at = |way: &[f64], step: usize| -> f64 {
                    let end = walk.context * outputs + output;
                    match step {
                        0 => ends.empty[end],
                        step if step > inner => ends.full[end],
                        step => way[(step - 1) * outputs + output],
                    }
                };
                for (step, &player) in walk.order.iter().enumerate() {
                    let back = walk.order.len() - 1 - step;
                    let joins = at(forwards, step + 1) - at(forwards, step);
                    let leaves = at(backwards, back + 1) - at(backwards, back);
                    let value = (joins + leaves) / 2.0;
                    self.here[player * outputs + output] += value;
                    self.squares_here[player * outputs + output] += value * value;
                }
            }
            self.walks_here += 1;
            if self.walks_here == self.repeats {
                self.leave_context();
            }
        }
    }

    fn leave_context(&mut self) {
        let count = self.repeats as f64;
        for (sum, value) in self.values.iter_mut().zip(&self.here) {
            *sum += value / count;
        }
        if self.repeats > 1 {
            for ((variance, sum), square) in self
                .variances
                .iter_mut()
                .zip(&self.here)
                .zip(&self.squares_here)
            {
                let spread = (square - sum * sum / count).max(0.0) / (count - 1.0);
                *variance += spread / count;
            }
        } else if let Some(before) = &self.before {
            for ((variance, now), before) in self.variances.iter_mut().zip(&self.here).zip(before) {
                let step = now - before;
                *variance += step * step / 2.0;
            }
        }
        if self.repeats == 1 {
            self.before = Some(self.here.clone());
        }
        self.here.fill(0.0);
        self.squares_here.fill(0.0);
        self.walks_here = 0;
    }

    /// The means. What the sampled contexts gain differently from all of them is given to the values that are known
    /// least, in proportion to their variances.
    fn finish(self, ends: &Ends) -> Estimate {
        let count = self.contexts as f64;
        let steps = if self.repeats > 1 { count } else { count - 1.0 };
        let mut estimate = Estimate {
            outputs: self.outputs,
            values: self.values.iter().map(|sum| sum / count).collect(),
            // Of a sum of `count` terms, each with the mean of the variances.
            variances: self
                .variances
                .iter()
                .map(|sum| sum / steps.max(1.0) / count)
                .collect(),
            plays: self.plays,
        };
        let (empty, full) = (ends.mean(&ends.empty), ends.mean(&ends.full));
        estimate.close(&empty, &full);
        estimate
    }
}
