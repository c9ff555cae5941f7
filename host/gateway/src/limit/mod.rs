//! How often: rates that refill steadily and quotas per calendar period, and the header fields that say what is left.
//!
//! The time is passed in everywhere. It is the wall clock, because quotas follow the calendar; a clock that jumps back
//! costs a caller at most the time in which its bucket fills.

mod allowance;
mod bucket;
mod quota;

pub use allowance::{Allowance, FunctionLimit, Throttled, spend};
pub use bucket::RateError;
pub use quota::QuotaError;

pub(crate) use allowance::Policies;
pub(crate) use bucket::{Bucket, Taken};
pub(crate) use quota::{Counter, Moment, counters, word};

use jiff::Timestamp;

/// Nanoseconds since 1970; 0 before it. Good until the year 2554.
pub(crate) fn nanoseconds(now: Timestamp) -> u64 {
    u64::try_from(now.as_nanosecond()).unwrap_or(0)
}

/// Whole seconds that cover so many nanoseconds.
pub(crate) fn seconds(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(1_000_000_000)
}
