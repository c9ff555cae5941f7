//! The game of tokens.

use hyaline_model::graph::EvalError;
use hyaline_model::{Batch, Column, Schema};

use super::Part;
use crate::game::{Coalitions, Game};
use crate::{OutputSpace, Predict};

/// Rows per model call: a vectoriser makes thousands of numbers of each.
const ROWS_PER_CALL: usize = 256;

/// `v(S)` is the answer to the row with the tokens of `S` only, and with the other features of `S`; those not in `S` have
/// the values of a background row, over which the worth is the mean.
pub(super) struct TextGame<'a> {
    model: &'a dyn Predict,
    row: &'a Batch,
    texts: Vec<Text<'a>>,
    /// The player of each feature that is one.
    feature_player: Vec<Option<usize>>,
    players: usize,
    background: Option<&'a Batch>,
    mask: &'a str,
    space: OutputSpace,
    outputs: usize,
}

/// A text and where its players' tokens stand in it.
struct Text<'a> {
    feature: usize,
    text: &'a str,
    /// First byte, the one after the last, player; in the order of the text.
    tokens: Vec<(usize, usize, usize)>,
}

impl<'a> TextGame<'a> {
    pub(super) fn new(
        model: &'a dyn Predict,
        row: &'a Batch,
        parts: &[Part],
        background: Option<&'a Batch>,
        mask: Option<&'a str>,
        space: OutputSpace,
        outputs: usize,
    ) -> TextGame<'a> {
        let mut texts: Vec<Text<'a>> = Vec::new();
        for (feature, column) in row.columns().iter().enumerate() {
            if let Column::Texts(values) = column {
                texts.push(Text {
                    feature,
                    text: &values[0],
                    tokens: Vec::new(),
                });
            }
        }
        let mut feature_player = vec![None; row.columns().len()];
        for (player, part) in parts.iter().enumerate() {
            match part {
                Part::Feature(feature) => feature_player[*feature] = Some(player),
                Part::Tokens(tokens) => {
                    for token in tokens {
                        for text in texts
                            .iter_mut()
                            .filter(|text| text.feature == token.feature)
                        {
                            text.tokens.push((token.bytes.0, token.bytes.1, player));
                        }
                    }
                }
            }
        }
        for text in &mut texts {
            text.tokens.sort_unstable();
        }
        TextGame {
            model,
            row,
            texts,
            feature_player,
            players: parts.len(),
            background,
            mask: mask.unwrap_or_default(),
            space,
            outputs,
        }
    }

    fn schema(&self) -> &Schema {
        self.model.schema()
    }

    /// The rows of coalitions `first..end`.
    fn rows(&self, coalitions: &Coalitions, contexts: &[u32], first: usize, end: usize) -> Batch {
        let mixed = match self.background {
            None => self.row.select(&vec![0; end - first]),
            Some(background) => {
                let own = |feature: usize, marks: &mut [bool]| {
                    for (play, mark) in marks.iter_mut().enumerate() {
                        *mark = self.feature_player[feature]
                            .is_none_or(|player| coalitions.contains(first + play, player));
                    }
                };
                self.row.mix(0, background, &contexts[first..end], &own)
            }
        };
        let mut columns = mixed.into_columns();
        for text in &self.texts {
            let texts = (first..end).map(|coalition| text.with(coalitions, coalition, self.mask));
            columns[text.feature] = Column::Texts(texts.collect());
        }
        Batch::new(self.schema(), columns).expect("every column has a value per coalition")
    }
}

impl Text<'_> {
    /// The text with the tokens of a coalition only.
    fn with(&self, coalitions: &Coalitions, coalition: usize, mask: &str) -> String {
        let mut made = String::with_capacity(self.text.len());
        let mut from = 0;
        for &(start, end, player) in &self.tokens {
            if !coalitions.contains(coalition, player) {
                made.push_str(&self.text[from..start]);
                made.push_str(mask);
                from = end;
            }
        }
        made.push_str(&self.text[from..]);
        made
    }
}

impl Game for TextGame<'_> {
    fn players(&self) -> usize {
        self.players
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn worths(&self, coalitions: &Coalitions) -> Result<Vec<f64>, EvalError> {
        let contexts = self.contexts() as u32;
        let mut repeated = Coalitions::new(self.players);
        let mut all = Vec::with_capacity(coalitions.len() * contexts as usize);
        for coalition in 0..coalitions.len() {
            for context in 0..contexts {
                repeated.push_words(coalitions.words(coalition));
                all.push(context);
            }
        }
        let answers = self.worths_in(&repeated, &all)?;
        let mut worths = Vec::with_capacity(coalitions.len() * self.outputs);
        for block in answers.chunks_exact(contexts as usize * self.outputs) {
            for output in 0..self.outputs {
                let sum: f64 = block.iter().skip(output).step_by(self.outputs).sum();
                worths.push(sum / f64::from(contexts));
            }
        }
        Ok(worths)
    }

    fn evaluations_per_coalition(&self) -> u64 {
        self.contexts() as u64
    }

    fn contexts(&self) -> usize {
        self.background.map_or(1, Batch::rows)
    }

    fn worths_in(&self, coalitions: &Coalitions, contexts: &[u32]) -> Result<Vec<f64>, EvalError> {
        assert_eq!(coalitions.len(), contexts.len(), "a context per coalition");
        let mut worths = Vec::with_capacity(contexts.len() * self.outputs);
        for first in (0..contexts.len()).step_by(ROWS_PER_CALL) {
            let end = contexts.len().min(first + ROWS_PER_CALL);
            let rows = self.rows(coalitions, contexts, first, end);
            worths.extend(self.model.answers(&rows, self.space)?.values);
        }
        Ok(worths)
    }
}
