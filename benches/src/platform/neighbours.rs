//! A good function alone, and beside three bad ones that are called all the time: one spins, one takes memory, one traps.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use ureq::http::Method;

use super::{Goal, count, figure, per_second, section, times};
use crate::arguments::Arguments;
use crate::clock::{median, pause};
use crate::guests::{self, GROWS, SPINS, TRAPS};
use crate::host::{Client, Host, Until};
use crate::report::{Report, us};
use crate::wrk::{Load, Shot};

const MODEL: &str = "credit";
const CONNECTIONS: u32 = 2;
/// Alone and beside take turns, so that whatever else the machine does falls on both.
const ROUNDS: usize = 3;
const MEASURED: u32 = 5;
/// What a call of the one that spins may take.
const DEADLINE_MS: u64 = 1000;
/// For the bad ones to be under way before the good one is measured.
const APPROACH: Duration = Duration::from_millis(500);

const BAD: [(&str, &str); 3] = [("spins", SPINS), ("grows", GROWS), ("traps", TRAPS)];

/// Answers of the bad functions, by name and status.
type Tally = Mutex<BTreeMap<(&'static str, u16), u64>>;

/// Loads the good function with and without its neighbours.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let folder = arguments.scratch()?;
    let host = Host::up(&arguments.hyaline, folder.path(), &[])?;
    let client = Client::new();
    host.deploy(&client, MODEL, &arguments.component(MODEL)?)?;
    let wit = arguments.repository.join("wit");
    for (name, handle) in BAD {
        host.deploy(&client, name, &guests::component(&wit, handle)?)
            .with_context(|| name)?;
    }
    host.set(
        &client,
        "spins",
        &json!({"limits": {"deadline_ms": DEADLINE_MS}}),
    )?;
    let shot = Shot::post(&arguments.golden_body(MODEL)?)?;
    let url = host.url(MODEL, "/predict");
    shot.load(&url, CONNECTIONS, 1)?;

    let tally = Tally::default();
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let mut together = Duration::ZERO;
    for _ in 0..ROUNDS {
        alone.push(shot.load(&url, CONNECTIONS, MEASURED)?);
        let begun = Instant::now();
        beside.push(with_neighbours(&host, &tally, || {
            shot.load(&url, CONNECTIONS, MEASURED)
        })?);
        together += begun.elapsed();
    }

    section(
        report,
        "A good function (credit, /predict, 2 connections) beside three bad ones",
    );
    let middle = |loads: &[Load], of: fn(&Load) -> f64| median(loads.iter().map(of).collect());
    for (what, loads) in [("alone", &alone), ("beside", &beside)] {
        let rate = middle(loads, |load| load.requests_per_second);
        figure(
            report,
            format!("requests/s {what}"),
            Goal::Open,
            rate,
            per_second,
        );
        figure(
            report,
            format!("p50 {what}"),
            Goal::Open,
            middle(loads, |load| load.p50_us),
            us,
        );
        figure(
            report,
            format!("p99 {what}"),
            Goal::Open,
            middle(loads, |load| load.p99_us),
            us,
        );
    }
    let p99 = |loads| middle(loads, |load: &Load| load.p99_us);
    figure(
        report,
        "p99 beside / p99 alone",
        Goal::AtMost(2.0),
        p99(&beside) / p99(&alone),
        times,
    );
    let errors: f64 = alone.iter().chain(&beside).map(|load| load.errors).sum();
    figure(
        report,
        "failed requests of the good one",
        Goal::AtMost(0.0),
        errors,
        count,
    );
    let tally = tally.into_inner().unwrap_or_default();
    for ((name, status), answers) in tally {
        let rate = answers as f64 / together.as_secs_f64();
        let what = format!("meanwhile, answers of the one that {name}, status {status}");
        figure(report, what, Goal::Open, rate, |rate| {
            format!("{rate:.1}/s")
        });
    }
    host.stop()
}

/// Calls every bad function all the time, one call after the other, while `work` is done.
fn with_neighbours<T>(host: &Host, tally: &Tally, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (name, _) in BAD {
            let (stop, url) = (&stop, host.url(name, "/"));
            scope.spawn(move || {
                let client = Client::new();
                while !stop.load(Relaxed) {
                    // No answer is counted as the status 0.
                    let status = client
                        .ask(Method::GET, &url, &[])
                        .map_or(0, |reply| reply.status);
                    if let Ok(mut tally) = tally.lock() {
                        *tally.entry((name, status)).or_default() += 1;
                    }
                }
            });
        }
        let _until = Until(&stop);
        pause(APPROACH);
        work()
    })
}
