//! Medians of repeated runs, percentiles, and waiting.

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

/// The value below which that part (0 to 1) of the values lies.
pub fn percentile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (part * values.len() as f64).ceil() as usize;
    values
        .get(place.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

/// Lets time pass: what is measured here is what another process does meanwhile.
pub fn pause(span: Duration) {
    let until = Instant::now() + span;
    while let Some(rest) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(rest.max(Duration::from_micros(50)));
    }
}
