//! What one thread has seen so far.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::report::{Bytes, Errors};

/// Nanoseconds of the longest latency told apart from longer ones: an hour of run and an hour of patience.
const LONGEST_NS: u64 = 7_200_000_000_000;

/// Counts and latencies of requests.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Of answers with a status from 200 to 299; nanoseconds.
    pub(crate) good: Histogram<u64>,
    /// Of answers with any other status.
    pub(crate) other: Histogram<u64>,
    /// How long those were waited for that were given up, or never sent.
    pub(crate) waited: Histogram<u64>,
    /// How late the generator itself was with requests that had a free connection.
    pub(crate) lag: Histogram<u64>,
    pub(crate) status: BTreeMap<u16, u64>,
    pub(crate) errors: Errors,
    pub(crate) bytes: Bytes,
    pub(crate) reconnects: u64,
    pub(crate) unsent: u64,
    /// When the last answer came, from the beginning of the measurement.
    pub(crate) last: Duration,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        let empty = || {
            Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("three digits of these bounds fit")
        };
        Tally {
            good: empty(),
            other: empty(),
            waited: empty(),
            lag: empty(),
            status: BTreeMap::new(),
            errors: Errors::default(),
            bytes: Bytes::default(),
            reconnects: 0,
            unsent: 0,
            last: Duration::ZERO,
        }
    }

    /// An answer came `at` this time of the measurement, `latency` after it was due.
    pub(crate) fn answered(&mut self, status: u16, latency: Duration, at: Duration) {
        *self.status.entry(status).or_default() += 1;
        let histogram = if (200..300).contains(&status) {
            &mut self.good
        } else {
            &mut self.other
        };
        histogram.saturating_record(nanoseconds(latency));
        self.last = self.last.max(at);
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        for (mine, theirs) in [
            (&mut self.good, &other.good),
            (&mut self.other, &other.other),
            (&mut self.waited, &other.waited),
            (&mut self.lag, &other.lag),
        ] {
            mine.add(theirs).expect("all have the same bounds");
        }
        for (status, count) in &other.status {
            *self.status.entry(*status).or_default() += count;
        }
        self.errors.add(&other.errors);
        self.bytes.read += other.bytes.read;
        self.bytes.written += other.bytes.written;
        self.reconnects += other.reconnects;
        self.unsent += other.unsent;
        self.last = self.last.max(other.last);
    }
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos())
        .unwrap_or(u64::MAX)
        .clamp(1, LONGEST_NS)
}
