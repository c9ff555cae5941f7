//! Whether probabilities are as often right as they say.

use crate::held_out::largest;

/// How many bins of equal width.
const BINS: usize = 10;

/// Answers of about the same probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// The bin holds probabilities above this (the first bin also 0).
    pub low: f64,
    /// And up to this.
    pub high: f64,
    /// How many rows.
    pub rows: usize,
    /// Their mean probability; 0 without rows.
    pub probability: f64,
    /// The share of rows for which it happened; 0 without rows.
    pub frequency: f64,
}

/// Figures of probabilities beside what was observed.
///
/// Of two classes they speak about the second one's probability; of more about the predicted class and whether it was
/// right (Guo et al. 2017, arXiv:1706.04599).
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    /// Rows measured.
    pub rows: usize,
    /// Mean squared distance between probability and outcome (Brier 1950): of the second of two classes, 0 to 1; of more
    /// classes summed over them, 0 to 2.
    pub brier: f64,
    /// Mean `−ln p` of the observed class, with `p` at least the machine epsilon.
    pub log_loss: f64,
    /// Expected calibration error: distance between probability and frequency, mean over rows, by bins.
    pub expected_error: f64,
    /// Maximum calibration error: the largest such distance of a bin with rows.
    pub maximum_error: f64,
    /// Ten bins of equal width.
    pub bins: Vec<Bin>,
}

/// Measures `probabilities` `[rows, classes]` against the class observed in each row.
///
/// # Panics
/// When there are no rows, fewer than two classes, or an observed class does not exist.
pub fn reliability(probabilities: &[f64], observed: &[usize]) -> Reliability {
    let rows = observed.len();
    let classes = probabilities.len() / rows;
    assert!(classes >= 2, "a classifier has classes");
    let mut bins: Vec<Bin> = (0..BINS)
        .map(|bin| Bin {
            low: bin as f64 / BINS as f64,
            high: (bin + 1) as f64 / BINS as f64,
            rows: 0,
            probability: 0.0,
            frequency: 0.0,
        })
        .collect();
    let (mut brier, mut log_loss) = (0.0, 0.0);
    for (own, &class) in probabilities.chunks_exact(classes).zip(observed) {
        let (said, happened) = if classes == 2 {
            (own[1], class == 1)
        } else {
            (own[largest(own)], largest(own) == class)
        };
        let outcome = |of: usize| f64::from(u8::from(of == class));
        let squares = own
            .iter()
            .enumerate()
            .map(|(k, p)| (p - outcome(k)) * (p - outcome(k)));
        brier += squares.skip(usize::from(classes == 2)).sum::<f64>();
        log_loss -= libm::log(own[class].clamp(f64::EPSILON, 1.0 - f64::EPSILON));
        let at = bins.partition_point(|bin| bin.high < said).min(BINS - 1);
        bins[at].rows += 1;
        bins[at].probability += said;
        bins[at].frequency += f64::from(u8::from(happened));
    }
    let (mut expected_error, mut maximum_error) = (0.0, 0.0f64);
    for bin in bins.iter_mut().filter(|bin| bin.rows > 0) {
        bin.probability /= bin.rows as f64;
        bin.frequency /= bin.rows as f64;
        let error = (bin.probability - bin.frequency).abs();
        expected_error += error * bin.rows as f64 / rows as f64;
        maximum_error = maximum_error.max(error);
    }
    Reliability {
        rows,
        brier: brier / rows as f64,
        log_loss: log_loss / rows as f64,
        expected_error,
        maximum_error,
        bins,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_four_rows() {
        let probabilities = [0.75, 0.25, 0.75, 0.25, 0.1, 0.9, 0.0, 1.0];
        let found = reliability(&probabilities, &[0, 1, 1, 1]);
        // Bins (0.2, 0.3]: 0.25 said, half happened; (0.8, 0.9]: 0.9 and all; (0.9, 1.0]: 1 and all.
        let rows: Vec<usize> = found.bins.iter().map(|bin| bin.rows).collect();
        assert_eq!(rows, [0, 0, 2, 0, 0, 0, 0, 0, 1, 1]);
        assert!((found.brier - (0.0625 + 0.5625 + 0.01) / 4.0).abs() < 1e-15);
        assert!((found.expected_error - (0.25 * 2.0 + 0.1) / 4.0).abs() < 1e-15);
        assert!((found.maximum_error - 0.25).abs() < 1e-15);
    }

    #[test]
    fn of_several_classes_the_predicted_one_counts() {
        let probabilities = [0.5, 0.25, 0.25, 0.25, 0.5, 0.25];
        let found = reliability(&probabilities, &[0, 2]);
        assert_eq!((found.bins[4].rows, found.bins[4].frequency), (2, 0.5));
        assert_eq!(found.expected_error, 0.0);
        assert!((found.brier - (0.375 + 0.875) / 2.0).abs() < 1e-15);
    }
}
