//! What the tests of the ledger share.

use std::time::Duration;

use hyaline_control::{FunctionName, VersionNumber};
use hyaline_metering::{Outcome, Start, Usage};
use jiff::Timestamp;

pub fn function(name: &str) -> FunctionName {
    FunctionName::new(name).unwrap()
}

pub fn version(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A warm call of a second with 128 MiB that answered.
pub fn second(begun: Timestamp) -> Usage {
    Usage {
        begun,
        wall: Duration::from_secs(1),
        cpu: Duration::from_millis(900),
        peak_memory: 64 << 20,
        memory_limit: 128 << 20,
        bytes_in: 100,
        bytes_out: 200,
        fuel: None,
        start: Start::Warm,
        outcome: Outcome::Answered { status: Some(200) },
    }
}
