//! LIME over presence: a ridge regression of the model's answers on which parts are there, weighted by nearness to the
//! whole input (Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938; distances, widths and penalty are those of their
//! library).

use hyaline_model::graph::EvalError;

use super::{PartMethod, PartValues, with_ends};
use crate::game::{Coalitions, Game};
use crate::sampling::{Cholesky, Random};

/// How absences are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Draw {
    /// As many parts as a uniform draw from one to all says are absent, whichever; texts.
    Removals,
    /// Every part is there with probability ½; images.
    Coins,
}

/// A linear model of presence, per output.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Its answer without any part.
    pub intercepts: Vec<f64>,
    /// Its answer with all parts.
    pub predictions: Vec<f64>,
    /// Weighted coefficients of determination: how much of what the model does it follows.
    pub scores: Vec<f64>,
}

/// Width of the kernel `√exp(−d²/w²)` in units of the cosine distance `d`: 25 where distances are counted in hundredths.
const WIDTH: f64 = 0.25;

/// Weight of the squared coefficients beside the squared errors.
const PENALTY: f64 = 1.0;

/// Fits `samples` draws, the first of which is the whole input.
pub(super) fn explain(
    game: &dyn Game,
    samples: u32,
    seed: u64,
    draw: Draw,
) -> Result<PartValues, EvalError> {
    let players = game.players();
    let mut random = Random::new(seed, 0);
    let mut drawn = Coalitions::new(players);
    drawn.push(|_| true);
    let mut order: Vec<usize> = (0..players).collect();
    for _ in 1..samples {
        match draw {
            Draw::Removals => {
                let absent = 1 + random.below(players as u64) as usize;
                random.shuffle(&mut order);
                let mut there = vec![false; players];
                order[absent..]
                    .iter()
                    .for_each(|&player| there[player] = true);
                drawn.push(|player| there[player]);
            }
            Draw::Coins => {
                let there: Vec<bool> = (0..players).map(|_| random.bits() >> 63 == 1).collect();
                drawn.push(|player| there[player]);
            }
        }
    }
    let worths = with_ends(game, |coalitions| {
        for coalition in 1..drawn.len() {
            coalitions.push_words(drawn.words(coalition));
        }
    })?;
    let outputs = worths.outputs;
    let weights: Vec<f64> = (0..drawn.len())
        .map(|coalition| nearness(drawn.size(coalition), players))
        .collect();
    // The first worth is nobody's, which was not drawn.
    let targets = &worths.values[outputs..];
    let (values, fit) = ridge(&drawn, &weights, targets, outputs);
    Ok(PartValues {
        seed: Some(seed),
        fit: Some(fit),
        ..worths.answer(PartMethod::Lime, values)
    })
}

/// The kernel at a sample that has `there` of `players` parts.
fn nearness(there: usize, players: usize) -> f64 {
    let distance = 1.0 - libm::sqrt(there as f64 / players as f64);
    libm::sqrt(libm::exp(-distance * distance / (WIDTH * WIDTH)))
}

/// Coefficients `[players, outputs]` of a weighted ridge regression with an intercept that is not penalised.
fn ridge(drawn: &Coalitions, weights: &[f64], targets: &[f64], outputs: usize) -> (Vec<f64>, Fit) {
    let players = drawn.players();
    let total: f64 = weights.iter().sum();
    let mut presence = vec![0.0; players];
    let mut means = vec![0.0; outputs];
    for (sample, &weight) in weights.iter().enumerate() {
        for (player, mean) in presence.iter_mut().enumerate() {
            if drawn.contains(sample, player) {
                *mean += weight / total;
            }
        }
        for (mean, target) in means.iter_mut().zip(&targets[sample * outputs..]) {
            *mean += weight / total * target;
        }
    }
    let mut gram = vec![0.0; players * players];
    let mut moments = vec![vec![0.0; players]; outputs];
    let mut centred = vec![0.0; players];
    for (sample, &weight) in weights.iter().enumerate() {
        for (player, entry) in centred.iter_mut().enumerate() {
            *entry = f64::from(u8::from(drawn.contains(sample, player))) - presence[player];
        }
        for row in 0..players {
            let factor = weight * centred[row];
            for (sum, other) in gram[row * players..].iter_mut().zip(&centred[..=row]) {
                *sum += factor * other;
            }
        }
        for (output, moments) in moments.iter_mut().enumerate() {
            let target = weight * (targets[sample * outputs + output] - means[output]);
            for (sum, entry) in moments.iter_mut().zip(&centred) {
                *sum += target * entry;
            }
        }
    }
    for player in 0..players {
        gram[player * players + player] += PENALTY;
    }
    let factor = Cholesky::new(players, gram);
    let mut values = vec![0.0; players * outputs];
    let mut fit = Fit {
        intercepts: means.clone(),
        predictions: means.clone(),
        scores: Vec::with_capacity(outputs),
    };
    for (output, mut coefficients) in moments.into_iter().enumerate() {
        factor.solve(&mut coefficients);
        for (player, &coefficient) in coefficients.iter().enumerate() {
            values[player * outputs + output] = coefficient;
            fit.intercepts[output] -= coefficient * presence[player];
        }
        fit.predictions[output] = fit.intercepts[output] + coefficients.iter().sum::<f64>();
        let (mut rest, mut spread) = (0.0, 0.0);
        for (sample, &weight) in weights.iter().enumerate() {
            let told: f64 = (0..players)
                .filter(|&player| drawn.contains(sample, player))
                .map(|player| coefficients[player])
                .sum();
            let target = targets[sample * outputs + output];
            let error = target - fit.intercepts[output] - told;
            rest += weight * error * error;
            spread += weight * (target - means[output]) * (target - means[output]);
        }
        fit.scores.push(if spread > 0.0 {
            1.0 - rest / spread
        } else {
            1.0
        });
    }
    (values, fit)
}
