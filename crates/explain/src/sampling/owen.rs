//! Owen values: groups are players first, then the members within each (Owen 1977, doi:10.1007/978-3-642-45494-3_7).

use hyaline_model::graph::EvalError;

use crate::game::{Coalitions, Game};
use crate::{shapley_values, size_weights};

/// How many coalitions [`exact`] plays; saturates.
pub fn coalitions(groups: &[Vec<usize>]) -> u64 {
    groups
        .iter()
        .map(|group| {
            let bits = groups.len() - 1 + group.len();
            1u64.checked_shl(bits as u32).unwrap_or(u64::MAX)
        })
        .fold(0, u64::saturating_add)
}

/// The Owen values of every player, `[players, outputs]`, from all coalitions of whole other groups and members of one's
/// own. Each player is in one group.
///
/// # Errors
/// [`EvalError`] when the game cannot be played.
pub fn exact(game: &dyn Game, groups: &[Vec<usize>]) -> Result<Vec<f64>, EvalError> {
    let outputs = game.outputs();
    let mut values = vec![0.0; game.players() * outputs];
    let weights = size_weights(groups.len());
    for (own, group) in groups.iter().enumerate() {
        // What a subset of the group is worth beside the others, weighted by how many other groups came before.
        let subsets = 1usize << group.len();
        let mut beside = vec![vec![0.0; subsets]; outputs];
        for others in (0..1usize << groups.len()).filter(|others| others >> own & 1 == 0) {
            let mut before = vec![false; game.players()];
            for (other, members) in groups.iter().enumerate() {
                if others >> other & 1 == 1 {
                    members.iter().for_each(|&member| before[member] = true);
                }
            }
            let mut coalitions = Coalitions::new(game.players());
            for subset in 0..subsets {
                let mut joins = before.clone();
                for (bit, &member) in group.iter().enumerate() {
                    joins[member] = subset >> bit & 1 == 1;
                }
                coalitions.push(|player| joins[player]);
            }
            let worths = game.worths(&coalitions)?;
            let weight = weights[others.count_ones() as usize];
            for (subset, worths) in worths.chunks_exact(outputs).enumerate() {
                for (sums, worth) in beside.iter_mut().zip(worths) {
                    sums[subset] += weight * worth;
                }
            }
        }
        for (output, worths) in beside.iter().enumerate() {
            for (value, &member) in shapley_values(group.len(), worths).iter().zip(group) {
                values[member * outputs + output] = *value;
            }
        }
    }
    Ok(values)
}
