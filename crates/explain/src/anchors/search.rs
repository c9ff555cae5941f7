//! The search for a short rule of high precision.

use hyaline_model::Column;
use hyaline_model::graph::EvalError;
use hyaline_model::{Batch, Predictions, sorted_positions};

use super::bounds::Tally;
use super::condition::{Codes, Condition, RowSet, and, size};
use super::{AnchorRequest, Outcome};
use crate::reference_statistics::{Change, Evaluations, Value};
use crate::sampling::Random;

/// Perturbations drawn of a rule at a time.
const BATCH: u64 = 100;

/// Most perturbations that confirm a rule, drawn apart from those that found it.
const CONFIRMATION: u64 = 1000;

/// How far below the wanted precision the lower bound of a rule may be that is confirmed by fewer.
const SLACK: f64 = 0.01;

/// Most model evaluations of a search; beyond it the best rule so far is confirmed.
const BUDGET: u64 = 50_000;

/// A rule under test.
#[derive(Clone, Debug)]
pub(super) struct Arm {
    pub(super) conditions: Vec<Condition>,
    /// Reference rows that meet it.
    pub(super) rows: RowSet,
    pub(super) tally: Tally,
    /// The reference row behind each perturbation of this rule and of those it grew from, where it meets the conditions
    /// that came later by itself; and whether the answer was the row's.
    samples: Vec<(u32, bool)>,
}

pub(super) struct Search<'s, 'm> {
    pub(super) evaluations: &'s mut Evaluations<'m>,
    pub(super) codes: &'s Codes<'s>,
    pub(super) outcome: Outcome,
    /// Which reference rows have the row's outcome.
    pub(super) known: Vec<bool>,
    pub(super) random: Random,
    pub(super) request: AnchorRequest,
    /// Perturbations drawn.
    pub(super) samples: u64,
    /// For each condition that was needed, the reference rows that meet it.
    pub(super) donors: Vec<(Condition, Vec<u32>)>,
}

/// A confirmed rule, or the most precise one tried.
pub(super) struct Found {
    pub(super) arm: Arm,
    pub(super) met: bool,
}

impl Search<'_, '_> {
    /// The rule of largest coverage among the shortest that have the wanted precision.
    pub(super) fn run(&mut self) -> Result<Found, EvalError> {
        // Without a condition every perturbation is a reference row: the precision is known.
        let known = self.known.iter().enumerate();
        let samples: Vec<(u32, bool)> = known.map(|(row, &hit)| (row as u32, hit)).collect();
        let everything = Arm {
            conditions: Vec::new(),
            rows: self.codes.every_row(),
            tally: Tally::of(&samples),
            samples,
        };
        let met = everything.tally.share() >= self.request.precision;
        let mut best = Found {
            arm: everything,
            met,
        };
        if met {
            return Ok(best);
        }
        let predicates = self.codes.predicates();
        let sets: Vec<RowSet> = predicates.iter().map(|&one| self.codes.rows(one)).collect();
        let mut beam = vec![best.arm.clone()];
        for _ in 0..predicates.len() {
            let mut arms = longer(&beam, &predicates, &sets);
            if arms.is_empty() {
                break;
            }
            let chosen = self.most_precise(&mut arms)?;
            beam = chosen.into_iter().map(|at| arms[at].clone()).collect();
            for arm in &mut beam {
                let met = self.confirm(arm)?;
                let better = match (met, best.met) {
                    (true, false) => true,
                    (true, true) => size(&arm.rows) > size(&best.arm.rows),
                    (false, true) => false,
                    (false, false) => arm.tally.share() > best.arm.tally.share(),
                };
                if better {
                    best = Found {
                        arm: arm.clone(),
                        met,
                    };
                }
            }
            if best.met || self.evaluations.spent >= BUDGET {
                break;
            }
        }
        Ok(best)
    }

    /// The positions of the most precise arms, as many as the beam is wide, up to `tau` with probability `1 − delta`
    /// (KL-LUCB, Kaufmann & Kalyanakrishnan 2013).
    fn most_precise(&mut self, arms: &mut [Arm]) -> Result<Vec<usize>, EvalError> {
        let all: Vec<usize> = (0..arms.len()).collect();
        let wanted = self.request.beam.min(arms.len());
        if wanted == arms.len() {
            return Ok(all);
        }
        let unknown: Vec<usize> = (0..arms.len())
            .filter(|&at| arms[at].tally.tries < FIRST)
            .collect();
        self.draw(arms, &unknown, FIRST)?;
        let mut round = 1.0;
        loop {
            let order = sorted_positions(arms.len(), &|a, b| {
                arms[b].tally.share().total_cmp(&arms[a].tally.share())
            });
            let (inside, outside) = order.split_at(wanted);
            let level = level(arms.len(), round, self.request.delta);
            let (weakest, lower) = extreme(inside, |at| -arms[at].tally.lower(level));
            let (strongest, upper) = extreme(outside, |at| arms[at].tally.upper(level));
            if upper + lower <= self.request.tau || self.evaluations.spent >= BUDGET {
                return Ok(inside.to_vec());
            }
            self.draw(arms, &[weakest, strongest], BATCH)?;
            round += 1.0;
        }
    }

    /// Measures the precision of a rule afresh; whether it is the wanted one.
    fn confirm(&mut self, arm: &mut Arm) -> Result<bool, EvalError> {
        let level = -libm::log(self.request.delta);
        let wanted = self.request.precision;
        arm.tally = Tally::default();
        while arm.tally.tries < CONFIRMATION {
            self.draw(std::slice::from_mut(arm), &[0], BATCH)?;
            let share = arm.tally.share();
            if arm.tally.upper(level) < wanted {
                return Ok(false);
            }
            if share >= wanted && arm.tally.lower(level) >= wanted - SLACK {
                return Ok(true);
            }
        }
        Ok(arm.tally.share() >= wanted)
    }

    /// Draws `count` perturbations under each of the arms `which` and adds their outcomes to the tallies.
    ///
    /// A perturbation is a reference row in which every feature that does not meet its condition gets the value of another
    /// reference row that does. One that needs no such change has a known answer.
    fn draw(&mut self, arms: &mut [Arm], which: &[usize], count: u64) -> Result<(), EvalError> {
        let rows = self.known.len() as u64;
        let mut origins: Vec<usize> = Vec::new();
        let mut changes: Vec<(usize, Change)> = Vec::new();
        let mut owners: Vec<usize> = Vec::new();
        for &at in which {
            arms[at].tally.tries += count;
            for _ in 0..count {
                let row = self.random.below(rows) as usize;
                if arms[at].rows[row / 64] >> (row % 64) & 1 == 1 {
                    let hit = self.known[row];
                    arms[at].tally.hits += u64::from(hit);
                    arms[at].samples.push((row as u32, hit));
                    continue;
                }
                for &condition in &arms[at].conditions {
                    if !self.codes.meets(condition, row) {
                        let feature = condition.feature;
                        let value = self.donation(condition);
                        changes.push((origins.len(), Change { feature, value }));
                    }
                }
                origins.push(row);
                owners.push(at);
            }
        }
        self.samples += count * which.len() as u64;
        if origins.is_empty() {
            return Ok(());
        }
        let answers = self.answers(&origins, &changes)?;
        for (sample, &owner) in owners.iter().enumerate() {
            let hit = self.outcome.is_of(&answers, sample);
            arms[owner].tally.hits += u64::from(hit);
            arms[owner].samples.push((origins[sample] as u32, hit));
        }
        Ok(())
    }

    fn answers(
        &mut self,
        origins: &[usize],
        changes: &[(usize, Change)],
    ) -> Result<Predictions, EvalError> {
        let columns = self.codes.reference.rows.columns().iter();
        let mut columns: Vec<Column> = columns.map(|column| column.select(origins)).collect();
        for &(sample, Change { feature, value }) in changes {
            match (&mut columns[feature], value) {
                (Column::Numbers(values), Value::Number(value)) => values[sample] = value,
                (Column::Symbols(values), Value::Category(value)) => values[sample] = value,
                _ => unreachable!("a change is of its feature's kind"),
            }
        }
        let schema = self.evaluations.model.schema();
        let batch = Batch::new(schema, columns).expect("the columns are those of a batch");
        self.evaluations.predict(&batch)
    }

    /// The value of a random reference row that meets a condition; the explained row's where none does.
    fn donation(&mut self, condition: Condition) -> Value {
        let own = self.codes.own(condition.feature);
        if condition.allowed == super::Allowed::Own {
            return own;
        }
        let known = self
            .donors
            .iter()
            .position(|(other, _)| *other == condition);
        let at = known.unwrap_or_else(|| {
            let meets = |&row: &u32| self.codes.meets(condition, row as usize);
            let rows = (0..self.known.len() as u32).filter(meets).collect();
            self.donors.push((condition, rows));
            self.donors.len() - 1
        });
        let rows = &self.donors[at].1;
        if rows.is_empty() {
            return own;
        }
        let row = rows[self.random.below(rows.len() as u64) as usize];
        Value::of(
            &self.codes.reference.rows.columns()[condition.feature],
            row as usize,
        )
    }
}

/// Perturbations drawn of every candidate before any is preferred.
const FIRST: u64 = 20;

/// The exploration level of round `round` among `arms` arms.
fn level(arms: usize, round: f64, delta: f64) -> f64 {
    let log = libm::log(405.5 * arms as f64 * libm::pow(round, 1.1) / delta);
    log + libm::log(log)
}

/// The position with the largest `key`, the first of equals, and the key.
fn extreme(positions: &[usize], key: impl Fn(usize) -> f64) -> (usize, f64) {
    let mut largest = (positions[0], key(positions[0]));
    for &at in &positions[1..] {
        let key = key(at);
        if key > largest.1 {
            largest = (at, key);
        }
    }
    largest
}

/// Every arm of the beam with every further condition that says something new, each once.
fn longer(beam: &[Arm], predicates: &[Condition], sets: &[RowSet]) -> Vec<Arm> {
    let mut arms: Vec<Arm> = Vec::new();
    for arm in beam {
        for (&predicate, set) in predicates.iter().zip(sets) {
            let Some(conditions) = and(&arm.conditions, predicate) else {
                continue;
            };
            if !arms.iter().any(|other| other.conditions == conditions) {
                let samples = inherited(arm, predicate, set);
                arms.push(Arm {
                    conditions,
                    rows: arm.rows.iter().zip(set).map(|(a, b)| a & b).collect(),
                    tally: Tally::of(&samples),
                    samples,
                });
            }
        }
    }
    arms
}

/// The samples of `arm` that meet a further condition by themselves. They guide the search only: rows that meet it by
/// themselves may differ from rows that were made to.
fn inherited(arm: &Arm, predicate: Condition, set: &RowSet) -> Vec<(u32, bool)> {
    // A feature with a condition may have got another value than its reference row has.
    let mut conditions = arm.conditions.iter();
    if conditions.any(|condition| condition.feature == predicate.feature) {
        return Vec::new();
    }
    let meets = |&(row, _): &(u32, bool)| set[row as usize / 64] >> (row % 64) & 1 == 1;
    arm.samples.iter().copied().filter(meets).collect()
}
