//! Gauss–Legendre quadrature on [0, 1].
//!
//! The Shapley value of a leaf's product game is the integral of a polynomial in the probability `t` with which each
//! other player is present (Owen 1972, doi:10.1287/mnsc.18.5.64), so finitely many points make it exact
//! (Quadrature-TreeSHAP, arXiv:2605.04497).

/// A point and its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub t: f64,
    pub weight: f64,
}

/// Points that integrate polynomials of degree `2 · points − 1` exactly; the weights sum to 1.
pub(super) fn gauss_legendre(points: usize) -> Vec<Point> {
    let n = points as f64;
    let mut rule: Vec<Point> = (0..points)
        .map(|index| {
            let mut z = libm::cos(core::f64::consts::PI * (index as f64 + 0.75) / (n + 0.5));
            let mut slope = 1.0;
            // Newton's method doubles the digits of a start that is already good to 1/n².
            for _ in 0..8 {
                let (value, derivative) = legendre(points, z);
                slope = derivative;
                z -= value / derivative;
            }
            Point {
                t: 0.5 * (1.0 - z),
                weight: 1.0 / ((1.0 - z * z) * slope * slope),
            }
        })
        .collect();
    let sum: f64 = rule.iter().map(|point| point.weight).sum();
    rule.iter_mut().for_each(|point| point.weight /= sum);
    rule
}

/// The Legendre polynomial of that degree and its derivative at `z`, `|z| < 1`.
fn legendre(degree: usize, z: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, z);
    for k in 2..=degree {
        let k = k as f64;
        (before, value) = (
            value,
            ((2.0 * k - 1.0) * z * value - (k - 1.0) * before) / k,
        );
    }
    (value, degree as f64 * (z * value - before) / (z * z - 1.0))
}

/// Points that make the Shapley values of a leaf with `players` players exact: the integrand has degree `players − 1`.
pub(super) fn points_for(players: usize) -> usize {
    players.div_ceil(2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrates_powers_up_to_its_degree() {
        for points in 1..=128 {
            let rule = gauss_legendre(points);
            for power in 0..2 * points {
                let integral: f64 = rule
                    .iter()
                    .map(|p| p.weight * libm::pow(p.t, power as f64))
                    .sum();
                let expected = 1.0 / (power + 1) as f64;
                assert!(
                    (integral - expected).abs() < 1e-14,
                    "{points} points, t^{power}: {integral} not {expected}"
                );
            }
        }
    }
}
