//! Prints what metering a call costs, by one thread and by two at once: `cargo run --release --example record_cost`.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use hyaline_control::{Budget, FunctionName, Period, VersionNumber};
use hyaline_metering::{Ledger, Meter, Outcome, PriceTable, Start, Subject, Usage};
use jiff::Timestamp;

/// Calls of a run: so few that most runs are not interrupted.
const CALLS: u32 = 2_000;

const RUNS: u32 = 300;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file =
        std::env::temp_dir().join(format!("hyaline-record-cost-{}.redb", std::process::id()));
    let measured = measure(&file);
    std::fs::remove_file(&file)?;
    measured
}

fn measure(file: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let ledger = Ledger::open(file, PriceTable::aws_lambda_x86())?;
    let function: FunctionName = "credit".parse()?;
    let now: Timestamp = "2026-11-27T09:00:00Z".parse()?;
    let version = ledger.version(&function, VersionNumber::FIRST);
    let (anybody, acme) = (version.caller(""), version.caller("acme"));
    let usage = Usage {
        begun: now,
        wall: Duration::from_nanos(48_213),
        cpu: Duration::from_nanos(40_118),
        peak_memory: 17_825_792,
        memory_limit: 128 << 20,
        bytes_in: 312,
        bytes_out: 97,
        fuel: None,
        start: Start::Warm,
        outcome: Outcome::Answered { status: Some(200) },
    };
    let line = |what: &str, nanoseconds: f64| println!("{what:<58} {nanoseconds:7.1} ns");
    line(
        "record, nobody",
        each(|| drop(anybody.record(black_box(&usage)))),
    );
    line(
        "record, a caller",
        each(|| drop(acme.record(black_box(&usage)))),
    );
    let budget = Budget {
        usd: 1e9,
        period: Period::Month,
        warn_at: 0.8,
    };
    for subject in [Subject::Function(function), Subject::Caller("acme".into())] {
        ledger.set_budget(&subject, Some(budget), now)?;
    }
    let whole = |meter: &Meter| {
        black_box(meter.spent(black_box(now)));
        drop(meter.record(black_box(&usage)));
    };
    line(
        "record, a caller, two budgets",
        each(|| drop(acme.record(black_box(&usage)))),
    );
    line(
        "admission: two budgets",
        each(|| drop(black_box(acme.spent(black_box(now))))),
    );
    line(
        "look up the caller's meter",
        each(|| drop(black_box(version.caller("acme")))),
    );
    line(
        "look up, admit, record",
        each(|| whole(&version.caller("acme"))),
    );
    let start = Barrier::new(2);
    let both: Vec<f64> = std::thread::scope(|scope| {
        let workers = [(), ()].map(|()| {
            scope.spawn(|| {
                start.wait();
                each(|| whole(&version.caller("acme")))
            })
        });
        workers
            .map(|worker| worker.join().expect("nothing panics"))
            .into()
    });
    line(
        "the same on two threads at once, same function and caller",
        both[0].max(both[1]),
    );
    let begun = Instant::now();
    ledger.flush()?;
    line(
        "flush of one cell and two accounts",
        begun.elapsed().as_nanos() as f64,
    );
    Ok(())
}

/// Nanoseconds of wall time for each call, in the fastest of many short runs: what it costs when nothing else interrupts.
fn each(call: impl Fn()) -> f64 {
    let run = || {
        let begun = Instant::now();
        (0..CALLS).for_each(|_| call());
        begun.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..RUNS).map(|_| run()).fold(f64::INFINITY, f64::min)
}
