//! The answer to reach, and how far a row is from it.

use hyaline_model::{Label, Predictions};

use crate::{ExplainError, Predict};

/// The answer a counterfactual has to get.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Of a classifier: any class but the row's own.
    AnotherClass,
    /// Of a classifier: this class.
    Class(usize),
    /// Of a regressor: a value from `low` to `high`, both included.
    Between {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    },
}

/// A goal of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Aim {
    /// Leave a class.
    Leave(u32),
    /// Reach a class.
    Reach(u32),
    /// Reach a value.
    Between(f64, f64),
}

/// What the model's answer means for the goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judgement {
    pub(super) reached: bool,
    /// Larger is nearer to the goal.
    pub(super) progress: f64,
}

impl Aim {
    pub(super) fn new(
        model: &dyn Predict,
        goal: Goal,
        answer: &Predictions,
    ) -> Result<Aim, ExplainError> {
        let labels: &[Label] = model.labels();
        let unsupported = |text: &str| Err(ExplainError::Unsupported(text.to_owned()));
        match goal {
            Goal::AnotherClass | Goal::Class(_) if labels.is_empty() => unsupported(
                "the model predicts numbers, not classes; ask for target_low, target_high or both",
            ),
            Goal::AnotherClass => Ok(Aim::Leave(answer.labels[0])),
            Goal::Class(class) => Ok(Aim::Reach(class as u32)),
            Goal::Between { .. } if !labels.is_empty() => {
                unsupported("the model predicts classes, not numbers; ask for target=<label>")
            }
            Goal::Between { .. } if answer.outputs != 1 => unsupported(
                "the model predicts several numbers; counterfactuals are of models that predict one",
            ),
            Goal::Between { low, high } => Ok(Aim::Between(low, high)),
        }
    }

    /// Judges row `row` of the model's answers.
    pub(super) fn judge(self, answers: &Predictions, row: usize) -> Judgement {
        let scores = &answers.values[row * answers.outputs..][..answers.outputs];
        match self {
            Aim::Leave(class) => Judgement {
                reached: answers.labels[row] != class,
                progress: -lead(scores, class),
            },
            Aim::Reach(class) => Judgement {
                reached: answers.labels[row] == class,
                progress: lead(scores, class),
            },
            Aim::Between(low, high) => Judgement {
                reached: (low..=high).contains(&scores[0]),
                progress: -(low - scores[0]).max(scores[0] - high).max(0.0),
            },
        }
    }
}

/// How far the score of `class` is before the best other one.
fn lead(scores: &[f64], class: u32) -> f64 {
    match *scores {
        // The one score of a classifier of two classes speaks for the second.
        [score] if class == 0 => -score,
        [score] => score,
        _ => {
            let others = scores.iter().enumerate();
            let others = others.filter(|&(at, _)| at != class as usize);
            let best = others
                .map(|(_, &score)| score)
                .fold(f64::NEG_INFINITY, f64::max);
            scores[class as usize] - best
        }
    }
}
