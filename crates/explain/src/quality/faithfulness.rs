//! Whether sums of attributions say what happens without those features.

use hyaline_model::graph::EvalError;

use super::CheckOptions;
use crate::game::{Coalitions, Game};
use crate::sampling::Random;

/// Sums of attributions beside the change of the answer, over random sets of features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faithfulness {
    /// Pearson's correlation of the two (Bhatt, Weller & Moura 2020, arXiv:2005.00631); `None` when one of them does not
    /// vary.
    pub correlation: Option<f64>,
    /// Mean squared difference of the two, in squared units of the explanation: infidelity with features set to the
    /// background (Yeh et al. 2019, arXiv:1901.09392).
    pub infidelity: f64,
}

/// The figures of `attributions`, one per player, about one output of the game. Every size of a set is equally likely,
/// and every set of a size.
///
/// # Errors
/// When the model behind the game refuses a row.
pub fn faithfulness(
    game: &dyn Game,
    attributions: &[f64],
    output: usize,
    options: CheckOptions,
) -> Result<Faithfulness, EvalError> {
    let players = game.players();
    let mut random = Random::new(options.seed, 0);
    let mut order: Vec<usize> = (0..players).collect();
    let mut remaining = Coalitions::new(players);
    remaining.push(|_| true);
    let mut sums = Vec::with_capacity(options.subsets);
    for _ in 0..options.subsets {
        random.shuffle(&mut order);
        let most = players.max(2) as u64 - 1;
        let gone = &order[..1 + random.below(most) as usize];
        remaining.push(|player| !gone.contains(&player));
        sums.push(gone.iter().map(|&player| attributions[player]).sum::<f64>());
    }
    let worths = game.worths(&remaining)?;
    let mut worths = worths.into_iter().skip(output).step_by(game.outputs());
    let whole = worths.next().unwrap_or(0.0);
    let changes: Vec<f64> = worths.map(|worth| whole - worth).collect();
    let squares = sums.iter().zip(&changes).map(|(a, b)| (a - b) * (a - b));
    Ok(Faithfulness {
        infidelity: squares.sum::<f64>() / sums.len() as f64,
        correlation: correlation(&sums, &changes),
    })
}

/// Pearson's correlation; `None` when one side does not vary.
pub(super) fn correlation(left: &[f64], right: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (middle, centre) = (mean(left), mean(right));
    let (mut both, mut own, mut other) = (0.0, 0.0, 0.0);
    for (a, b) in left.iter().zip(right) {
        both += (a - middle) * (b - centre);
        own += (a - middle) * (a - middle);
        other += (b - centre) * (b - centre);
    }
    (own > 0.0 && other > 0.0).then(|| (both / (own * other).sqrt()).clamp(-1.0, 1.0))
}
