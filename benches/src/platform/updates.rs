//! A function under load while others are deployed and deleted, ten of each in a second.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Goal, count, figure, section, times};
use crate::arguments::Arguments;
use crate::clock::pause;
use crate::host::{Client, Host, Until};
use crate::report::{Report, us};
use crate::variants::Variants;
use crate::wrk::Shot;

const MODEL: &str = "credit";
const CONNECTIONS: u32 = 2;
const ALONE: u32 = 10;
const DURING: u32 = 30;
/// From one deployment, and one deletion, to the next.
const TICK: Duration = Duration::from_millis(100);
/// Clients that deploy, so that a slow deployment does not delay the next one.
const OPERATORS: usize = 4;

/// What the operators did.
#[derive(Default)]
struct Changes {
    next: AtomicUsize,
    deployed: AtomicUsize,
    deleted: AtomicUsize,
    failure: Mutex<Option<anyhow::Error>>,
}

/// Loads one function, first in peace.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let folder = arguments.scratch()?;
    let variants = Variants::new(arguments)?;
    let host = Host::up(&arguments.hyaline, folder.path(), &[])?;
    host.deploy(&Client::new(), MODEL, &arguments.component(MODEL)?)?;
    let shot = Shot::post(&arguments.golden_body(MODEL)?)?;
    let url = host.url(MODEL, "/predict");
    shot.load(&url, CONNECTIONS, 1)?;
    let alone = shot.load(&url, CONNECTIONS, ALONE)?;

    let (stop, changes) = (AtomicBool::new(false), Changes::default());
    let begun = Instant::now();
    let during = std::thread::scope(|scope| {
        for _ in 0..OPERATORS {
            scope.spawn(|| {
                if let Err(error) = operate(&host, &variants, begun, &stop, &changes)
                    && let Ok(mut failure) = changes.failure.lock()
                {
                    failure.get_or_insert(error);
                }
            });
        }
        let _until = Until(&stop);
        shot.load(&url, CONNECTIONS, DURING)
    })?;
    let took = begun.elapsed().as_secs_f64();
    if let Some(failure) = changes.failure.into_inner().ok().flatten() {
        return Err(failure.context("a deployment or deletion was refused"));
    }

    section(
        report,
        "A function (credit, /predict, 2 connections) while others are deployed and deleted",
    );
    let rate = |changed: AtomicUsize| changed.into_inner() as f64 / took;
    let tenth = |rate: f64| format!("{rate:.1}/s");
    // The clients end their last round after the load has ended.
    let wanted = Goal::AtLeast(9.5);
    figure(report, "deployments", wanted, rate(changes.deployed), tenth);
    figure(report, "deletions", wanted, rate(changes.deleted), tenth);
    figure(
        report,
        "requests meanwhile",
        Goal::Open,
        during.requests,
        count,
    );
    figure(
        report,
        "failed requests",
        Goal::AtMost(0.0),
        during.errors,
        count,
    );
    figure(report, "p99 alone", Goal::Open, alone.p99_us, us);
    figure(report, "p99 meanwhile", Goal::Open, during.p99_us, us);
    figure(
        report,
        "p99 meanwhile / p99 alone",
        Goal::Open,
        during.p99_us / alone.p99_us,
        times,
    );
    host.stop()
}

/// Deploys a new function at each of its ticks and deletes the one it deployed before.
fn operate(
    host: &Host,
    variants: &Variants,
    begun: Instant,
    stop: &AtomicBool,
    changes: &Changes,
) -> Result<()> {
    let client = Client::new();
    let mut earlier: Option<String> = None;
    while !stop.load(Relaxed) {
        let number = changes.next.fetch_add(1, Relaxed);
        let tick = begun + TICK * u32::try_from(number)?;
        pause(tick.saturating_duration_since(Instant::now()));
        let name = format!("wine-{number}");
        host.deploy(&client, &name, &variants.component(number))?;
        changes.deployed.fetch_add(1, Relaxed);
        if let Some(earlier) = earlier.replace(name) {
            host.delete(&client, &earlier)?;
            changes.deleted.fetch_add(1, Relaxed);
        }
    }
    if let Some(last) = earlier {
        host.delete(&client, &last)?;
        changes.deleted.fetch_add(1, Relaxed);
    }
    Ok(())
}
