//! Coalitional games: what every Shapley estimator plays, whether its players are features, groups of them, tokens of a
//! text or segments of an image.

mod coalitions;

pub use coalitions::Coalitions;
use hyaline_model::graph::EvalError;

/// A game with one worth per coalition and output.
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
}
