//! The marginal (interventional) game of a model at one row: absent features take the values of a background row
//! (Lundberg & Lee 2017, arXiv:1705.07874, with the marginal expectation of Janzing et al. 2020, arXiv:1910.13413).

use hyaline_model::graph::EvalError;
use hyaline_model::{Batch, Column};

use super::{Coalitions, Game};
use crate::{OutputSpace, Predict};

/// Which raw features act as one player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Players {
    features: Vec<Vec<usize>>,
}

impl Players {
    /// Every feature for itself.
    pub fn single(features: usize) -> Players {
        Players {
            features: (0..features).map(|feature| vec![feature]).collect(),
        }
    }

    /// One player per group of features. A feature in no group never joins a coalition.
    pub fn grouped(features: Vec<Vec<usize>>) -> Players {
        Players { features }
    }

    /// The features of each player.
    pub fn features(&self) -> &[Vec<usize>] {
        &self.features
    }

    /// Without those whose values in row `row` of `batch` are those of every background row: they are worth nothing in
    /// any coalition. Also says which are left, by their position.
    pub fn varying(&self, batch: &Batch, row: usize, background: &Batch) -> (Players, Vec<usize>) {
        let differs = |&feature: &usize| {
            (0..background.rows()).any(|other| !same(batch, row, background, other, feature))
        };
        let left: Vec<usize> = (0..self.features.len())
            .filter(|&player| self.features[player].iter().any(differs))
            .collect();
        let features = left
            .iter()
            .map(|&player| self.features[player].clone())
            .collect();
        (Players { features }, left)
    }
}

/// Whether two rows have the same value of a feature; a missing value is itself.
fn same(a: &Batch, row: usize, b: &Batch, other: usize, feature: usize) -> bool {
    match (&a.columns()[feature], &b.columns()[feature]) {
        (Column::Numbers(a), Column::Numbers(b)) => {
            a[row] == b[other] || (a[row].is_nan() && b[other].is_nan())
        }
        (Column::Symbols(a), Column::Symbols(b)) => a[row] == b[other],
        (Column::Texts(a), Column::Texts(b)) => a[row] == b[other],
        (Column::Tensors(a), Column::Tensors(b)) => a.row(row) == b.row(other),
        _ => unreachable!("both batches are of one schema"),
    }
}

/// Rows per model call: enough for a model's inner loops, small in memory.
const ROWS_PER_CALL: usize = 4096;

/// `v(S)` is the mean answer over the background rows whose features of the players in `S` are those of the explained
/// row. Its contexts are the background rows.
pub struct MarginalGame<'a> {
    model: &'a dyn Predict,
    batch: &'a Batch,
    row: usize,
    background: &'a Batch,
    players: Players,
    player_of: Vec<Option<usize>>,
    space: OutputSpace,
    outputs: usize,
}

impl<'a> MarginalGame<'a> {
    /// The game of `model` at row `row` of `batch`, which has `outputs` answers in `space`.
    ///
    /// # Panics
    /// If the row does not exist, the background is empty or there are no players.
    pub fn new(
        model: &'a dyn Predict,
        batch: &'a Batch,
        row: usize,
        background: &'a Batch,
        players: Players,
        space: OutputSpace,
        outputs: usize,
    ) -> MarginalGame<'a> {
        assert!(row < batch.rows(), "the explained row exists");
        assert!(background.rows() > 0, "a background has rows");
        assert!(!players.features.is_empty(), "a game has players");
        let mut player_of = vec![None; batch.columns().len()];
        for (player, features) in players.features.iter().enumerate() {
            for &feature in features {
                player_of[feature] = Some(player);
            }
        }
        MarginalGame {
            model,
            batch,
            row,
            background,
            players,
            player_of,
            space,
            outputs,
        }
    }

    /// Answers for mixed rows; `joins(player, marks)` marks those in which the player is present.
    fn answers(
        &self,
        others: &[u32],
        joins: &dyn Fn(usize, &mut [bool]),
    ) -> Result<Vec<f64>, EvalError> {
        let own = |feature: usize, marks: &mut [bool]| {
            if let Some(player) = self.player_of[feature] {
                joins(player, marks);
            }
        };
        let mixed = self.batch.mix(self.row, self.background, others, &own);
        Ok(self.model.answers(&mixed, self.space)?.values)
    }
}

impl Game for MarginalGame<'_> {
    fn players(&self) -> usize {
        self.players.features.len()
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn worths(&self, coalitions: &Coalitions) -> Result<Vec<f64>, EvalError> {
        let rows = self.background.rows();
        let mut worths = Vec::with_capacity(coalitions.len() * self.outputs);
        let per_call = (ROWS_PER_CALL / rows).max(1);
        for first in (0..coalitions.len()).step_by(per_call) {
            let count = per_call.min(coalitions.len() - first);
            let others: Vec<u32> = (0..count).flat_map(|_| 0..rows as u32).collect();
            let answers = self.answers(&others, &|player, marks| {
                for (at, marks) in marks.chunks_exact_mut(rows).enumerate() {
                    marks.fill(coalitions.contains(first + at, player));
                }
            })?;
            for block in answers.chunks_exact(rows * self.outputs) {
                for output in 0..self.outputs {
                    let sum: f64 = block.iter().skip(output).step_by(self.outputs).sum();
                    worths.push(sum / rows as f64);
                }
            }
        }
        Ok(worths)
    }

    fn evaluations_per_coalition(&self) -> u64 {
        self.background.rows() as u64
    }

    fn contexts(&self) -> usize {
        self.background.rows()
    }

    fn worths_in(&self, coalitions: &Coalitions, contexts: &[u32]) -> Result<Vec<f64>, EvalError> {
        assert_eq!(coalitions.len(), contexts.len(), "a context per coalition");
        let mut worths = Vec::with_capacity(contexts.len() * self.outputs);
        for first in (0..contexts.len()).step_by(ROWS_PER_CALL) {
            let end = contexts.len().min(first + ROWS_PER_CALL);
            worths.extend(self.answers(&contexts[first..end], &|player, marks| {
                for (at, mark) in marks.iter_mut().enumerate() {
                    *mark = coalitions.contains(first + at, player);
                }
            })?);
        }
        Ok(worths)
    }

    fn active_players(&self, context: usize) -> Vec<usize> {
        (0..self.players())
            .filter(|&player| {
                self.players.features[player]
                    .iter()
                    .any(|&feature| !same(self.batch, self.row, self.background, context, feature))
            })
            .collect()
    }
}
