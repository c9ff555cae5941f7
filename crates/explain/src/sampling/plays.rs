//! Coalitions collected until the game is asked, many at a time.

use hyaline_model::graph::EvalError;

use crate::game::{Coalitions, Game};

/// Plays per call of the game: enough for a model's inner loops, small in memory.
pub(super) const PLAYS_PER_CALL: usize = 4096;

/// Plays in order, and their worths as far as they are known.
pub(super) struct Plays<'g> {
    game: &'g dyn Game,
    coalitions: Coalitions,
    contexts: Vec<u32>,
    worths: Vec<f64>,
}

impl<'g> Plays<'g> {
    pub(super) fn new(game: &'g dyn Game) -> Plays<'g> {
        Plays {
            game,
            coalitions: Coalitions::new(game.players()),
            contexts: Vec::new(),
            worths: Vec::new(),
        }
    }

    /// Adds a coalition, given as [`Coalitions::words`], to be played in `context`.
    pub(super) fn push(&mut self, words: &[u64], context: u32) -> Result<(), EvalError> {
        self.coalitions.push_words(words);
        self.contexts.push(context);
        if self.contexts.len() == PLAYS_PER_CALL {
            self.ask()?;
        }
        Ok(())
    }

    /// The worths of everything pushed since the last call of this, `[plays, outputs]`.
    pub(super) fn take(&mut self) -> Result<Vec<f64>, EvalError> {
        self.ask()?;
        Ok(std::mem::take(&mut self.worths))
    }

    fn ask(&mut self) -> Result<(), EvalError> {
        if !self.contexts.is_empty() {
            let worths = self.game.worths_in(&self.coalitions, &self.contexts)?;
            self.worths.extend(worths);
            self.coalitions.clear();
            self.contexts.clear();
        }
        Ok(())
    }
}

/// Words of a coalition, built up and taken apart player by player.
pub(super) struct Members(Vec<u64>);

impl Members {
    pub(super) fn none(players: usize) -> Members {
        Members(vec![0; players.div_ceil(64)])
    }

    pub(super) fn clear(&mut self) {
        self.0.fill(0);
    }

    pub(super) fn add(&mut self, player: usize) {
        self.0[player / 64] |= 1 << (player % 64);
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.0
    }
}
