//! Platt scaling.

use hyaline_model::graph::ml::CalibrationCurve;

/// Most Newton steps; some ten are usual.
const STEPS: usize = 100;

/// Length of the gradient, per row, at which the curve is found.
const GRADIENT: f64 = 1e-12;

/// How much of the loss may be rounding; near the minimum no step shows in it.
const ROUNDING: f64 = 1e-14;

/// Keeps the Hessian regular (Lin et al. 2007).
const RIDGE: f64 = 1e-12;

/// The sigmoid of largest likelihood, with Platt's targets `(n₊ + 1) / (n₊ + 2)` and `1 / (n₋ + 2)` in place of 1 and 0,
/// so that separable scores have a finite one (Platt 1999). Newton's method with backtracking, as in Lin, Lin & Weng
/// 2007, doi:10.1007/s10994-007-5018-6.
///
/// # Panics
/// When there are not as many `scores` as `right`.
pub fn platt(scores: &[f64], right: &[bool]) -> CalibrationCurve {
    assert_eq!(scores.len(), right.len(), "one answer per score");
    let positives = right.iter().filter(|&&right| right).count() as f64;
    let negatives = right.len() as f64 - positives;
    let (high, low) = (
        (positives + 1.0) / (positives + 2.0),
        1.0 / (negatives + 2.0),
    );
    // Scores of any unit are brought to about 1, where one tolerance suits the slope as well as the intercept.
    let largest = scores
        .iter()
        .fold(0.0f64, |most, score| most.max(score.abs()));
    let unit = if largest > 0.0 { largest } else { 1.0 };
    let points: Vec<(f64, f64)> = scores
        .iter()
        .zip(right)
        .map(|(&score, &right)| (score / unit, if right { high } else { low }))
        .collect();

    let mut slope = 0.0;
    let mut intercept = libm::log((positives + 1.0) / (negatives + 1.0));
    let mut loss = cross_entropy(&points, slope, intercept);
    for _ in 0..STEPS {
        let step = Derivatives::at(&points, slope, intercept);
        if step.length() < GRADIENT * points.len() as f64 {
            break;
        }
        let (by_slope, by_intercept) = step.direction();
        let descent = step.slope * by_slope + step.intercept * by_intercept;
        let mut length = 1.0;
        let mut moved = false;
        while length > 1e-10 && !moved {
            let next = (slope + length * by_slope, intercept + length * by_intercept);
            let next_loss = cross_entropy(&points, next.0, next.1);
            moved = next_loss < loss + 1e-4 * length * descent + ROUNDING * loss;
            if moved {
                (slope, intercept) = next;
                loss = next_loss;
            } else {
                length /= 2.0;
            }
        }
        if !moved {
            break;
        }
    }
    CalibrationCurve::Sigmoid {
        slope: slope / unit,
        intercept,
    }
}

/// `−Σ t · ln p + (1 − t) · ln (1 − p)` for `p = logistic(slope · x + intercept)`.
fn cross_entropy(points: &[(f64, f64)], slope: f64, intercept: f64) -> f64 {
    let mut sum = 0.0;
    for &(x, target) in points {
        let log_odds = slope * x + intercept;
        // ln(1 + e^−|z|) + max(z, 0) − t · z.
        sum += libm::log1p(libm::exp(-log_odds.abs())) + log_odds.max(0.0) - target * log_odds;
    }
    sum
}

/// Gradient and Hessian of the cross-entropy.
struct Derivatives {
    slope: f64,
    intercept: f64,
    slope_slope: f64,
    slope_intercept: f64,
    intercept_intercept: f64,
}

impl Derivatives {
    fn at(points: &[(f64, f64)], slope: f64, intercept: f64) -> Derivatives {
        let mut sum = Derivatives {
            slope: 0.0,
            intercept: 0.0,
            slope_slope: RIDGE,
            slope_intercept: 0.0,
            intercept_intercept: RIDGE,
        };
        for &(x, target) in points {
            let power = libm::exp(-(slope * x + intercept).abs());
            let smaller = power / (1.0 + power);
            let p = if slope * x + intercept < 0.0 {
                smaller
            } else {
                1.0 - smaller
            };
            let weight = smaller * (1.0 - smaller);
            sum.slope += (p - target) * x;
            sum.intercept += p - target;
            sum.slope_slope += weight * x * x;
            sum.slope_intercept += weight * x;
            sum.intercept_intercept += weight;
        }
        sum
    }

    fn length(&self) -> f64 {
        self.slope.abs().max(self.intercept.abs())
    }

    /// `−H⁻¹ · g`.
    fn direction(&self) -> (f64, f64) {
        let determinant = self.slope_slope * self.intercept_intercept
            - self.slope_intercept * self.slope_intercept;
        (
            -(self.intercept_intercept * self.slope - self.slope_intercept * self.intercept)
                / determinant,
            -(self.slope_slope * self.intercept - self.slope_intercept * self.slope) / determinant,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_get_the_smoothed_share() {
        // Of targets 4/5, 4/5, 4/5 and 1/3 the mean is 41/60.
        let curve = platt(&[2.0; 4], &[true, true, true, false]);
        assert!(
            (curve.probability(2.0) - 41.0 / 60.0).abs() < 1e-9,
            "{curve:?}"
        );
    }

    #[test]
    fn separable_scores_have_a_finite_slope() {
        let curve = platt(&[-1.0, -1.0, 1.0, 1.0], &[false, false, true, true]);
        // The likelihood is largest where the probabilities are the targets, 1/4 and 3/4.
        assert!((curve.probability(1.0) - 0.75).abs() < 1e-9, "{curve:?}");
        assert!((curve.probability(-1.0) - 0.25).abs() < 1e-9, "{curve:?}");
    }

    #[test]
    fn the_unit_of_a_score_does_not_matter() {
        let scores = [-3.0, -1.0, 0.5, 1.0, 2.0, 4.0];
        let right = [false, false, true, false, true, true];
        let huge: Vec<f64> = scores.iter().map(|score| score * 1e9).collect();
        let (small, large) = (platt(&scores, &right), platt(&huge, &right));
        for score in scores {
            let (a, b) = (small.probability(score), large.probability(score * 1e9));
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
    }
}
