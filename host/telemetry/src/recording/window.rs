//! The last minutes, as differences of what was counted since the start.

use std::collections::VecDeque;
use std::time::Duration;

use super::histogram::Counts;

/// How often what was counted is written down.
pub(crate) const SLICE: Duration = Duration::from_secs(15);
/// How many slices are kept.
const SLICES: u64 = 20;
/// The time the slices cover. What was counted since the last slice comes on top.
pub(crate) const WINDOW: Duration = Duration::from_secs(SLICE.as_secs() * SLICES);

/// What is told about some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Invocations.
    pub(crate) calls: u64,
    /// Of them, errors.
    pub(crate) errors: u64,
    /// Of them, cold starts.
    pub(crate) cold_starts: u64,
    /// Nanoseconds of wall time.
    pub(crate) wall: Counts,
}

impl Totals {
    fn since(&self, earlier: &Totals) -> Totals {
        Totals {
            calls: self.calls.saturating_sub(earlier.calls),
            errors: self.errors.saturating_sub(earlier.errors),
            cold_starts: self.cold_starts.saturating_sub(earlier.cold_starts),
            wall: self.wall.since(&earlier.wall),
        }
    }

    fn add(&mut self, other: &Totals) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.cold_starts += other.cold_starts;
        self.wall.add(&other.wall);
    }
}

/// Slices of the past that something happened in.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// What had been counted at the last tick.
    before: Totals,
    /// The tick each slice ended with, and what happened in it.
    slices: VecDeque<(u64, Totals)>,
}

impl Past {
    /// Whether a tick would change nothing while `calls` invocations are counted.
    pub(crate) fn rests(&self, calls: u64) -> bool {
        self.before.calls == calls && self.slices.is_empty()
    }

    /// Ends a slice. `now` is what is counted since the start.
    pub(crate) fn tick(&mut self, tick: u64, now: Totals) {
        let slice = now.since(&self.before);
        if slice.calls > 0 {
            self.slices.push_back((tick, slice));
        }
        self.before = now;
        while self
            .slices
            .front()
            .is_some_and(|&(ended, _)| ended + SLICES <= tick)
        {
            self.slices.pop_front();
        }
    }

    /// What happened in the window that ends now.
    pub(crate) fn recent(&self, now: &Totals) -> Totals {
        let mut recent = now.since(&self.before);
        for (_, slice) in &self.slices {
            recent.add(slice);
        }
        recent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(calls: u64) -> Totals {
        Totals {
            calls,
            errors: calls / 2,
            ..Totals::default()
        }
    }

    #[test]
    fn the_window_slides() {
        let mut past = Past::default();
        assert!(past.rests(0));
        past.tick(1, totals(10));
        past.tick(2, totals(10));
        past.tick(3, totals(16));
        assert_eq!(past.recent(&totals(20)).calls, 20);
        past.tick(SLICES, totals(20));
        assert_eq!(past.recent(&totals(20)).calls, 20);
        // The first slice ended twenty ticks ago.
        past.tick(SLICES + 1, totals(20));
        assert_eq!(past.recent(&totals(20)), totals(20).since(&totals(10)));
        past.tick(SLICES + 3, totals(20));
        assert_eq!(past.recent(&totals(21)).calls, 5);
        past.tick(3 * SLICES, totals(21));
        assert_eq!(past.recent(&totals(21)).calls, 1);
        past.tick(4 * SLICES, totals(21));
        assert_eq!(past.recent(&totals(21)), Totals::default());
        assert!(past.rests(21));
    }
}
