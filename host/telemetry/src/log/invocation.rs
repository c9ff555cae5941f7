//! One record per invocation.

use std::time::Duration;

use crate::trace::TraceId;

/// The `target` of the records, by which a filter can name them.
pub(crate) const TARGET: &str = "invocation";

/// Longest part of a guest's output that a record shows, in bytes.
const LONGEST_OUTPUT: usize = 4096;

/// What the log says about an invocation: the fields of AWS Lambda's `REPORT` line, and more.
#[derive(Clone, Copy, Debug)]
pub struct InvocationRecord<'a> {
    /// The function's name.
    pub function: &'a str,
    /// The number of its version.
    pub version: u32,
    /// Who called; `None` without key and token.
    pub caller: Option<&'a str>,
    /// The request's id.
    pub request_id: &'a str,
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// The status of the answer.
    pub status: u16,
    /// Wall time the function ran.
    pub wall: Duration,
    /// CPU time the function ran; `None` when it was not measured.
    pub cpu: Option<Duration>,
    /// How long it took to load the function, at a cold start.
    pub init: Option<Duration>,
    /// The most memory it held, in bytes.
    pub peak_memory: u64,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// Why it is an error, if it is: [`crate::Outcome::error_type`].
    pub error_type: Option<&'a str>,
    /// What the guest wrote to its standard output. The last 4096 bytes are shown.
    pub stdout: &'a str,
    /// What the guest wrote to its standard error. The last 4096 bytes are shown.
    pub stderr: &'a str,
}

impl InvocationRecord<'_> {
    /// Whether [`InvocationRecord::log`] would write anything. Costs a load when it would not.
    pub fn enabled() -> bool {
        tracing::enabled!(target: TARGET, tracing::Level::INFO)
    }

    /// Hands the record to the log. Never waits for it to be written.
    pub fn log(&self) {
        let output = |text| Some(tail(text)).filter(|text| !text.is_empty());
        tracing::info!(
            target: TARGET,
            function = self.function,
            version = self.version,
            caller = self.caller,
            request_id = self.request_id,
            trace_id = self.trace_id.map(tracing::field::display),
            status = self.status,
            outcome = self.error_type.unwrap_or("answered"),
            wall_us = microseconds(self.wall),
            cpu_us = self.cpu.map(microseconds),
            init_us = self.init.map(microseconds),
            cold = self.init.is_some(),
            peak_memory = self.peak_memory,
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            stdout = output(self.stdout),
            stderr = output(self.stderr),
        );
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The last bytes of a text, whole characters only.
fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(LONGEST_OUTPUT);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_has_whole_characters() {
        assert_eq!(tail("short"), "short");
        let long = format!("ä{}", "b".repeat(LONGEST_OUTPUT - 1));
        assert_eq!(tail(&long), &long[2..]);
        assert_eq!(tail(&"c".repeat(2 * LONGEST_OUTPUT)).len(), LONGEST_OUTPUT);
    }
}
