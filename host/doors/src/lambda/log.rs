//! The end of an invocation's log, as `X-Amz-Log-Result` has it before its base64.

use crate::door::Log;

/// Bytes of the log that a caller gets.
const TAIL: usize = 4096;

/// The last 4,096 bytes of the invocation's log, from a whole character on: Lambda's `START`, what the function said,
/// `END` and the host's `REPORT`.
pub(super) fn tail(request_id: &str, version: &str, log: &Log) -> Vec<u8> {
    let mut text = format!("START RequestId: {request_id} Version: {version}\n").into_bytes();
    text.extend_from_slice(&log.said);
    if !log.said.is_empty() && !log.said.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(format!("END RequestId: {request_id}\n").as_bytes());
    if !log.report.is_empty() {
        text.extend_from_slice(log.report.as_bytes());
        text.push(b'\n');
    }
    let mut from = text.len().saturating_sub(TAIL);
    while text.get(from).is_some_and(|byte| byte & 0xc0 == 0x80) {
        from += 1;
    }
    text.split_off(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_lambdas_lines_around_what_the_function_said() {
        let log = Log {
            said: "hello".into(),
            report: "REPORT RequestId: r\tDuration: 1.00 ms\t".into(),
        };
        assert_eq!(
            String::from_utf8(tail("r", "3", &log)).unwrap(),
            "START RequestId: r Version: 3\nhello\nEND RequestId: r\nREPORT RequestId: r\tDuration: 1.00 ms\t\n"
        );
    }

    #[test]
    fn a_long_log_keeps_its_end_from_a_whole_character_on() {
        let log = Log {
            said: "é".repeat(5000).into(),
            report: "REPORT".into(),
        };
        for request_id in ["r", "rr"] {
            let tail = String::from_utf8(tail(request_id, "1", &log)).unwrap();
            assert!((4095..=4096).contains(&tail.len()), "{}", tail.len());
            assert!(tail.starts_with('é') && tail.ends_with("\nREPORT\n"));
        }
    }
}
