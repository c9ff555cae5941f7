//! Split conformal prediction (Papadopoulos et al. 2002, doi:10.1007/3-540-36755-1_29; Lei et al. 2018,
//! doi:10.1080/01621459.2017.1307116): from the scores of held-out rows follow intervals and sets that contain what will be
//! observed with the probability asked for, whatever the model and the distribution, as long as the rows to come and the
//! held-out ones are exchangeable. The promise is on average over rows, not for each kind of row.
//!
//! A region is every answer whose score is at most the `⌈(n + 1) · coverage⌉`-th smallest of the `n` scores. Its coverage
//! is at least the one asked for and, where no two scores are equal, at most `1 / (n + 1)` more.

mod regions;
mod scores;

pub use regions::{Regions, regions};
pub use scores::{class_scores, conformity, default_score};

use hyaline_model::graph::EvalError;
use hyaline_model::{Conformity, ConformityScore};

use crate::HeldOutError;

/// Why there are no scores, or no region.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConformalError {
    /// The score does not fit the model.
    #[error("{}: {reason}", score_name(*score))]
    Unsuited {
        /// The score asked for.
        score: ConformityScore,
        /// What it needs and the model does not have.
        reason: &'static str,
    },
    /// The model keeps no scores.
    #[error(
        "this function has no scores of held-out rows, so no intervals and no sets: pack it with `[uncertainty]`"
    )]
    Absent,
    /// The rows do not fit the model.
    #[error(transparent)]
    HeldOut(#[from] HeldOutError),
    /// The model refuses a held-out row.
    #[error(transparent)]
    Evaluation(#[from] EvalError),
    /// No share of rows.
    #[error("a coverage of {coverage}; expected a number above 0 and below 1, such as 0.9")]
    Coverage {
        /// What was asked for.
        coverage: f64,
    },
    /// So few rows cannot promise so much.
    #[error(
        "{rows} held-out rows cannot promise a coverage of {coverage}: at most {} is possible with them",
        rounded_down(*largest)
    )]
    TooFewRows {
        /// Scores there are.
        rows: usize,
        /// What was asked for.
        coverage: f64,
        /// `n / (n + 1)`, the largest coverage that they can promise.
        largest: f64,
    },
}

/// Four digits that are still possible.
fn rounded_down(coverage: f64) -> f64 {
    (coverage * 1e4).floor() / 1e4
}

/// The score's name in recipes, cards and answers.
pub fn score_name(score: ConformityScore) -> &'static str {
    match score {
        ConformityScore::AbsoluteError => "absolute-error",
        ConformityScore::LeastAmbiguous => "least-ambiguous",
        ConformityScore::Adaptive => "adaptive",
    }
}

/// The score called `name`.
pub fn score_from_name(name: &str) -> Option<ConformityScore> {
    [
        ConformityScore::AbsoluteError,
        ConformityScore::LeastAmbiguous,
        ConformityScore::Adaptive,
    ]
    .into_iter()
    .find(|&score| score_name(score) == name)
}

/// The largest score that still conforms: the `⌈(n + 1) · coverage⌉`-th smallest of the `n` scores.
///
/// # Errors
/// [`ConformalError::Coverage`] outside (0, 1); [`ConformalError::TooFewRows`] when the rank exceeds `n`.
pub fn threshold(conformity: &Conformity, coverage: f64) -> Result<f64, ConformalError> {
    if !(coverage > 0.0 && coverage < 1.0) {
        return Err(ConformalError::Coverage { coverage });
    }
    let rows = conformity.scores.len();
    // A product such as 100 · 0.07 rounds above the whole number it means.
    let rank = ((rows + 1) as f64 * coverage - 1e-9).ceil().max(1.0) as usize;
    match conformity.scores.get(rank - 1) {
        Some(&threshold) => Ok(threshold),
        None => Err(ConformalError::TooFewRows {
            rows,
            coverage,
            largest: rows as f64 / (rows + 1) as f64,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(count: usize) -> Conformity {
        Conformity {
            score: ConformityScore::AbsoluteError,
            scores: (1..=count).map(|rank| rank as f64).collect(),
        }
    }

    #[test]
    fn the_rank_is_that_of_the_definition() {
        for (count, coverage, rank) in [
            (9, 0.9, 9.0),
            (99, 0.9, 90.0),
            (99, 0.07, 7.0),
            (99, 0.071, 8.0),
            (100, 0.9, 91.0),
            (1000, 0.95, 951.0),
            (3, 0.01, 1.0),
        ] {
            assert_eq!(
                threshold(&scores(count), coverage),
                Ok(rank),
                "{count} rows, {coverage}"
            );
        }
    }

    #[test]
    fn few_rows_promise_little() {
        let refused = threshold(&scores(8), 0.9).expect_err("9 · 0.9 is above 8");
        assert_eq!(
            refused.to_string(),
            "8 held-out rows cannot promise a coverage of 0.9: at most 0.8888 is possible with them"
        );
        assert!(threshold(&scores(8), 0.8888).is_ok());
    }

    #[test]
    fn a_coverage_is_a_share() {
        for coverage in [0.0, 1.0, -0.5, 90.0, f64::NAN] {
            let refused = threshold(&scores(1000), coverage).expect_err("no share");
            assert!(
                refused
                    .to_string()
                    .starts_with(&format!("a coverage of {coverage};")),
                "{refused}"
            );
        }
    }

    #[test]
    fn every_score_has_a_name() {
        for score in [
            ConformityScore::AbsoluteError,
            ConformityScore::LeastAmbiguous,
            ConformityScore::Adaptive,
        ] {
            assert_eq!(score_from_name(score_name(score)), Some(score));
        }
        assert_eq!(score_from_name("error"), None);
    }
}
