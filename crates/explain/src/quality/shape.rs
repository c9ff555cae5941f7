//! Whether few features say it all.

use hyaline_model::sorted_positions;

/// Gini index of the magnitudes (Chalasani et al. 2020, arXiv:1810.06583): 0 when all are equal, `1 − 1/n` when one alone
/// is not 0. 0 when all are 0.
pub fn sparseness(attributions: &[f64]) -> f64 {
    let magnitude = |at: usize| attributions[at].abs();
    let count = attributions.len();
    let total: f64 = (0..count).map(magnitude).sum();
    if total <= 0.0 {
        return 0.0;
    }
    let ascending = sorted_positions(count, &|a, b| magnitude(a).total_cmp(&magnitude(b)));
    let weighted = ascending
        .into_iter()
        .enumerate()
        .map(|(rank, at)| (2.0 * (rank + 1) as f64 - count as f64 - 1.0) * magnitude(at));
    weighted.sum::<f64>() / (count as f64 * total)
}

/// Entropy of the magnitudes' shares, in nats (Bhatt, Weller & Moura 2020, arXiv:2005.00631): 0 when one alone is not 0,
/// `ln n` when all are equal. 0 when all are 0.
pub fn complexity(attributions: &[f64]) -> f64 {
    let total: f64 = attributions.iter().map(|value| value.abs()).sum();
    let terms = attributions.iter().map(|value| {
        let share = value.abs() / total;
        if share > 0.0 {
            -share * libm::log(share)
        } else {
            0.0
        }
    });
    terms.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_feature_alone_is_sparse_and_simple() {
        assert_eq!(sparseness(&[0.0, -2.0, 0.0, 0.0]), 0.75);
        assert_eq!(complexity(&[0.0, -2.0, 0.0, 0.0]), 0.0);
    }

    #[test]
    fn equal_features_are_neither() {
        assert_eq!(sparseness(&[1.0, -1.0, 1.0, -1.0]), 0.0);
        assert!((complexity(&[1.0, -1.0, 1.0, -1.0]) - libm::log(4.0)).abs() < 1e-15);
        assert_eq!((sparseness(&[0.0; 3]), complexity(&[0.0; 3])), (0.0, 0.0));
    }

    // (−3·1 − 1·2 + 1·3 + 3·4) / (4 · 10), and the entropy of tenths.
    #[test]
    fn figures_of_a_ramp() {
        assert!((sparseness(&[4.0, 1.0, 3.0, -2.0]) - 0.25).abs() < 1e-15);
        assert!((complexity(&[4.0, 1.0, 3.0, -2.0]) - 1.279_854_225_833_667_6).abs() < 1e-12);
    }
}
