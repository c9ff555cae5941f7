//! Log lines of an invocation: AWS Lambda's three, and one that says everything.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use hyaline_control::VersionNumber;

use crate::money::Money;
use crate::price::PriceTable;
use crate::record::{Outcome, Record, Start, nanoseconds};

/// Lambda's first line of an invocation: `START RequestId: … Version: 3`.
pub fn start_line(request_id: &str, version: VersionNumber) -> String {
    format!(
        "START RequestId: {} Version: {version}",
        printable(request_id)
    )
}

/// Lambda's line at the end of an invocation: `END RequestId: …`.
pub fn end_line(request_id: &str) -> String {
    format!("END RequestId: {}", printable(request_id))
}

/// Lambda's account of an invocation, tab separated with a tab at the end: `REPORT RequestId: …`, `Duration: 27.55 ms`,
/// `Billed Duration: 28 ms`, `Memory Size: 128 MB`, `Max Memory Used: 44 MB` and, when the function was loaded for it,
/// `Init Duration: 3.21 ms`.
///
/// The billed duration is the one the prices charge: with Lambda's own prices whole milliseconds, loading included (as
/// AWS does since August 2025). Lambda's MB are 2²⁰ bytes; they are rounded up.
pub fn report_line(record: &Record<'_>, request_id: &str, prices: &PriceTable) -> String {
    let usage = &record.usage;
    let mut line = format!(
        "REPORT RequestId: {}\tDuration: {} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
        printable(request_id),
        hundredths(usage.wall),
        milliseconds(prices.billed_duration(usage)),
        usage.memory_limit.div_ceil(1 << 20),
        usage.peak_memory.div_ceil(1 << 20),
    );
    if let Start::Cold { init } = usage.start {
        write!(line, "Init Duration: {} ms\t", hundredths(init))
            .expect("a string takes every text");
    }
    line
}

/// All that is known about an invocation, to the last byte, nanosecond and atto-dollar, tab separated. Fields that do
/// not apply (caller, fuel) are left out. `exact` and `billed` are what [`Ledger::record`](crate::Ledger::record) said.
pub fn usage_line(record: &Record<'_>, request_id: &str, exact: Money, billed: Money) -> String {
    let usage = &record.usage;
    let mut fields = vec![
        format!("USAGE RequestId: {}", printable(request_id)),
        format!("Function: {}", record.function),
        format!("Version: {}", record.version),
    ];
    if !record.caller.is_empty() {
        fields.push(format!("Caller: {}", printable(record.caller)));
    }
    fields.extend([
        format!("Begun: {}", usage.begun),
        format!("Wall: {} us", microseconds(usage.wall)),
        format!("CPU: {} us", microseconds(usage.cpu)),
        format!("Peak Memory: {} B", usage.peak_memory),
        format!("Memory Limit: {} B", usage.memory_limit),
        format!("In: {} B", usage.bytes_in),
        format!("Out: {} B", usage.bytes_out),
    ]);
    if let Some(fuel) = usage.fuel {
        fields.push(format!("Fuel: {fuel}"));
    }
    fields.push(match usage.start {
        Start::Cold { init } => format!("Start: cold, {} us", microseconds(init)),
        Start::Warm => "Start: warm".into(),
    });
    fields.push(match &usage.outcome {
        Outcome::Answered { status: None } => "Outcome: answered".into(),
        Outcome::Answered {
            status: Some(status),
        } => format!("Outcome: answered {status}"),
        Outcome::Failed { kind } => format!("Outcome: failed, {}", printable(kind)),
        Outcome::Abandoned => "Outcome: abandoned".into(),
    });
    fields.extend([format!("Exact: {exact}"), format!("Billed: {billed}")]);
    fields.join("\t")
}

/// Milliseconds with two decimals, rounded half up.
fn hundredths(duration: Duration) -> String {
    let hundredths = (u128::from(nanoseconds(duration)) + 5_000) / 10_000;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Milliseconds, with the decimals it has.
fn milliseconds(duration: Duration) -> String {
    decimal(nanoseconds(duration), 6)
}

/// Microseconds, with the decimals it has.
fn microseconds(duration: Duration) -> String {
    decimal(nanoseconds(duration), 3)
}

/// A number of parts of which a power of ten makes a whole.
fn decimal(parts: u64, power: u32) -> String {
    let whole = 10_u64.pow(power);
    let (number, rest) = (parts / whole, parts % whole);
    if rest == 0 {
        return number.to_string();
    }
    let decimals = format!("{rest:0width$}", width = power as usize);
    format!("{number}.{}", decimals.trim_end_matches('0'))
}

/// The text without control characters, so that a text of a caller's cannot add fields or lines.
fn printable(text: &str) -> Cow<'_, str> {
    // The line and paragraph separators of Unicode end a line for some readers.
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if text.contains(breaks) {
        text.replace(breaks, "\u{fffd}").into()
    } else {
        text.into()
    }
}
