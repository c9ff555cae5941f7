//! The search for changes that reach the goal.

use hyaline_model::graph::EvalError;
use hyaline_model::{Batch, sorted_positions};

use super::goal::{Aim, Judgement};
use super::moves::Moves;
use crate::reference_statistics::{Change, Evaluations, ReferenceView, Value, changed_rows};
use crate::sampling::Random;

/// Partly successful changes that are extended in each round.
const BEAM: usize = 10;

/// Single changes that extend them.
const EXTENSIONS: usize = 32;

/// Values of one feature among the extensions.
const EXTENSIONS_PER_FEATURE: usize = 3;

/// Most features that the beam changes.
const DEPTH: usize = 4;

/// Nearest reference rows of the wanted answer that are tried whole.
const NEIGHBOURS: usize = 32;

/// Of these, rows that are taken over feature by feature.
const DONORS: usize = 6;

/// Random mixtures of reference values, tried where nothing else reaches the goal.
const MIXTURES: usize = 512;

/// What is being explained and by what means.
pub(super) struct Search<'s, 'm> {
    pub(super) evaluations: &'s mut Evaluations<'m>,
    pub(super) reference: ReferenceView<'s>,
    /// One row.
    pub(super) origin: &'s Batch,
    pub(super) aim: Aim,
    pub(super) moves: &'s Moves,
}

/// Changes, one per feature at most, in schema order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) changes: Vec<Change>,
    /// 1 for each changed feature, and its difference in median absolute deviations.
    pub(super) cost: f64,
    /// How near the goal the model sees it.
    pub(super) progress: f64,
}

impl Search<'_, '_> {
    /// Candidates that reach the goal, the cheapest first; about `4 · count` different sets of features, if there are.
    pub(super) fn reaching(
        &mut self,
        count: usize,
        seed: u64,
    ) -> Result<Vec<Candidate>, EvalError> {
        let (mut reaching, mut partial) = self.judged(self.singles())?;
        let donors = self.donors()?;
        reaching.extend(self.taken_over(&donors)?);
        let extensions = self.extensions(&partial);
        for depth in 2..=DEPTH {
            if depth > 2 && different_sets(&reaching) >= 4 * count {
                break;
            }
            partial.truncate(BEAM);
            let (found, rest) = self.judged(self.extended(&partial, &extensions))?;
            reaching.extend(found);
            partial = rest;
        }
        if reaching.is_empty() {
            let mixtures = self.mixtures(seed);
            let (found, _) = self.judged(mixtures)?;
            let best: Vec<Vec<Change>> =
                found.into_iter().take(DONORS).map(|c| c.changes).collect();
            reaching = self.taken_over(&best)?;
        }
        Ok(by(reaching, |candidate| candidate.cost))
    }

    /// Candidates that reach the goal and the others, the most promising first.
    fn judged(
        &mut self,
        candidates: Vec<Vec<Change>>,
    ) -> Result<(Vec<Candidate>, Vec<Candidate>), EvalError> {
        let judgements = self.judge(&candidates)?;
        let (mut reaching, mut rest) = (Vec::new(), Vec::new());
        for (changes, judgement) in candidates.into_iter().zip(judgements) {
            let list = if judgement.reached {
                &mut reaching
            } else {
                &mut rest
            };
            list.push(Candidate {
                cost: self.cost(&changes),
                changes,
                progress: judgement.progress,
            });
        }
        Ok((reaching, by(rest, |candidate| -candidate.progress)))
    }

    /// What the model says to each list of changes.
    pub(super) fn judge(
        &mut self,
        candidates: &[Vec<Change>],
    ) -> Result<Vec<Judgement>, EvalError> {
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let schema = self.evaluations.model.schema();
        let lists = candidates.iter().map(Vec::as_slice);
        let batch = changed_rows(schema, self.origin, 0, candidates.len(), lists);
        let answers = self.evaluations.predict(&batch)?;
        Ok((0..candidates.len())
            .map(|row| self.aim.judge(&answers, row))
            .collect())
    }

    /// 1 for each change, and its difference in median absolute deviations.
    pub(super) fn cost(&self, changes: &[Change]) -> f64 {
        changes
            .iter()
            .map(|&change| 1.0 + self.difference(change))
            .sum()
    }

    /// The difference that one change makes, in median absolute deviations.
    pub(super) fn difference(&self, change: Change) -> f64 {
        let own = self.moves.features()[change.feature].own;
        self.reference.statistics.features()[change.feature].in_deviations(own, change.value)
    }

    /// Every value of every feature alone.
    fn singles(&self) -> Vec<Vec<Change>> {
        let mut singles = Vec::new();
        for (feature, moves) in self.moves.features().iter().enumerate() {
            let changes = moves.values.iter().map(|&value| Change { feature, value });
            singles.extend(changes.map(|change| vec![change]));
        }
        singles
    }

    /// The most promising single changes that do not reach the goal alone, a few of each feature.
    fn extensions(&self, singles: &[Candidate]) -> Vec<Change> {
        let mut taken = vec![0; self.moves.features().len()];
        let mut extensions = Vec::with_capacity(EXTENSIONS);
        for change in singles.iter().map(|single| single.changes[0]) {
            if taken[change.feature] < EXTENSIONS_PER_FEATURE && extensions.len() < EXTENSIONS {
                taken[change.feature] += 1;
                extensions.push(change);
            }
        }
        extensions
    }

    /// Each candidate with each further change, each set of changes once.
    fn extended(&self, candidates: &[Candidate], extensions: &[Change]) -> Vec<Vec<Change>> {
        let mut extended: Vec<Vec<Change>> = Vec::new();
        for candidate in candidates {
            for &extension in extensions {
                let at = candidate
                    .changes
                    .partition_point(|c| c.feature < extension.feature);
                if candidate
                    .changes
                    .get(at)
                    .is_some_and(|c| c.feature == extension.feature)
                {
                    continue;
                }
                let mut changes = candidate.changes.clone();
                changes.insert(at, extension);
                if !extended.contains(&changes) {
                    extended.push(changes);
                }
            }
        }
        extended
    }

    /// The nearest reference rows that the model answers as wanted, as far as the row may become like them, and of these
    /// the nearest few that still reach the goal.
    fn donors(&mut self) -> Result<Vec<Vec<Change>>, EvalError> {
        let ReferenceView { rows, statistics } = self.reference;
        let answers = statistics.predictions();
        let wanted: Vec<usize> = (0..rows.rows())
            .filter(|&row| self.aim.judge(answers, row).reached)
            .collect();
        let distances: Vec<f64> = wanted
            .iter()
            .map(|&row| statistics.gower((self.origin, 0), (rows, row)))
            .collect();
        let order = sorted_positions(wanted.len(), &|a, b| distances[a].total_cmp(&distances[b]));
        let mut candidates: Vec<Vec<Change>> = Vec::new();
        for row in order
            .into_iter()
            .take(NEIGHBOURS)
            .map(|position| wanted[position])
        {
            let changes = self.towards(row);
            if !changes.is_empty() && !candidates.contains(&changes) {
                candidates.push(changes);
            }
        }
        let (reaching, _) = self.judged(candidates)?;
        let nearest = by(reaching, |candidate| candidate.cost);
        Ok(nearest
            .into_iter()
            .take(DONORS)
            .map(|candidate| candidate.changes)
            .collect())
    }

    /// What makes the row like reference row `row`, as far as it may become so.
    fn towards(&self, row: usize) -> Vec<Change> {
        let columns = self.reference.rows.columns().iter().enumerate();
        columns
            .filter_map(|(feature, column)| {
                let value = self.moves.features()[feature].towards(Value::of(column, row))?;
                Some(Change { feature, value })
            })
            .collect()
    }

    /// For each list of changes that reaches the goal: its changes one after the other, those that do most alone first,
    /// until the goal is reached.
    fn taken_over(&mut self, donors: &[Vec<Change>]) -> Result<Vec<Candidate>, EvalError> {
        let singles: Vec<Vec<Change>> = donors
            .iter()
            .flatten()
            .map(|&change| vec![change])
            .collect();
        let alone = self.judge(&singles)?;
        let mut alone = alone.as_slice();
        let mut prefixes = Vec::new();
        for donor in donors {
            let (own, rest) = alone.split_at(donor.len());
            alone = rest;
            let order = sorted_positions(donor.len(), &|a, b| {
                own[b].progress.total_cmp(&own[a].progress)
            });
            for length in 1..=donor.len() {
                let mut chosen = order[..length].to_vec();
                chosen.sort_unstable();
                prefixes.push(chosen.into_iter().map(|at| donor[at]).collect());
            }
        }
        let judgements = self.judge(&prefixes)?;
        let mut taken: Vec<Candidate> = Vec::with_capacity(donors.len());
        let mut from = 0;
        for donor in donors {
            let reached = (from..from + donor.len()).find(|&at| judgements[at].reached);
            from += donor.len();
            if let Some(at) = reached {
                taken.push(Candidate {
                    cost: self.cost(&prefixes[at]),
                    changes: std::mem::take(&mut prefixes[at]),
                    progress: judgements[at].progress,
                });
            }
        }
        Ok(taken)
    }

    /// Rows whose every changeable feature has the value of some reference row, or its own.
    fn mixtures(&self, seed: u64) -> Vec<Vec<Change>> {
        let mut random = Random::new(seed, 0);
        let rows = self.reference.rows.rows() as u64;
        let columns = self.reference.rows.columns();
        let mixture = |_| {
            let mut changes = Vec::new();
            for (feature, moves) in self.moves.features().iter().enumerate() {
                let value = Value::of(&columns[feature], random.below(rows) as usize);
                if let Some(value) = moves.towards(value) {
                    changes.push(Change { feature, value });
                }
            }
            changes
        };
        let mut mixtures: Vec<Vec<Change>> = (0..MIXTURES).map(mixture).collect();
        mixtures.retain(|changes| !changes.is_empty());
        mixtures
    }
}

/// Candidates in ascending order of `key`.
pub(super) fn by(
    mut candidates: Vec<Candidate>,
    key: impl Fn(&Candidate) -> f64,
) -> Vec<Candidate> {
    let order = sorted_positions(candidates.len(), &|a, b| {
        key(&candidates[a]).total_cmp(&key(&candidates[b]))
    });
    let take = |position: usize| Candidate {
        changes: std::mem::take(&mut candidates[position].changes),
        ..candidates[position]
    };
    order.into_iter().map(take).collect()
}

/// Whether both change the same features.
pub(super) fn same_features(left: &[Change], right: &[Change]) -> bool {
    let features = |changes: &'_ [Change]| {
        changes
            .iter()
            .map(|change| change.feature)
            .collect::<Vec<_>>()
    };
    left.len() == right.len() && features(left) == features(right)
}

/// How many different sets of features the candidates change.
fn different_sets(candidates: &[Candidate]) -> usize {
    let repeated = |at: usize| {
        let mut before = candidates[..at].iter();
        before.any(|other| same_features(&other.changes, &candidates[at].changes))
    };
    (0..candidates.len()).filter(|&at| !repeated(at)).count()
}
