//! What recording one call costs: alone, and with two threads on the same function.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use hyaline_telemetry::{Call, Config, Outcome, Phase, Series, Telemetry, Trigger};

const CALLS: u32 = 1_000_000;

fn call(number: u32) -> Call {
    Call {
        trigger: Trigger::Http,
        phase: Phase::Predict,
        queued: Duration::ZERO,
        wall: Duration::from_nanos(40_000 + u64::from(number) % 60_000),
        init: None,
        cpu: Some(Duration::from_nanos(30_000 + u64::from(number) % 60_000)),
        peak_memory: 2_000_000,
        bytes_in: 700,
        bytes_out: 300,
        outcome: Outcome::Answered(200),
    }
}

fn record(series: &Arc<Series>) -> Duration {
    let start = Instant::now();
    (0..CALLS).for_each(|number| series.record(&call(number)));
    start.elapsed() / CALLS
}

fn main() {
    let telemetry = Telemetry::start(Config::new("bench", "0", "0")).expect("a thread starts");
    let series = telemetry.series("credit", 1);
    println!("one thread:                {:?} per call", record(&series));
    let two = std::thread::scope(|scope| {
        let threads = [
            scope.spawn(|| record(&series)),
            scope.spawn(|| record(&series)),
        ];
        threads.map(|thread| thread.join().expect("recording does not panic"))
    });
    println!(
        "two threads, one function: {:?} and {:?} per call",
        two[0], two[1]
    );
    let route = telemetry.route("/credit/...");
    let start = Instant::now();
    for number in 0..CALLS {
        let duration = Duration::from_nanos(40_000 + u64::from(number) % 60_000);
        route.record(&Method::POST, StatusCode::OK, duration);
    }
    println!(
        "route:                     {:?} per request",
        start.elapsed() / CALLS
    );
    let start = Instant::now();
    (0..CALLS).for_each(|_| drop(telemetry.span(None)));
    println!("span without OTLP:         {:?}", start.elapsed() / CALLS);

    for number in 0..1000 {
        let series = telemetry.series(&format!("function-{number}"), 1);
        (0..100).for_each(|number| series.record(&call(number * 500)));
    }
    for format in [
        hyaline_telemetry::Format::Prometheus,
        hyaline_telemetry::Format::OpenMetrics,
    ] {
        let start = Instant::now();
        let text = telemetry.render(format);
        println!(
            "scrape of 1000 functions:  {:?}, {} bytes",
            start.elapsed(),
            text.len()
        );
    }
    let start = Instant::now();
    let snapshot = telemetry.snapshot(Instant::now());
    println!(
        "snapshot of {} versions: {:?}",
        snapshot.functions.len(),
        start.elapsed()
    );
}
