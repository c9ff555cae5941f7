//! How near an estimate is to exact values.

use hyaline_model::{Method, sorted_positions};

use super::faithfulness::correlation;

/// An estimate beside exact values of the same game.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// The exact method.
    pub method: Method,
    /// `‖estimate − exact‖₂ / ‖exact‖₂`; 0 when both are 0.
    pub relative_error: f64,
    /// Spearman's correlation of the magnitudes; `None` when one side has equal magnitudes only.
    pub rank: Option<f64>,
    /// The share of features of the same sign, among those whose exact magnitude is at least a hundredth of the largest;
    /// 1 when there are none.
    pub sign: f64,
}

/// Compares one row's attributions about one output.
///
/// # Panics
/// If there are not as many exact values as estimates.
pub fn agreement(method: Method, estimate: &[f64], exact: &[f64]) -> Agreement {
    assert_eq!(estimate.len(), exact.len(), "attributions of one row");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let error = norm(&mut estimate.iter().zip(exact).map(|(a, b)| a - b));
    let size = norm(&mut exact.iter().copied());
    let largest = exact
        .iter()
        .fold(0.0f64, |most, value| most.max(value.abs()));
    let telling = |&(_, exact): &(&f64, &f64)| exact.abs() > 0.0 && exact.abs() >= largest / 100.0;
    let pairs: Vec<_> = estimate.iter().zip(exact).filter(telling).collect();
    let same = pairs.iter().filter(|(a, b)| **a * **b > 0.0).count();
    Agreement {
        method,
        relative_error: if error == 0.0 { 0.0 } else { error / size },
        rank: correlation(&ranks(estimate), &ranks(exact)),
        sign: if pairs.is_empty() {
            1.0
        } else {
            same as f64 / pairs.len() as f64
        },
    }
}

/// Ranks of the magnitudes, the mean rank for equal ones.
fn ranks(values: &[f64]) -> Vec<f64> {
    let magnitude = |at: usize| values[at].abs();
    let order = sorted_positions(values.len(), &|a, b| magnitude(a).total_cmp(&magnitude(b)));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    for equal in order.chunk_by(|&a, &b| magnitude(a) == magnitude(b)) {
        let mean = from as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&at| ranks[at] = mean);
        from += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_near_estimate() {
        let found = agreement(
            Method::Enumeration,
            &[3.0, -4.0, 0.5, 0.001],
            &[3.0, -4.0, -0.5, 0.0],
        );
        assert!((found.relative_error - (1.0f64 + 1e-6).sqrt() / 25.25f64.sqrt()).abs() < 1e-12);
        assert_eq!(found.sign, 2.0 / 3.0);
        assert_eq!(found.rank, Some(1.0));
    }

    #[test]
    fn nothing_agrees_with_nothing() {
        let found = agreement(Method::Linear, &[0.0; 3], &[0.0; 3]);
        assert_eq!(
            (found.relative_error, found.sign, found.rank),
            (0.0, 1.0, None)
        );
    }

    #[test]
    fn equal_magnitudes_share_a_rank() {
        assert_eq!(ranks(&[2.0, -1.0, 1.0, 3.0]), [2.0, 0.5, 0.5, 3.0]);
    }
}
