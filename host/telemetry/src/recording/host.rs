//! What is recorded of the host as a whole.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::words;

words! {
    /// Why the host turned a request away without running a function.
    Rejection {
        /// All places are taken, and the line of those that wait is full.
        QueueFull = "queue_full",
        /// It waited for a place too long.
        QueueTimeout = "queue_timeout",
        /// It has no key or token, or a wrong one.
        Unauthenticated = "unauthenticated",
        /// Its key may not do this.
        Forbidden = "forbidden",
        /// Its key calls too fast.
        Rate = "rate",
        /// Its key has used up its quota.
        Quota = "quota",
        /// The function or the caller has spent its budget.
        Budget = "budget",
        /// The function is disabled.
        Disabled = "disabled",
        /// Nothing is served at its path.
        NotFound = "not_found",
        /// Its body is too large.
        BodyTooLarge = "body_too_large",
        /// Its headers are too large or too many.
        HeadersTooLarge = "headers_too_large",
        /// It came too slowly.
        SlowClient = "slow_client",
        /// It is malformed.
        Malformed = "malformed",
        /// The host has as many connections as it takes.
        Connections = "connections",
        /// The host is shutting down.
        Draining = "draining",
    }
}

/// What the host counts itself.
#[derive(Default)]
pub(crate) struct HostCounters {
    rejections: [AtomicU64; Rejection::ALL.len()],
    evictions: AtomicU64,
}

impl HostCounters {
    pub(crate) fn rejected(&self, cause: Rejection) {
        self.rejections[cause as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn evicted(&self) {
        self.evictions.fetch_add(1, Relaxed);
    }

    pub(crate) fn rejections(&self) -> impl Iterator<Item = (Rejection, u64)> {
        Rejection::ALL
            .into_iter()
            .map(|cause| (cause, self.rejections[cause as usize].load(Relaxed)))
    }

    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.load(Relaxed)
    }
}

/// How things stand in the host, asked for when metrics are read: see [`crate::Telemetry::observe_host`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostReading {
    /// Functions that are registered.
    pub registered: u64,
    /// Versions of functions that are loaded.
    pub loaded: u64,
    /// Invocations that run.
    pub running: u64,
    /// Requests that wait for a place to run.
    pub waiting: u64,
    /// Open connections.
    pub connections: u64,
    /// Budgets, as far as there are any.
    pub budgets: Vec<Budget>,
}

/// Money that may be spent, and money that was.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// What the budget is for: `function` or `caller`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// US dollars that may be spent in the period.
    pub limit_usd: f64,
    /// US dollars spent in the period so far.
    pub spent_usd: f64,
}
