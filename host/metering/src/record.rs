//! What one invocation used.

use std::borrow::Cow;
use std::time::Duration;

use hyaline_control::{FunctionName, VersionNumber};
use jiff::Timestamp;

/// What one invocation used, without the names it is recorded under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// When it began. Usage belongs to the hour (UTC) that this lies in.
    pub begun: Timestamp,
    /// Wall time from before the instance was made until its work was done; loading the function is not in it.
    pub wall: Duration,
    /// CPU time of the guest.
    pub cpu: Duration,
    /// The most linear memory it held, in bytes, all memories together.
    pub peak_memory: u64,
    /// The most it was allowed to hold, in bytes.
    pub memory_limit: u64,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Fuel burnt, where it is metered.
    pub fuel: Option<u64>,
    /// Whether its function was loaded for it.
    pub start: Start,
    /// How it ended.
    pub outcome: Outcome,
}

/// Whether a function was loaded when its call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It was not, and the call waited for it.
    Cold {
        /// How long loading took.
        init: Duration,
    },
    /// It was.
    Warm,
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered; an answer that says the request was bad is an answer.
    Answered {
        /// The HTTP status of the answer, when it had one.
        status: Option<u16>,
    },
    /// It did not answer.
    Failed {
        /// Why, in a word or a few, such as `deadline`.
        kind: Cow<'static, str>,
    },
    /// Nobody waited for the answer any more, and it was stopped.
    Abandoned,
}

/// What one invocation used, and who used it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The function.
    pub function: &'a FunctionName,
    /// Its version.
    pub version: VersionNumber,
    /// Who called; empty for nobody in particular.
    pub caller: &'a str,
    /// What it used.
    pub usage: Usage,
}

/// Nanoseconds; 2⁶⁴ − 1 for durations that are longer (584 years).
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
