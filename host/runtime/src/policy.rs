//! What a function may use and reach, how its instances live, and who is told.

use std::sync::Arc;
use std::time::Duration;

use crate::invocation::Meter;
use crate::limits::Limits;
use crate::outbound::AllowedHosts;

/// What a function may use and reach, how its instances live, and who is told. It is apart from the function's code:
/// [`Function::with_policy`](crate::Function::with_policy) changes it without loading anything.
#[derive(Clone, Default)]
pub struct Policy {
    /// What each request may use.
    pub limits: Limits,
    /// Where it may send HTTP requests.
    pub outbound: AllowedHosts,
    /// Told about every invocation.
    pub meter: Option<Arc<dyn Meter>>,
    /// Whether an instance answers more than one request. `None`: every request gets a fresh one.
    pub reuse: Option<Reuse>,
}

/// Serial reuse of instances behind the HTTP door: faster, but what one request leaves in memory the next one can see.
///
/// An instance answers one request at a time. It is not used again after a failure, when it still holds more than a
/// handful of host objects or a body that it has not finished, or when its answer was abandoned. Instances that wait hold slots of the engine, and give them
/// up when another function needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// Requests an instance answers before it is replaced; 0 and 1 mean a fresh one for each.
    pub requests: u32,
    /// How long an instance waits for its next request before it is dropped.
    pub idle: Duration,
}
