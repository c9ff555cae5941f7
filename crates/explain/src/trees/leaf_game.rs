//! Shapley values of one leaf for every decision pattern at once.
//!
//! A leaf with `k` players on its path is a game: bit `i` of a *pattern* says whether the explained row meets every
//! condition on player `i`. An absent player meets them with the probability of its training share (path-dependent) or
//! as a background row does (interventional). With `A(t)[p]` the chance that the leaf is reached when each player of a
//! row of pattern `p` is present with probability `t`, the value of player `i` is
//! `∫ A[p]/t − A[p∖i]/(t(1−t)) dt` where it meets its conditions and `−∫ A[p]/(1−t) dt` where it does not, for both kinds
//! of absence (the patterns are those of WOODELF, doi:10.1609/aaai.v40i29.39630).

use super::quadrature::{Point, gauss_legendre, points_for};

/// Most players for which all patterns are tabulated.
pub(super) const TABLED_PLAYERS_LIMIT: usize = 16;

/// Computes the values of leaves of weight 1, one after another, in the same memory.
pub(super) struct LeafGame {
    /// Rules by number of points.
    rules: Vec<Vec<Point>>,
    mixture: Vec<f64>,
    values: Vec<f64>,
}

impl LeafGame {
    pub fn new() -> LeafGame {
        let most = points_for(TABLED_PLAYERS_LIMIT);
        LeafGame {
            rules: (0..=most).map(gauss_legendre).collect(),
            mixture: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Values `[players, 2^players]` where player `i`, when absent, meets its conditions with probability `shares[i]`.
    pub fn path_dependent(&mut self, shares: &[f64]) -> &[f64] {
        self.integrate(shares.len(), |mixture, t| {
            mixture[0] = 1.0;
            for (player, share) in shares.iter().enumerate() {
                let cold = share * (1.0 - t);
                let (without, with) = mixture[..2 << player].split_at_mut(1 << player);
                for (without, with) in without.iter_mut().zip(with) {
                    *with = *without * (t + cold);
                    *without *= cold;
                }
            }
        })
    }

    /// Values `[players, 2^players]` against a background: `frequency[p]` is the share of it that has pattern `p`.
    pub fn interventional(&mut self, players: usize, frequency: &[f64]) -> &[f64] {
        self.integrate(players, |mixture, t| {
            mixture.copy_from_slice(frequency);
            for player in 0..players {
                for pair in mixture.chunks_exact_mut(2 << player) {
                    let (without, with) = pair.split_at_mut(1 << player);
                    for (without, with) in without.iter_mut().zip(with) {
                        (*without, *with) = (*with * (1.0 - t), *without * t + *with);
                    }
                }
            }
        })
    }

    fn integrate(&mut self, players: usize, mix: impl Fn(&mut [f64], f64)) -> &[f64] {
        let patterns = 1usize << players;
        self.mixture.clear();
        self.mixture.resize(patterns, 0.0);
        self.values.clear();
        self.values.resize(players * patterns, 0.0);
        for &Point { t, weight } in &self.rules[points_for(players)] {
            mix(&mut self.mixture, t);
            let (with_now, without_now, absent_now) =
                (weight / t, weight / (t * (1.0 - t)), weight / (1.0 - t));
            for (player, values) in self.values.chunks_exact_mut(patterns).enumerate() {
                let half = 1usize << player;
                for (values, mixture) in values
                    .chunks_exact_mut(2 * half)
                    .zip(self.mixture.chunks_exact(2 * half))
                {
                    let (values_without, values_with) = values.split_at_mut(half);
                    let (without, with) = mixture.split_at(half);
                    for (((value_without, value_with), without), with) in values_without
                        .iter_mut()
                        .zip(values_with)
                        .zip(without)
                        .zip(with)
                    {
                        *value_without -= without * absent_now;
                        *value_with += with * with_now - without * without_now;
                    }
                }
            }
        }
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapley_values;

    fn assert_close(found: &[f64], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-12,
                "{found:?} is not {expected:?}"
            );
        }
    }

    /// Chance that a row of pattern `row` reaches the leaf when only `coalition` is present.
    fn check(players: usize, values: &[f64], reach: impl Fn(usize, usize) -> f64) {
        let patterns = 1usize << players;
        for pattern in 0..patterns {
            let worth: Vec<f64> = (0..patterns)
                .map(|coalition| reach(pattern, coalition))
                .collect();
            let found: Vec<f64> = (0..players)
                .map(|player| values[player * patterns + pattern])
                .collect();
            assert_close(&found, &shapley_values(players, &worth));
        }
    }

    #[test]
    fn path_dependent_values_are_those_of_the_game() {
        let mut game = LeafGame::new();
        for players in 0..=9usize {
            let shares: Vec<f64> =
                [0.5, 0.01, 0.0, 1.0, 0.3, 0.99, 1e-12, 0.7, 0.2][..players].to_vec();
            let values = game.path_dependent(&shares).to_vec();
            check(players, &values, |pattern, coalition| {
                (0..players)
                    .map(|i| {
                        if coalition >> i & 1 == 1 {
                            (pattern >> i & 1) as f64
                        } else {
                            shares[i]
                        }
                    })
                    .product()
            });
        }
    }

    #[test]
    fn interventional_values_are_those_of_the_game() {
        let mut game = LeafGame::new();
        for players in 0..=8usize {
            let full = (1usize << players) - 1;
            let rows: Vec<usize> = (0..7usize)
                .map(|row| ((row * 40_503) >> 4) & full)
                .collect();
            let mut frequency = vec![0.0; full + 1];
            rows.iter()
                .for_each(|&row| frequency[row] += 1.0 / rows.len() as f64);
            let values = game.interventional(players, &frequency).to_vec();
            check(players, &values, |pattern, coalition| {
                let reached = rows
                    .iter()
                    .filter(|&&row| (pattern & coalition) | (row & !coalition) == full);
                reached.count() as f64 / rows.len() as f64
            });
        }
    }
}
