//! Coalitional games: what every Shapley estimator plays, whether its players are features, groups of them, tokens of a
//! text or segments of an image.

mod coalitions;
mod marginal;

pub use coalitions::Coalitions;
use hyaline_model::graph::EvalError;
pub use marginal::{MarginalGame, Players};

/// A game with one worth per coalition and output.
///
/// The worth may be a mean over contexts, such as the background rows that stand for absent features. A game that says so
/// lets an estimator play each coalition in one context only, which is far cheaper than in all: the Shapley value is
/// linear, so that of the game is the mean of those of its contexts.
pub trait Game {
    /// How many players; at least 1.
    fn players(&self) -> usize;

    /// How many worths a coalition has.
    fn outputs(&self) -> usize;

    /// The worth of every coalition, `[coalitions, outputs]`. Called with many coalitions at a time, so that a model
    /// answers few large batches.
    ///
    /// # Errors
    /// [`EvalError`] when the model refuses a row.
    fn worths(&self, coalitions: &Coalitions) -> Result<Vec<f64>, EvalError>;

    /// How many rows a model answers for one coalition.
    fn evaluations_per_coalition(&self) -> u64;

    /// Over how many contexts a worth is the mean; at least 1.
    fn contexts(&self) -> usize {
        1
    }

    /// The worth of every coalition in the context beside it, `[coalitions, outputs]`. Over all contexts the mean is
    /// [`Game::worths`].
    ///
    /// # Errors
    /// As [`Game::worths`].
    ///
    /// # Panics
    /// If there is not one existing context per coalition.
    fn worths_in(&self, coalitions: &Coalitions, contexts: &[u32]) -> Result<Vec<f64>, EvalError> {
        assert_eq!(coalitions.len(), contexts.len(), "a context per coalition");
        assert!(contexts.iter().all(|&context| context == 0), "one context");
        self.worths(coalitions)
    }

    /// How many rows a model answers for one coalition in one context.
    fn evaluations_per_play(&self) -> u64 {
        self.evaluations_per_coalition() / self.contexts() as u64
    }

    /// The players that change anything in `context`, ascending. The others are worth nothing there.
    fn active_players(&self, _context: usize) -> Vec<usize> {
        (0..self.players()).collect()
    }
}
