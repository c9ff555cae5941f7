//! How far observed answers are from predicted ones.

use hyaline_model::{Batch, Conformity, ConformityScore, Head, Model, sorted_positions};

use super::ConformalError;
use crate::held_out::{check, class_probabilities};

/// The score that fits `model` when the recipe names none; `None` when no score fits.
pub fn default_score(model: &Model) -> Option<ConformityScore> {
    match &model.parts().head {
        Head::Regression { targets, .. } => {
            (targets.len() == 1).then_some(ConformityScore::AbsoluteError)
        }
        Head::Classification { probabilities, .. } => {
            probabilities.then_some(ConformityScore::LeastAmbiguous)
        }
    }
}

/// The scores of rows that neither trained nor tuned nor calibrated the model, for `ModelParts::conformity`. `answers` has
/// one observed answer per row: the index of a class, or a number.
///
/// # Errors
/// [`ConformalError::Unsuited`] when the score does not fit the model; [`ConformalError::HeldOut`] when the answers do not
/// fit it or it answers a row with something that is no number; [`ConformalError::Evaluation`] when it refuses a row.
pub fn conformity(
    model: &Model,
    score: ConformityScore,
    rows: &Batch,
    answers: &[f64],
) -> Result<Conformity, ConformalError> {
    suited(model, score)?;
    let predictions = model.predict(rows)?;
    check(model, &predictions, answers)?;
    let of_row = |(row, &answer): (usize, &f64)| {
        let Some(probabilities) = class_probabilities(model, &predictions, row) else {
            return (answer - predictions.values[row]).abs();
        };
        class_scores(score, &probabilities)[answer as usize]
    };
    let mut scores: Vec<f64> = answers.iter().enumerate().map(of_row).collect();
    scores.sort_by(f64::total_cmp);
    Ok(Conformity { score, scores })
}

/// The score of each class of a row of these probabilities: `1 − p`, or for [`ConformityScore::Adaptive`] the sum of the
/// probabilities from the most likely class down to it (of equally likely ones the first comes first).
///
/// # Panics
/// For [`ConformityScore::AbsoluteError`], which classes do not have.
pub fn class_scores(score: ConformityScore, probabilities: &[f64]) -> Vec<f64> {
    match score {
        ConformityScore::LeastAmbiguous => probabilities.iter().map(|p| 1.0 - p).collect(),
        ConformityScore::Adaptive => {
            let mut scores = vec![0.0; probabilities.len()];
            let mut sum = 0.0;
            for class in sorted_positions(probabilities.len(), &|a, b| {
                probabilities[b].total_cmp(&probabilities[a])
            }) {
                sum += probabilities[class];
                scores[class] = sum;
            }
            scores
        }
        ConformityScore::AbsoluteError => panic!("classes have no absolute error"),
    }
}

/// Whether `model` has answers that `score` is about.
pub(super) fn suited(model: &Model, score: ConformityScore) -> Result<(), ConformalError> {
    let fail = |reason| Err(ConformalError::Unsuited { score, reason });
    match (&model.parts().head, score) {
        (Head::Regression { targets, .. }, ConformityScore::AbsoluteError) => {
            if targets.len() != 1 {
                return fail("an interval needs a regressor of one target");
            }
        }
        (Head::Regression { .. }, _) => {
            return fail("sets are for classifiers; a regressor takes absolute-error");
        }
        (Head::Classification { .. }, ConformityScore::AbsoluteError) => {
            return fail(
                "intervals are for regressors; a classifier takes least-ambiguous or adaptive",
            );
        }
        (Head::Classification { probabilities, .. }, _) => {
            if !probabilities {
                return fail("a set needs a classifier of probabilities; calibrate this one first");
            }
        }
    }
    Ok(())
}
