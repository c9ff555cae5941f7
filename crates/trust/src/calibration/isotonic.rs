//! Isotonic regression.

use hyaline_model::graph::ml::CalibrationCurve;
use hyaline_model::sorted_positions;

/// Scores nearer than this are one, as for scikit-learn: where probabilities are nearly 0 or 1, rounding orders them.
const RESOLUTION: f64 = 1e-15;

/// The ascending curve of least squared error (pool adjacent violators; Barlow et al. 1972), through the scores where it
/// bends. O(n log n).
///
/// # Panics
/// When there are not as many `scores` as `right`, or none.
pub fn isotonic(scores: &[f64], right: &[bool]) -> CalibrationCurve {
    assert_eq!(scores.len(), right.len(), "one answer per score");
    assert!(!scores.is_empty(), "a curve needs points");
    let mut pools: Vec<Pool> = Vec::new();
    for row in sorted_positions(scores.len(), &|a, b| scores[a].total_cmp(&scores[b])) {
        let own = Pool {
            low: scores[row],
            high: scores[row],
            right: f64::from(u8::from(right[row])),
            rows: 1.0,
        };
        match pools.last_mut() {
            Some(last) if own.low - last.low < RESOLUTION => {
                last.right += own.right;
                last.rows += own.rows;
            }
            _ => pools.push(own),
        }
    }
    let mut ascending: Vec<Pool> = Vec::new();
    for mut pool in pools {
        while let Some(last) = ascending.pop_if(|last| last.share() >= pool.share()) {
            let above = std::mem::replace(&mut pool, last);
            pool.take(&above);
        }
        ascending.push(pool);
    }
    let mut points = Vec::new();
    let mut probabilities = Vec::new();
    for pool in &ascending {
        let ends = [pool.low, pool.high];
        for &end in &ends[..1 + usize::from(pool.low < pool.high)] {
            points.push(end);
            probabilities.push(pool.share());
        }
    }
    CalibrationCurve::Isotonic {
        scores: points,
        probabilities,
    }
}

/// Neighbouring rows of one probability.
#[derive(Clone, Copy, Debug)]
struct Pool {
    low: f64,
    high: f64,
    right: f64,
    rows: f64,
}

impl Pool {
    fn share(&self) -> f64 {
        self.right / self.rows
    }

    /// Adds the rows of a pool above this one.
    fn take(&mut self, above: &Pool) {
        self.high = above.high;
        self.right += above.right;
        self.rows += above.rows;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violators_are_pooled() {
        let scores = [4.0, 1.0, 2.0, 3.0, 3.0, 6.0, 5.0];
        let right = [false, false, true, false, true, true, true];
        assert_eq!(
            isotonic(&scores, &right),
            CalibrationCurve::Isotonic {
                scores: vec![1.0, 2.0, 4.0, 5.0, 6.0],
                probabilities: vec![0.0, 0.5, 0.5, 1.0, 1.0],
            }
        );
    }

    #[test]
    fn one_score_is_a_curve() {
        assert_eq!(
            isotonic(&[2.0, 2.0], &[true, false]),
            CalibrationCurve::Isotonic {
                scores: vec![2.0],
                probabilities: vec![0.5],
            }
        );
    }

    // No ascending curve through the same scores has a smaller squared error: checked against every curve of a grid.
    #[test]
    fn no_other_ascending_curve_is_nearer() {
        let right = [true, false, false, true, false];
        let scores = [0.0, 1.0, 2.0, 3.0, 4.0];
        let curve = isotonic(&scores, &right);
        let error = |values: &[f64]| -> f64 {
            values
                .iter()
                .zip(right)
                .map(|(value, right)| (value - f64::from(u8::from(right))).powi(2))
                .sum()
        };
        let own: Vec<f64> = scores.iter().map(|&x| curve.probability(x)).collect();
        let mut best = f64::INFINITY;
        for code in 0..13usize.pow(5) {
            let values: Vec<f64> = (0..5)
                .map(|at| (code / 13usize.pow(at) % 13) as f64 / 12.0)
                .collect();
            if values.windows(2).all(|pair| pair[0] <= pair[1]) {
                best = best.min(error(&values));
            }
        }
        assert!(
            error(&own) <= best + 1e-12,
            "{own:?}: {} {best}",
            error(&own)
        );
    }
}
