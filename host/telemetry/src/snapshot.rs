//! What a dashboard shows of each version of a function.

use serde::Serialize;

use crate::recording::{SLICE, Series, Totals, WINDOW};

/// Figures of every version that was called, by function and version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// How many seconds [`FunctionSnapshot::recent`] is about: between five minutes and a quarter of a minute more, or
    /// the time since the start.
    pub window_seconds: f64,
    /// The versions.
    pub functions: Vec<FunctionSnapshot>,
}

/// Figures of one version of a function.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionSnapshot {
    /// The function.
    pub function: String,
    /// The number of its version.
    pub version: u32,
    /// Of the last minutes.
    pub recent: Figures,
    /// Since the start of the host, or since the series was dropped for the limit.
    pub total: Figures,
    /// Answers to shadow traffic that equalled those that were returned, since the same moment.
    pub shadow_equal: u64,
    /// Those that did not.
    pub shadow_different: u64,
}

/// What happened in some time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Invocations.
    pub calls: u64,
    /// Of them, those that failed or were answered with a status from 500 on.
    pub errors: u64,
    /// Of them, those whose function had to be loaded first.
    pub cold_starts: u64,
    /// Microseconds of wall time of the average invocation; absent without invocations, as the following.
    pub mean_us: Option<f64>,
    /// Microseconds that half of the invocations did not exceed; at most 1.25 % off between 1 µs and 10000 s.
    pub p50_us: Option<f64>,
    /// Microseconds that nine of ten invocations did not exceed.
    pub p90_us: Option<f64>,
    /// Microseconds that 99 of 100 invocations did not exceed.
    pub p99_us: Option<f64>,
}

impl Figures {
    fn of(totals: &Totals) -> Self {
        let microseconds = |quantile| Some(totals.wall.quantile(quantile)? as f64 / 1e3);
        let timed = totals.wall.count();
        Figures {
            calls: totals.calls,
            errors: totals.errors,
            cold_starts: totals.cold_starts,
            mean_us: (timed > 0).then(|| totals.wall.sum as f64 / timed as f64 / 1e3),
            p50_us: microseconds(0.5),
            p90_us: microseconds(0.9),
            p99_us: microseconds(0.99),
        }
    }
}

impl FunctionSnapshot {
    pub(crate) fn of(series: &Series) -> Self {
        let (recent, total) = series.recent_and_total();
        let (shadow_equal, shadow_different) = series.shadows();
        FunctionSnapshot {
            function: series.function().to_owned(),
            version: series.version(),
            recent: Figures::of(&recent),
            total: Figures::of(&total),
            shadow_equal,
            shadow_different,
        }
    }
}

/// How long the window is that ends `uptime` seconds after the start.
pub(crate) fn window_seconds(uptime: f64) -> f64 {
    uptime.min(WINDOW.as_secs_f64() + uptime % SLICE.as_secs_f64())
}
