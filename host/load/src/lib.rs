//! A load generator for HTTP/1.1: drives one URL and reports throughput, latencies and what went wrong.
//!
//! [`Plan::new`] checks what is asked for, [`run`] does it, [`Report`] says what was seen.
//!
//! Two ways to load. *Closed*: every connection sends its next request when the answer to the last one has come, so a
//! slow target is asked less. *Open* ([`Options::rate`]): requests are due at a constant rate whatever the target does,
//! and each latency counts from the moment the request was due, not from the moment a connection was free to send it;
//! leaving that wait out (coordinated omission) would hide the very stalls one looks for.
//!
//! Everything is bounded: a run takes at most an hour, and every request a fixed time.

#![forbid(unsafe_code)]

mod connection;
mod drive;
mod pace;
mod plan;
mod report;
mod request;
mod tally;
mod target;

pub use drive::{LoadError, run};
pub use plan::{LONGEST, Options, Plan, PlanError};
pub use report::{Bytes, Errors, Latencies, Report};
pub use target::TargetError;
