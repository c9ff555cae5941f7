//! What recording one call costs: alone, and with two threads on the same function.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use hyaline_telemetry::{Call, Config, Outcome, Phase, Telemetry, Trigger};
use rustix::time::{ClockId, clock_gettime};

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

/// CPU time of this thread, so that other programs on the machine count less.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of one of a million repetitions, in nanoseconds: the least and the most of seven. Two threads get in each
/// other's way only while both run, so of them the most tells.
fn cost(work: impl Fn(u32)) -> String {
    let million = |_| {
        let start = cpu_time();
        (0..CALLS).for_each(&work);
        (cpu_time() - start).as_nanos() / u128::from(CALLS)
    };
    let mut costs: Vec<u128> = (0..7).map(million).collect();
    costs.sort_unstable();
    format!("{} to {} ns", costs[0], costs[6])
}

fn main() {
    let telemetry = Telemetry::start(Config::new("bench", "0", "0")).expect("a thread starts");
    let series = telemetry.series("credit", 1);
    let record = || cost(|number| series.record(&call(number)));
    println!("one thread:                {} per call", record());
    let two = std::thread::scope(|scope| {
        let threads = [scope.spawn(record), scope.spawn(record)];
        threads.map(|thread| thread.join().expect("recording does not panic"))
    });
    println!(
        "two threads, one function: {} and {} per call",
        two[0], two[1]
    );
    let route = telemetry.route("/credit/...");
    let request = cost(|number| {
        let duration = Duration::from_nanos(40_000 + u64::from(number) % 60_000);
        route.record(&Method::POST, StatusCode::OK, duration);
    });
    println!("route:                     {request} per request");
    println!(
        "span without OTLP:         {}",
        cost(|_| drop(telemetry.span(None)))
    );

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
