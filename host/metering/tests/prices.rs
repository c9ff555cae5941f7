//! Price tables against AWS's published examples, published bills, and vectors computed by Python's fractions.

use std::time::Duration;

use hyaline_metering::{Money, Outcome, PriceError, PriceTable, Start, Usage};
use serde::Deserialize;

const MB: u64 = 1 << 20;

fn usage(wall: Duration, peak_memory: u64, memory_limit: u64, start: Start) -> Usage {
    Usage {
        begun: "2026-11-27T09:00:00Z".parse().unwrap(),
        wall,
        cpu: wall,
        peak_memory,
        memory_limit,
        bytes_in: 0,
        bytes_out: 0,
        fuel: None,
        start,
        outcome: Outcome::Answered { status: Some(200) },
    }
}

/// Dollars and cents of many equal calls.
fn cents(table: &PriceTable, calls: u128, usage: &Usage) -> u128 {
    (table.billed(usage).attos() * calls + 5_000_000_000_000_000) / 10_000_000_000_000_000
}

#[test]
fn published_examples_of_aws_come_out_to_the_cent() {
    // "AWS Lambda Pricing", example 1 without its free tier: 512 MB, 3 million calls of a second are 1,500,000 GB-s:
    // at $0.0000166667 that is $25.00, and the requests are $0.60.
    let x86 = PriceTable::aws_lambda_x86();
    let second = usage(Duration::from_secs(1), 0, 512 * MB, Start::Warm);
    assert_eq!(cents(&x86, 3_000_000, &second), 2560);
    // Example 2: 128 MB, 30 million calls of 200 ms are 750,000 GB-s: $12.50, and requests for $6.00.
    let fifth = usage(Duration::from_millis(200), 0, 128 * MB, Start::Warm);
    assert_eq!(cents(&x86, 30_000_000, &fifth), 1850);
    // The same on Graviton: 750,000 GB-s at $0.0000133334 are $10.00.
    assert_eq!(
        cents(&PriceTable::aws_lambda_arm(), 30_000_000, &fifth),
        1600
    );
}

#[test]
fn a_call_of_fifty_microseconds_is_billed_a_millisecond_and_a_fee() {
    let x86 = PriceTable::aws_lambda_x86();
    let short = usage(Duration::from_micros(50), 16 * MB, 128 * MB, Start::Warm);
    // 0.001 s * 0.125 GB * $0.0000166667 = $0.0000000020833375, and $0.0000002.
    assert_eq!(x86.billed(&short).to_string(), "$0.0000002020833375");
    // 0.00005 s * 0.015625 GB * $0.0000166667.
    assert_eq!(x86.exact(&short).to_string(), "$0.000000000013020859");
    let exact = PriceTable::per_microsecond();
    assert_eq!(exact.billed(&short), exact.exact(&short));
}

#[test]
fn loading_is_billed_as_on_real_functions() {
    // Init Duration, Duration and Billed Duration of functions of AWS in milliseconds, as published by Luc van
    // Donkersgoed, "When is the Lambda Init Phase Free, and when is it Billed?" (2022), for those that were billed.
    for (init_us, wall_us, billed_ms) in [
        (1_293_830, 1_049_630, 2344),
        (1_307_680, 1_058_150, 2366),
        (1_258_240, 1_002_250, 2261),
    ] {
        let start = Start::Cold {
            init: Duration::from_micros(init_us),
        };
        let cold = usage(Duration::from_micros(wall_us), 0, 128 * MB, start);
        let table = PriceTable::aws_lambda_x86();
        assert_eq!(
            table.billed_duration(&cold),
            Duration::from_millis(billed_ms)
        );
    }
}

#[derive(Deserialize)]
struct Vector {
    table: String,
    wall_ns: u64,
    init_ns: Option<u64>,
    peak: u64,
    limit: u64,
    billed_ns: u64,
    exact: String,
    billed: String,
}

const COARSE: &str = r#"
name = "coarse"
per_request_usd = 0.0000004
per_gb_second_usd = 0.0000025
granularity_us = 100000
minimum_us = 250000
memory = "peak"
bill_init = true
gigabyte = "decimal"
"#;

#[test]
fn charges_are_those_of_exact_fractions() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors/charges.json")).unwrap();
    assert!(vectors.len() > 200);
    let coarse = PriceTable::from_toml(COARSE).unwrap();
    for vector in vectors {
        let table = PriceTable::named(&vector.table).unwrap_or_else(|| coarse.clone());
        assert_eq!(table.name(), vector.table);
        let start = vector.init_ns.map_or(Start::Warm, |init| Start::Cold {
            init: Duration::from_nanos(init),
        });
        let wall = Duration::from_nanos(vector.wall_ns);
        let used = usage(wall, vector.peak, vector.limit, start);
        let attos = |text: &str| Money::from_attos(text.parse().unwrap());
        let billed = table.billed_duration(&used);
        assert_eq!(billed, Duration::from_nanos(vector.billed_ns), "{used:?}");
        assert_eq!(table.exact(&used), attos(&vector.exact), "{used:?}");
        assert_eq!(table.billed(&used), attos(&vector.billed), "{used:?}");
    }
}

#[test]
fn what_cannot_be_measured_saturates() {
    for table in PriceTable::built_in() {
        let endless = usage(
            Duration::MAX,
            u64::MAX,
            u64::MAX,
            Start::Cold {
                init: Duration::MAX,
            },
        );
        assert!(table.billed(&endless) >= table.exact(&endless));
        assert!(table.exact(&endless) > Money::from_usd(1e9).unwrap());
    }
}

#[test]
fn tables_survive_their_documents() {
    for table in PriceTable::built_in() {
        let json = serde_json::to_string(&table).unwrap();
        assert_eq!(PriceTable::from_json(&json).unwrap(), table);
        let text = toml::to_string(&table).unwrap();
        assert_eq!(PriceTable::from_toml(&text).unwrap(), table);
    }
    assert_eq!(
        serde_json::to_value(PriceTable::aws_lambda_x86()).unwrap(),
        serde_json::json!({
            "name": "aws-lambda-x86", "per_request_usd": 0.0000002, "per_gb_second_usd": 0.0000166667,
            "granularity_us": 1000, "minimum_us": 0, "memory": "configured", "bill_init": true, "gigabyte": "binary",
        })
    );
}

fn refusal(change: &str, to: &str) -> String {
    let text = COARSE.replace(change, to);
    assert_ne!(text, COARSE);
    PriceTable::from_toml(&text).unwrap_err().to_string()
}

#[test]
fn impossible_tables_are_refused_in_these_words() {
    assert_eq!(
        refusal("0.0000025", "-0.1"),
        "`per_gb_second_usd` is -0.1; a price is from 0 to 10 US dollars"
    );
    assert_eq!(
        refusal("0.0000004", "nan"),
        "`per_request_usd` is NaN; a price is from 0 to 10 US dollars"
    );
    assert_eq!(
        refusal("0.0000004", "10.01"),
        "`per_request_usd` is 10.01; a price is from 0 to 10 US dollars"
    );
    assert_eq!(
        refusal("granularity_us = 100000", "granularity_us = 0"),
        "`granularity_us` is 0; it takes 1 to 3600000000 microseconds"
    );
    assert_eq!(
        refusal("250000", "3600000001"),
        "`minimum_us` is 3600000001; it takes 0 to 3600000000 microseconds"
    );
    assert_eq!(
        refusal("\"coarse\"", "\"\""),
        "the name of a price table takes 1 to 63 bytes, `` has 0"
    );
    let misspelt = refusal("bill_init", "bil_init");
    assert!(
        misspelt.starts_with("not a price table: TOML parse error"),
        "{misspelt}"
    );
    assert!(misspelt.contains("bil_init"), "{misspelt}");
    assert!(matches!(
        PriceTable::from_json("[]"),
        Err(PriceError::Syntax { .. })
    ));
}
