//! Normalisation of runs of numbers, and of channels by their neighbours.

use crate::{LANES, exp};

/// `(x - mean) / √(variance + ε)` for every run of `run` numbers, in place; without the mean (root mean square) when not
/// `centred`. Sums are made in double precision.
///
/// # Panics
/// If `run` is 0 or does not divide the values.
pub fn standardise(values: &mut [f32], run: usize, epsilon: f32, centred: bool) {
    for run in values.chunks_exact_mut(run) {
        let count = run.len() as f64;
        let mean = if centred {
            sum(run, |x| x) / count
        } else {
            0.0
        };
        let variance = sum(run, |x| (x - mean) * (x - mean)) / count;
        let factor = 1.0 / libm::sqrt(variance + f64::from(epsilon));
        run.iter_mut()
            .for_each(|x| *x = ((f64::from(*x) - mean) * factor) as f32);
    }
}

/// The sum over a run, in an order that depends on its length alone.
fn sum(run: &[f32], term: impl Fn(f64) -> f64) -> f64 {
    let (lanes, rest) = run.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for lane in lanes {
        for (sum, &x) in sums.iter_mut().zip(lane) {
            *sum += term(f64::from(x));
        }
    }
    let rest = rest.iter().map(|&x| term(f64::from(x)));
    rest.fold(sums.iter().sum(), |sum: f64, x| sum + x)
}

/// `e^x / Σ e^x` for every run of `run` numbers, in place.
///
/// # Panics
/// If `run` is 0 or does not divide the values.
pub fn softmax(values: &mut [f32], run: usize) {
    for run in values.chunks_exact_mut(run) {
        let top = run
            .iter()
            .fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
        run.iter_mut().for_each(|x| *x = exp(*x - top));
        let total = sum(run, |x| x) as f32;
        run.iter_mut().for_each(|x| *x /= total);
    }
}

/// How a number is divided by its neighbours in other channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbours {
    /// Channels that count, the own one in their middle.
    pub size: usize,
    /// Scale of the sum of squares.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// What is added to the sum.
    pub bias: f32,
}

/// `x / (bias + alpha / size · Σ neighbours²)^beta` of `x[samples, channels, inner]`.
///
/// # Panics
/// If `x` is no whole number of samples.
pub fn local_response(x: &[f32], channels: usize, inner: usize, by: &Neighbours) -> Vec<f32> {
    let mut result = Vec::with_capacity(x.len());
    let (before, after) = (by.size.saturating_sub(1) / 2, by.size / 2);
    for sample in x.chunks_exact((channels * inner).max(1)) {
        for channel in 0..channels {
            let first = channel.saturating_sub(before);
            let last = (channel + after).min(channels - 1);
            for at in 0..inner {
                let squares = (first..=last).map(|other| sample[other * inner + at]);
                let sum = squares.fold(0.0, |sum, x| sum + x * x);
                let base = by.bias + by.alpha / by.size as f32 * sum;
                result.push(sample[channel * inner + at] / libm::powf(base, by.beta));
            }
        }
    }
    result
}
