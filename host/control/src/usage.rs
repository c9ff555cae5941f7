//! What was used and what it costs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::{FunctionName, VersionNumber};

/// By what usage is added up; the parts not named are added together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsageGroup {
    /// By function.
    Function,
    /// By version of a function.
    Version,
    /// By caller.
    Caller,
    /// By hour, UTC.
    Hour,
}

/// Which usage is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Of this function only.
    pub function: Option<FunctionName>,
    /// Of this caller only.
    pub caller: Option<String>,
    /// From the hour that this lies in.
    pub from: Option<Timestamp>,
    /// Until before this.
    pub to: Option<Timestamp>,
}

/// Usage added up. A key that was not grouped by is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UsageRow {
    /// The function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionNumber>,
    /// The caller; empty for calls without a key or a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The beginning of the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hour: Option<Timestamp>,
    /// Calls that ran.
    pub invocations: u64,
    /// Of them, those that gave no answer.
    pub failures: u64,
    /// Of them, those whose function had to be loaded first.
    pub cold_starts: u64,
    /// Microseconds of wall time, the instances' lives together.
    pub wall_us: u64,
    /// Microseconds of CPU time.
    pub cpu_us: u64,
    /// Peak memory times wall time, in GB·s (10⁹ bytes).
    pub gb_seconds: f64,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
    /// Fuel burnt, where it is metered.
    pub fuel: u64,
    /// US dollars by exact microseconds and the memory really held.
    pub exact_usd: f64,
    /// US dollars as the host's price table bills (rounded up per call, configured memory, fee per request).
    pub billed_usd: f64,
}
