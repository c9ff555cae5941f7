//! What conforms: the answers whose score is at most the threshold.

use hyaline_model::{ConformityScore, Model, Predictions, sorted_positions};

use super::scores::suited;
use super::{ConformalError, class_scores, threshold};
use crate::held_out::class_probabilities;

/// What will be observed with the probability asked for, per row.
#[derive(Clone, Debug, PartialEq)]
pub enum Regions {
    /// `[low, high]` around each predicted number.
    Intervals(Vec<[f64; 2]>),
    /// Positions of classes, the most likely first. An empty least ambiguous set says that no class conforms: the row is
    /// unlike the held-out ones. An adaptive set has the most likely class at least, whatever its score.
    Sets(Vec<Vec<usize>>),
}

/// The intervals or sets of `predictions`, which `model` made.
///
/// # Errors
/// [`ConformalError::Absent`] when the model keeps no scores, [`ConformalError::Coverage`] and
/// [`ConformalError::TooFewRows`] as [`threshold`], [`ConformalError::Unsuited`] for a forged image.
pub fn regions(
    model: &Model,
    predictions: &Predictions,
    coverage: f64,
) -> Result<Regions, ConformalError> {
    let conformity = model.parts().conformity.as_ref();
    let conformity = conformity.ok_or(ConformalError::Absent)?;
    suited(model, conformity.score)?;
    let threshold = threshold(conformity, coverage)?;
    if conformity.score == ConformityScore::AbsoluteError {
        let around = |value: &f64| [value - threshold, value + threshold];
        return Ok(Regions::Intervals(
            predictions.values.iter().map(around).collect(),
        ));
    }
    let of_row = |row| match class_probabilities(model, predictions, row) {
        Some(probabilities) => set(conformity.score, &probabilities, threshold),
        None => Vec::new(),
    };
    Ok(Regions::Sets((0..predictions.rows).map(of_row).collect()))
}

/// The classes of a row of these probabilities whose score is at most `threshold`, the most likely first.
fn set(score: ConformityScore, probabilities: &[f64], threshold: f64) -> Vec<usize> {
    let scores = class_scores(score, probabilities);
    let by_probability = |a: usize, b: usize| probabilities[b].total_cmp(&probabilities[a]);
    sorted_positions(scores.len(), &by_probability)
        .into_iter()
        .enumerate()
        .filter(|&(rank, class)| {
            scores[class] <= threshold || (rank == 0 && score == ConformityScore::Adaptive)
        })
        .map(|(_, class)| class)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_conforms() {
        use ConformityScore::{Adaptive, LeastAmbiguous};
        let probabilities = [0.25, 0.5, 0.125, 0.125];
        for (score, threshold, expected) in [
            (LeastAmbiguous, 0.25, vec![]),
            (LeastAmbiguous, 0.5, vec![1]),
            (LeastAmbiguous, 0.8, vec![1, 0]),
            (LeastAmbiguous, 0.875, vec![1, 0, 2, 3]),
            (Adaptive, 0.4, vec![1]),
            (Adaptive, 0.75, vec![1, 0]),
            (Adaptive, 0.9, vec![1, 0, 2]),
            (Adaptive, 1.0, vec![1, 0, 2, 3]),
        ] {
            assert_eq!(
                set(score, &probabilities, threshold),
                expected,
                "{score:?} {threshold}"
            );
        }
    }
}
