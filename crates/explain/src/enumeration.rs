//! Shapley values by definition: every coalition of features.

/// Shapley values of a game of `players` players whose coalitions' worths are `worth[coalition]`, bit `i` of the index
/// standing for player `i` (Shapley 1953, doi:10.1515/9781400881970-018).
///
/// O(players · 2^players) time. Exact up to rounding; the values sum to `worth[all] − worth[none]`.
///
/// # Panics
/// If `worth` has not `2^players` entries.
pub fn shapley_values(players: usize, worth: &[f64]) -> Vec<f64> {
    assert_eq!(
        Some(worth.len()),
        1usize.checked_shl(players as u32),
        "one worth per coalition"
    );
    let weights = size_weights(players);
    let mut values = vec![0.0; players];
    for (player, value) in values.iter_mut().enumerate() {
        let bit = 1usize << player;
        for coalition in (0..worth.len()).filter(|coalition| coalition & bit == 0) {
            *value += weights[coalition.count_ones() as usize]
                * (worth[coalition | bit] - worth[coalition]);
        }
    }
    values
}

/// `s! (n − s − 1)! / n!` for `s` in `0..n`: the weight of joining a coalition of `s` among `n` players.
pub(crate) fn size_weights(players: usize) -> Vec<f64> {
    let mut weights = Vec::with_capacity(players);
    for size in 0..players {
        let previous = weights.last().copied();
        weights.push(match previous {
            None => 1.0 / players as f64,
            Some(weight) => weight * size as f64 / (players - size) as f64,
        });
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_glove_game_pays_the_scarce_glove() {
        // Player 0 has a left glove, players 1 and 2 a right one each; a pair is worth 1.
        let worth = (0u32..8)
            .map(|c| f64::from(u8::from(c & 1 == 1 && c & 6 != 0)))
            .collect::<Vec<_>>();
        let values = shapley_values(3, &worth);
        let expected = [2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0];
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-15, "{values:?}");
        }
    }

    #[test]
    fn the_weights_of_all_joinings_sum_to_one() {
        for players in 1..=20usize {
            let mut binomial = 1.0;
            let mut sum = 0.0;
            for (size, weight) in size_weights(players).into_iter().enumerate() {
                sum += weight * binomial;
                binomial *= (players - 1 - size) as f64 / (size + 1) as f64;
            }
            assert!((sum - 1.0).abs() < 1e-12, "{players} players: {sum}");
        }
    }
}
