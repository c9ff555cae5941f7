//! Log lines, as Lambda writes them and as we do.

mod common;

use std::time::Duration;

use common::{at, function, second, version};
use hyaline_metering::{
    Outcome, PriceTable, Record, Start, Usage, end_line, report_line, start_line, usage_line,
};

const ID: &str = "8f5e2f1c-6a4b-4f0e-9d57-0c1f3f3f8a11";

fn used() -> Usage {
    Usage {
        wall: Duration::from_micros(27_550),
        cpu: Duration::from_nanos(27_001_500),
        peak_memory: 44 << 20,
        ..second(at("2026-11-27T09:00:00Z"))
    }
}

fn cold() -> Usage {
    Usage {
        start: Start::Cold {
            init: Duration::from_micros(3_210),
        },
        ..used()
    }
}

fn report(usage: Usage, prices: &PriceTable) -> String {
    let name = function("credit");
    let record = Record {
        function: &name,
        version: version(3),
        caller: "",
        usage,
    };
    report_line(&record, ID, prices)
}

#[test]
fn lines_are_those_of_lambda() {
    assert_eq!(
        start_line(ID, version(3)),
        format!("START RequestId: {ID} Version: 3")
    );
    assert_eq!(end_line(ID), format!("END RequestId: {ID}"));
    let x86 = PriceTable::aws_lambda_x86();
    assert_eq!(
        report(used(), &x86),
        format!(
            "REPORT RequestId: {ID}\tDuration: 27.55 ms\tBilled Duration: 28 ms\tMemory Size: 128 MB\tMax Memory Used: 44 MB\t"
        )
    );
    // Loading is said when there was any, and billed as AWS does now.
    assert_eq!(
        report(cold(), &x86),
        format!(
            "REPORT RequestId: {ID}\tDuration: 27.55 ms\tBilled Duration: 31 ms\tMemory Size: 128 MB\tMax Memory Used: 44 MB\tInit Duration: 3.21 ms\t"
        )
    );
}

#[test]
fn loading_that_is_not_billed_is_not_in_the_billed_duration() {
    // The line of an invocation that LocalStack recorded of AWS before INIT was billed.
    let table = r#"{"name": "lambda-2024", "per_request_usd": 2e-7, "per_gb_second_usd": 0.0000166667,
        "granularity_us": 1000, "memory": "configured", "bill_init": false}"#;
    assert_eq!(
        report(cold(), &PriceTable::from_json(table).unwrap()),
        format!(
            "REPORT RequestId: {ID}\tDuration: 27.55 ms\tBilled Duration: 28 ms\tMemory Size: 128 MB\tMax Memory Used: 44 MB\tInit Duration: 3.21 ms\t"
        )
    );
}

#[test]
fn durations_are_rounded_half_up_and_memory_up() {
    let usage = Usage {
        wall: Duration::from_nanos(45_000),
        peak_memory: (44 << 20) + 1,
        ..used()
    };
    let line = report(usage.clone(), &PriceTable::aws_lambda_x86());
    assert!(
        line.contains("\tDuration: 0.05 ms\tBilled Duration: 1 ms\t"),
        "{line}"
    );
    assert!(line.contains("\tMax Memory Used: 45 MB\t"), "{line}");
    let line = report(usage, &PriceTable::per_microsecond());
    assert!(line.contains("\tBilled Duration: 0.045 ms\t"), "{line}");
}

#[test]
fn the_exact_line_says_everything() {
    let name = function("credit");
    let mut record = Record {
        function: &name,
        version: version(3),
        caller: "acme",
        usage: Usage {
            fuel: Some(12345),
            ..cold()
        },
    };
    let prices = PriceTable::aws_lambda_x86();
    let line = |record: &Record<'_>| {
        let (exact, billed) = (prices.exact(&record.usage), prices.billed(&record.usage));
        usage_line(record, ID, exact, billed).replace('\t', "|")
    };
    assert_eq!(
        line(&record),
        format!(
            "USAGE RequestId: {ID}|Function: credit|Version: 3|Caller: acme|Begun: 2026-11-27T09:00:00Z|Wall: 27550 us|CPU: 27001.5 us|Peak Memory: 46137344 B|Memory Limit: 134217728 B|In: 100 B|Out: 200 B|Fuel: 12345|Start: cold, 3210 us|Outcome: answered 200|Exact: $0.000000019729857168|Billed: $0.0000002645834625"
        )
    );
    record.caller = "";
    record.usage = Usage {
        outcome: Outcome::Abandoned,
        ..used()
    };
    let warm = line(&record);
    assert!(warm.contains("|Version: 3|Begun:"), "{warm}");
    assert!(
        warm.contains("|Out: 200 B|Start: warm|Outcome: abandoned|Exact:"),
        "{warm}"
    );
}

#[test]
fn texts_of_others_cannot_add_a_field_or_a_line() {
    let hostile = "x\tDuration: 0.00 ms\r\nREPORT\u{2028}\u{1b}[31m";
    let clean = "x\u{fffd}Duration: 0.00 ms\u{fffd}\u{fffd}REPORT\u{fffd}\u{fffd}[31m";
    assert_eq!(end_line(hostile), format!("END RequestId: {clean}"));
    let name = function("credit");
    let record = Record {
        function: &name,
        version: version(1),
        caller: hostile,
        usage: Usage {
            outcome: Outcome::Failed {
                kind: hostile.into(),
            },
            ..used()
        },
    };
    let prices = PriceTable::per_microsecond();
    let (exact, billed) = (prices.exact(&record.usage), prices.billed(&record.usage));
    let line = usage_line(&record, hostile, exact, billed);
    assert!(!line.contains(['\n', '\r', '\u{1b}']));
    assert!(
        line.contains(&format!("\tOutcome: failed, {clean}\t")),
        "{line}"
    );
    let report = report_line(&record, hostile, &prices);
    assert_eq!(report.matches("Duration: ").count(), 3, "{report}");
    assert_eq!(report.split('\t').count(), 6);
}
