//! Thousands of distinct functions on one host: deploying them, what they cost while nobody calls, first calls, restarts.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::http::Method;

use super::{Goal, bytes, count, figure, milliseconds, per_cent, per_second, seconds, section};
use crate::arguments::Arguments;
use crate::clock::{pause, percentile};
use crate::host::{Client, Host, Reply, share};
use crate::report::Report;
use crate::variants::{MODEL, Variants};

const CLIENTS: usize = 8;
/// Longest time for deploying; what is deployed by then is measured.
const DEPLOYING: Duration = Duration::from_secs(240);
/// Longest time for calling every function once.
const CALLING: Duration = Duration::from_secs(90);
/// How long idleness is watched, and how long a host gets to finish what it began.
const IDLE: Duration = Duration::from_secs(20);
const SETTLING: Duration = Duration::from_secs(4);
/// First calls that are timed one by one.
const SAMPLED: usize = 300;
/// For functions to be evicted that are idle for a second.
const EVICTION: Duration = Duration::from_secs(30);

/// The functions of a measurement.
struct Crowd<'a> {
    arguments: &'a Arguments,
    folder: &'a Path,
    row: String,
    count: usize,
    /// Keeps every function that was called in memory.
    roomy: [String; 2],
}

/// Deploys, idles, restarts, calls, evicts.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let folder = arguments.scratch()?;
    let variants = Variants::new(arguments)?;
    let wanted = arguments.functions_count;
    let mut crowd = Crowd {
        arguments,
        folder: folder.path(),
        row: arguments.golden_body(MODEL)?,
        count: wanted,
        roomy: [
            format!("memory.loaded={}", wanted + SAMPLED),
            "memory.idle_seconds=86400".to_owned(),
        ],
    };
    section(report, "Thousands of distinct functions on one host");

    let host = crowd.host(&crowd.roomy)?;
    pause(SETTLING);
    let empty = host.process().memory()?;
    figure(
        report,
        "PSS of the host without functions",
        Goal::Open,
        empty,
        bytes,
    );
    crowd.count = deploy(&crowd, &host, &variants, report)?;
    let functions = crowd.count as f64;
    figure(
        report,
        "distinct functions registered",
        Goal::AtLeast(wanted as f64),
        functions,
        count,
    );
    figure(
        report,
        "bytes of each component",
        Goal::Open,
        variants.size() as f64,
        bytes,
    );
    let disk = size(&folder.path().join("state"))? / functions;
    figure(report, "disk per function", Goal::Open, disk, bytes);
    pause(SETTLING);
    let cost = (host.process().memory()? - empty) / functions;
    let small = Goal::AtMost(32.0 * 1024.0);
    figure(
        report,
        "PSS per function that is not loaded, in the process that deployed it",
        small,
        cost,
        bytes,
    );
    idle(report, &host, "registered, none loaded")?;
    host.stop()?;

    let host = crowd.host(&crowd.roomy)?;
    figure(
        report,
        "start of the host until it answers",
        Goal::AtMost(2.0),
        host.started.as_secs_f64(),
        seconds,
    );
    pause(SETTLING);
    let registered = host.process().memory()?;
    figure(
        report,
        "PSS per function that is not loaded, after a restart",
        small,
        (registered - empty) / functions,
        bytes,
    );
    crowd.first_calls(report, &host, "first call to a function never loaded")?;
    crowd.call_all(report, &host)?;
    pause(SETTLING);
    let loaded = host.loaded(&Client::new())? as f64;
    figure(
        report,
        "functions loaded",
        Goal::AtLeast(functions),
        loaded,
        count,
    );
    let each = (host.process().memory()? - registered) / loaded;
    figure(
        report,
        "PSS per loaded idle function",
        Goal::AtMost(1024.0 * 1024.0),
        each,
        bytes,
    );
    idle(report, &host, "loaded, nobody calls")?;
    // Killed, not stopped: what follows is a start after a crash.
    drop(host);

    let host = crowd.host(&["memory.idle_seconds=1".to_owned()])?;
    figure(
        report,
        "start of the host after kill -9",
        Goal::AtMost(2.0),
        host.started.as_secs_f64(),
        seconds,
    );
    crowd.first_calls(
        report,
        &host,
        "first call to a function never loaded, after kill -9",
    )?;
    evicted(&host)?;
    crowd.first_calls(report, &host, "first call after eviction")?;
    host.stop()
}

fn deploy(
    crowd: &Crowd<'_>,
    host: &Host,
    variants: &Variants,
    report: &mut Report,
) -> Result<usize> {
    let begun = Instant::now();
    let done = share(crowd.count, CLIENTS, begun + DEPLOYING, |client, number| {
        host.deploy(client, &name(number), &variants.component(number))
    })?;
    let rate = done as f64 / begun.elapsed().as_secs_f64();
    figure(
        report,
        format!("deploys, {CLIENTS} clients"),
        Goal::Open,
        rate,
        per_second,
    );
    if done == 0 {
        bail!("no function was deployed");
    }
    Ok(done)
}

impl Crowd<'_> {
    fn host(&self, settings: &[String]) -> Result<Host> {
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        Host::up(&self.arguments.hyaline, self.folder, &settings)
    }

    fn call(&self, client: &Client, host: &Host, number: usize) -> Result<Reply> {
        let url = host.url(&name(number), "/predict");
        client
            .ask(Method::POST, &url, self.row.as_bytes())?
            .good()
            .with_context(|| name(number))
    }

    /// Times one call each to functions spread over all of them, over a connection that is open already, and sees that
    /// every one gives another answer.
    fn first_calls(&self, report: &mut Report, host: &Host, what: &str) -> Result<()> {
        let client = Client::new();
        // There is no such function; the connection is open afterwards.
        client.ask(Method::GET, &host.url("nobody", "/"), &[])?;
        let sampled = SAMPLED.min(self.count);
        let (mut times, mut answers) = (Vec::new(), BTreeSet::new());
        for sample in 0..sampled {
            let reply = self.call(&client, host, sample * self.count / sampled)?;
            times.push(reply.took.as_secs_f64() * 1e3);
            let answer: Value = serde_json::from_slice(&reply.body)?;
            answers.insert(answer["predictions"].to_string());
        }
        if answers.len() < sampled {
            bail!("{sampled} models gave {} different answers", answers.len());
        }
        let p99 = percentile(times.clone(), 0.99);
        let p50 = percentile(times, 0.5);
        figure(
            report,
            format!("{what}, p50"),
            Goal::AtMost(2.0),
            p50,
            milliseconds,
        );
        figure(
            report,
            format!("{what}, p99"),
            Goal::Open,
            p99,
            milliseconds,
        );
        Ok(())
    }

    fn call_all(&self, report: &mut Report, host: &Host) -> Result<()> {
        let begun = Instant::now();
        let done = share(self.count, CLIENTS, begun + CALLING, |client, number| {
            self.call(client, host, number).map(drop)
        })?;
        let rate = done as f64 / begun.elapsed().as_secs_f64();
        figure(
            report,
            format!("first calls to all, {CLIENTS} clients"),
            Goal::Open,
            rate,
            per_second,
        );
        Ok(())
    }
}

fn name(number: usize) -> String {
    format!("wine-{number}")
}

fn idle(report: &mut Report, host: &Host, what: &str) -> Result<()> {
    let used = host.process().cpu_percent(IDLE)?;
    let span = IDLE.as_secs();
    // Shown with one digit, and judged by it.
    let shown = (used * 10.0).round() / 10.0;
    figure(
        report,
        format!("CPU, {what}, over {span} s"),
        Goal::AtMost(0.0),
        shown,
        per_cent,
    );
    Ok(())
}

/// Waits until no function is loaded.
fn evicted(host: &Host) -> Result<()> {
    let (client, begun) = (Client::new(), Instant::now());
    loop {
        let loaded = host.loaded(&client)?;
        if loaded == 0 {
            return Ok(());
        }
        if begun.elapsed() > EVICTION {
            bail!(
                "{loaded} functions are loaded after {} s without a call",
                EVICTION.as_secs()
            );
        }
        pause(Duration::from_millis(200));
    }
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> Result<f64> {
    let mut sum = 0.0;
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() {
            size(&entry.path())?
        } else {
            entry.metadata()?.len() as f64
        };
    }
    Ok(sum)
}
