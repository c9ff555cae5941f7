//! What is set for one function. Everything absent is as the host says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::{Access, Period, Rate};

/// What is set for one function, in all its versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What people are told about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The routes that lead to it, as Spin writes them; `/<name>/...` when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// Where it may send HTTP requests, as Spin writes it; nowhere when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_outbound_hosts: Vec<String>,
    /// What its requests may use.
    pub limits: LimitSettings,
    /// Whether an instance answers more than one request. Without it every request gets a fresh one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
    /// Who may call it.
    pub access: Access,
    /// How fast it may be called, all callers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Which web pages may call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// What is done to its requests and answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
    /// What it may cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// What a function's requests may use; a member that is absent is the host's own limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Milliseconds from the start of the instance to the end of its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// MiB of linear memory, the model included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// Table elements, all tables together; each table has 200 000 at most, whatever is set here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_elements: Option<u64>,
    /// Units of fuel a request may burn. Setting it makes the function's metering deterministic, and slower.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Requests that run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Requests that wait for a place; one more is answered 429.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// Milliseconds that a request waits for a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_wait_ms: Option<u64>,
    /// Bytes of the longest request body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
}

/// Serial reuse of instances: faster, but what one request leaves in memory the next one can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reuse {
    /// Requests an instance answers before it is replaced.
    pub requests: u32,
    /// Milliseconds after which an instance that waits for a request is dropped.
    #[serde(default = "second")]
    pub idle_ms: u64,
}

fn second() -> u64 {
    1000
}

/// Cross-origin resource sharing (the Fetch standard): which web pages may call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Origins such as `https://example.org`; `*` for all.
    pub origins: Vec<String>,
    /// Request headers besides the safelisted ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Response headers that pages may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose: Vec<String>,
    /// Whether cookies and HTTP authentication may be sent; not together with the origin `*`.
    #[serde(default)]
    pub credentials: bool,
    /// Seconds that a browser keeps the answer to a preflight.
    #[serde(default = "ten_minutes")]
    pub max_age_seconds: u32,
}

fn ten_minutes() -> u32 {
    600
}

/// JMESPath expressions (jmespath.org) over JSON bodies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// Makes the function's request body of the caller's, for the paths named: `{"/predict": "{instances: rows}"}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub request: BTreeMap<String, String>,
    /// Makes the caller's answer of the function's, for the paths named; only of answers with status 200.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub response: BTreeMap<String, String>,
}

/// Money that may be spent, by the host's price table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// US dollars.
    pub usd: f64,
    /// In each.
    pub period: Period,
    /// Part of it (0 to 1) at which a warning is given.
    #[serde(default = "four_fifths")]
    pub warn_at: f64,
}

fn four_fifths() -> f64 {
    0.8
}
