//! Candidates that reach the goal lose what they do not need.

use hyaline_model::graph::EvalError;

use super::search::{Candidate, Search, by, same_features};
use crate::reference_statistics::{Change, FeatureStatistics, Value};

/// Most candidates that are refined.
const POOL: usize = 16;

/// Most of them that change the same features.
const ALIKE: usize = 2;

/// Values tried at a time between one that reaches the goal and one nearer to the row.
const PROBES: usize = 3;

/// The cheapest candidates of `reaching`, refined, each once, the cheapest first.
///
/// Afterwards no change of a candidate can be undone alone, and no number can go back by one unit of its feature's
/// precision as far as bisection sees.
pub(super) fn refine(
    search: &mut Search<'_, '_>,
    reaching: Vec<Candidate>,
) -> Result<Vec<Candidate>, EvalError> {
    let mut pool: Vec<Candidate> = Vec::with_capacity(POOL);
    for candidate in reaching {
        let alike = pool
            .iter()
            .filter(|other| same_features(&other.changes, &candidate.changes));
        if alike.count() < ALIKE && pool.len() < POOL {
            pool.push(candidate);
        }
    }
    prune(search, &mut pool)?;
    without_repeats(&mut pool);
    let longest = pool.iter().map(|candidate| candidate.changes.len()).max();
    for slot in 0..longest.unwrap_or(0) {
        shorten(search, &mut pool, slot)?;
    }
    without_repeats(&mut pool);
    for candidate in &mut pool {
        candidate.cost = search.cost(&candidate.changes);
    }
    Ok(by(pool, |candidate| candidate.cost))
}

fn without_repeats(pool: &mut Vec<Candidate>) {
    let mut kept: Vec<Candidate> = Vec::with_capacity(pool.len());
    for candidate in pool.drain(..) {
        if !kept.iter().any(|other| other.changes == candidate.changes) {
            kept.push(candidate);
        }
    }
    *pool = kept;
}

/// Undoes changes, the costliest first, as long as the goal stays reached.
fn prune(search: &mut Search<'_, '_>, pool: &mut [Candidate]) -> Result<(), EvalError> {
    let mut open: Vec<usize> = (0..pool.len()).collect();
    loop {
        open.retain(|&at| pool[at].changes.len() > 1);
        let mut trials = Vec::new();
        for &at in &open {
            trials.extend((0..pool[at].changes.len()).map(|without| {
                let mut changes = pool[at].changes.clone();
                changes.remove(without);
                changes
            }));
        }
        if trials.is_empty() {
            return Ok(());
        }
        let judgements = search.judge(&trials)?;
        let mut from = 0;
        open.retain(|&at| {
            let count = pool[at].changes.len();
            let reached = (0..count).filter(|without| judgements[from + without].reached);
            let costs = |without: &usize| search.difference(pool[at].changes[*without]);
            let costliest = reached.max_by(|a, b| costs(a).total_cmp(&costs(b)));
            if let Some(without) = costliest {
                pool[at].changes = std::mem::take(&mut trials[from + without]);
            }
            from += count;
            costliest.is_some()
        });
    }
}

/// A number on its way back to the row, in units of its feature's precision.
struct Way {
    candidate: usize,
    slot: usize,
    /// Does not reach the goal, as far as is known.
    near: f64,
    /// Reaches it.
    far: f64,
}

/// Moves the `rank`-th largest change of each candidate towards the row as far as bisection finds the goal reached.
fn shorten(
    search: &mut Search<'_, '_>,
    pool: &mut [Candidate],
    rank: usize,
) -> Result<(), EvalError> {
    let mut ways: Vec<Way> = (0..pool.len())
        .filter_map(|candidate| way(search, &pool[candidate].changes, candidate, rank))
        .collect();
    while !ways.is_empty() {
        let mut trials = Vec::new();
        for way in &ways {
            for step in 1..=PROBES {
                let mut changes = pool[way.candidate].changes.clone();
                changes[way.slot] = at_units(search, changes[way.slot].feature, way.at(step));
                trials.push(changes);
            }
        }
        let judgements = search.judge(&trials)?;
        let mut from = 0;
        ways.retain_mut(|way| {
            let reached = (0..PROBES).find(|step| judgements[from + step].reached);
            match reached {
                Some(step) => {
                    (way.near, way.far) = (way.at(step), way.at(step + 1));
                    pool[way.candidate].changes = std::mem::take(&mut trials[from + step]);
                }
                None => way.near = way.at(PROBES),
            }
            from += PROBES;
            (way.far - way.near).abs() > 1.0
        });
    }
    Ok(())
}

impl Way {
    /// Whole units at part `step` of `PROBES + 1` of the way; step 0 is `near`, the others lie between.
    fn at(&self, step: usize) -> f64 {
        if step == 0 {
            return self.near;
        }
        let length = (self.far - self.near).abs();
        let part = (length * step as f64 / (PROBES + 1) as f64).floor();
        self.near + part.clamp(1.0, length - 1.0).copysign(self.far - self.near)
    }
}

/// The way back of the change that makes the `rank`-th largest difference, if it has one.
fn way(search: &Search<'_, '_>, changes: &[Change], candidate: usize, rank: usize) -> Option<Way> {
    let order = hyaline_model::sorted_positions(changes.len(), &|a, b| {
        search
            .difference(changes[b])
            .total_cmp(&search.difference(changes[a]))
    });
    let slot = *order.get(rank)?;
    let Change { feature, value } = changes[slot];
    let moves = &search.moves.features()[feature];
    let statistics = &search.reference.statistics.features()[feature];
    match (statistics, moves.own, value) {
        (FeatureStatistics::Numbers(numbers), Value::Number(own), Value::Number(value))
            if moves.is_gradual() =>
        {
            let far = numbers.units(value);
            // The row's own value may lie between units: what is tried lies on the other's side of it.
            let near = if value > own {
                numbers.units_before(own)
            } else {
                -numbers.units_before(-own)
            };
            let way = Way {
                candidate,
                slot,
                near,
                far,
            };
            ((way.far - way.near).abs() > 1.0).then_some(way)
        }
        _ => None,
    }
}

fn at_units(search: &Search<'_, '_>, feature: usize, units: f64) -> Change {
    let statistics = &search.reference.statistics.features()[feature];
    let value = match statistics {
        FeatureStatistics::Numbers(numbers) => Value::Number(numbers.of_units(units)),
        _ => unreachable!("only numbers go back gradually"),
    };
    Change { feature, value }
}
