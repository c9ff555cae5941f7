//! Predictions of rows whose answers are known.

use std::borrow::Cow;

use hyaline_model::{Head, Label, Model, Predictions};

/// Why rows with known answers do not fit the model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HeldOutError {
    /// Another number of answers than rows.
    #[error("{answers} answers for {rows} held-out rows; give one for each row")]
    Length {
        /// Answers given.
        answers: usize,
        /// Rows given.
        rows: usize,
    },
    /// There is nothing to learn from.
    #[error("there are no held-out rows")]
    Empty,
    /// An answer that is none of the model's classes, or no finite number.
    #[error("the answer of held-out row {row} is {answer}, expected {expected}")]
    Answer {
        /// Row, from 0.
        row: usize,
        /// The answer given.
        answer: f64,
        /// What it could have been.
        expected: String,
    },
    /// The model's own answer cannot be used.
    #[error("the model answers held-out row {row} with {value}, expected a finite number")]
    Prediction {
        /// Row, from 0.
        row: usize,
        /// The model's answer.
        value: f64,
    },
}

/// Refuses answers that do not belong to `predictions` of `model`: of a classifier the indices of its classes, of a
/// regressor finite numbers.
pub(crate) fn check(
    model: &Model,
    predictions: &Predictions,
    answers: &[f64],
) -> Result<(), HeldOutError> {
    if answers.len() != predictions.rows {
        return Err(HeldOutError::Length {
            answers: answers.len(),
            rows: predictions.rows,
        });
    }
    if answers.is_empty() {
        return Err(HeldOutError::Empty);
    }
    let classes = model.labels().len();
    let fits = |answer: f64| match &model.parts().head {
        Head::Regression { .. } => answer.is_finite(),
        Head::Classification { .. } => {
            answer >= 0.0 && answer < classes as f64 && answer == (answer as usize) as f64
        }
    };
    if let Some(row) = answers.iter().position(|&answer| !fits(answer)) {
        return Err(HeldOutError::Answer {
            row,
            answer: answers[row],
            expected: match &model.parts().head {
                Head::Regression { .. } => "a finite number".to_owned(),
                Head::Classification { .. } => format!("the index of one of {classes} classes"),
            },
        });
    }
    if let Some(at) = predictions.values.iter().position(|x| !x.is_finite()) {
        return Err(HeldOutError::Prediction {
            row: at / predictions.outputs,
            value: predictions.values[at],
        });
    }
    Ok(())
}

/// The class probabilities of `row`, one per label: a binary classifier that scores only its second class gets that of
/// the first added. `None` when scores are no probabilities, or not one per class.
pub(crate) fn class_probabilities<'p>(
    model: &Model,
    predictions: &'p Predictions,
    row: usize,
) -> Option<Cow<'p, [f64]>> {
    let Head::Classification {
        labels,
        probabilities: true,
        ..
    } = &model.parts().head
    else {
        return None;
    };
    let scores = &predictions.values[row * predictions.outputs..][..predictions.outputs];
    match *scores {
        [second] if labels.len() == 2 => Some(Cow::Owned(vec![1.0 - second, second])),
        _ => (scores.len() == labels.len()).then_some(Cow::Borrowed(scores)),
    }
}

/// A label as people read it.
pub(crate) fn label_text(label: &Label) -> String {
    match label {
        Label::Text(text) => text.clone(),
        Label::Integer(number) => number.to_string(),
    }
}

/// The position of the largest number, the first of equal ones; a NaN is never larger.
pub(crate) fn largest(numbers: &[f64]) -> usize {
    let mut best = 0;
    for (at, &number) in numbers.iter().enumerate() {
        if number > numbers[best] {
            best = at;
        }
    }
    best
}
