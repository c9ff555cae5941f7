//! The log: lines of JSON, or text for people, written by a thread of its own.

mod invocation;
mod output;

pub use invocation::InvocationRecord;
pub use output::{LogConfig, LogDestination, LogDrops, LogFormat, LogGuard, init};
