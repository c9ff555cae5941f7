//! Deletion and insertion (Petsiuk, Das & Saenko 2018, arXiv:1806.07421; "pixel flipping" in Bach et al. 2015,
//! doi:10.1371/journal.pone.0130140).

use hyaline_model::graph::EvalError;
use hyaline_model::sorted_positions;

use crate::game::{Coalitions, Game};

/// Mean answers along the two ways between no feature and all, by the trapezoid rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curves {
    /// Features go, those of the largest attribution first: small when they are the ones that raise the answer.
    pub deletion: f64,
    /// Features come, those of the largest attribution first: large when they are the ones that raise the answer.
    pub insertion: f64,
}

/// The areas of `attributions`, one per player, about one output of the game.
///
/// # Errors
/// When the model behind the game refuses a row.
pub fn curves(game: &dyn Game, attributions: &[f64], output: usize) -> Result<Curves, EvalError> {
    let players = game.players();
    let order = sorted_positions(players, &|a, b| attributions[b].total_cmp(&attributions[a]));
    let mut rank = vec![0; players];
    for (place, player) in order.into_iter().enumerate() {
        rank[player] = place;
    }
    let mut coalitions = Coalitions::new(players);
    for gone in 0..=players {
        coalitions.push(|player| rank[player] >= gone);
    }
    for come in 0..=players {
        coalitions.push(|player| rank[player] < come);
    }
    let worths = game.worths(&coalitions)?;
    let worths: Vec<f64> = worths
        .into_iter()
        .skip(output)
        .step_by(game.outputs())
        .collect();
    let area = |curve: &[f64]| {
        let steps = curve.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0);
        steps.sum::<f64>() / players as f64
    };
    Ok(Curves {
        deletion: area(&worths[..=players]),
        insertion: area(&worths[players + 1..]),
    })
}
