//! Medians of repeated runs.

use std::time::{Duration, Instant};

/// Median microseconds of `run`, called until `budget` is spent, at least `least` times, after one call to warm up.
pub fn median_us(least: usize, budget: Duration, mut run: impl FnMut()) -> f64 {
    run();
    let mut times = Vec::new();
    let started = Instant::now();
    while times.len() < least || (started.elapsed() < budget && times.len() < 100_000) {
        let start = Instant::now();
        run();
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    median(times)
}

/// The middle value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
