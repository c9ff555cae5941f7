//! Requests per second and latency over loopback on one model, beside `wasmtime serve` on the same file, a native server
//! and a Python server, all under the same load generator.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ureq::http::Method;

use super::{Goal, figure, section, times};
use crate::arguments::Arguments;
use crate::clock::median;
use crate::host::{Client, Host, hyaline};
use crate::process::{Process, free_address};
use crate::report::{Report, us};
use crate::rival;
use crate::wrk::{Load, Shot};

const MODEL: &str = "credit";
const CONNECTIONS: [u32; 2] = [1, 16];
/// Seconds of load to warm a server up.
const WARM_UP: u32 = 1;
/// All servers take their turns, round after round, so that whatever else the machine does falls on all of them; ratios
/// are taken within a round.
const ROUNDS: usize = 5;
/// Seconds of a turn.
const MEASURED: u32 = 2;

/// Requests an instance answers where it answers more than one.
const REUSE: u32 = 1000;

const FRESH: &str = "hyaline serve";
const REUSED: &str = "hyaline up, reuse 1000";
const STOCK: &str = "wasmtime serve";
const TUNED: &str = "wasmtime serve, tuned";
const WASMTIME_REUSED: &str = "wasmtime serve, tuned, reuse 1000";
const NATIVE: &str = "native: axum + ONNX Runtime";
const PYTHON: &str = "Python: FastAPI + ONNX Runtime";

/// What its own documentation says is fast: slots that stay as they were, with what instances touch left in memory.
const TUNING: [&str; 6] = [
    "-O",
    "pooling-allocator",
    "-O",
    "pooling-memory-keep-resident=2097152",
    "-O",
    "pooling-table-keep-resident=524288",
];

/// A server that runs, and where it answers.
struct Server {
    name: &'static str,
    url: String,
    _runs: Runs,
}

/// What is stopped when the measurement is over.
enum Runs {
    Process(#[expect(dead_code, reason = "held for its drop, which stops the server")] Process),
    Host(#[expect(dead_code, reason = "held for its drop, which stops the host")] Box<Host>),
}

/// What a server was measured to do, round by round.
struct Measured {
    server: &'static str,
    path: &'static str,
    connections: u32,
    loads: Vec<Load>,
}

impl Measured {
    fn middle(&self, of: fn(&Load) -> f64) -> f64 {
        median(self.loads.iter().map(of).collect())
    }

    fn rate(&self) -> f64 {
        self.middle(|load| load.requests_per_second)
    }

    fn errors(&self) -> f64 {
        self.loads.iter().map(|load| load.errors).sum()
    }

    /// The middle of the rounds' ratios.
    fn over(&self, other: &Measured, of: fn(&Load) -> f64) -> f64 {
        let rounds = self.loads.iter().zip(&other.loads);
        median(rounds.map(|(ours, theirs)| of(ours) / of(theirs)).collect())
    }
}

/// Loads every server with the same requests, on one connection and on sixteen.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let folder = arguments.scratch()?;
    let body = arguments.golden_body(MODEL)?;
    let servers = start(arguments, folder.path())?;
    let client = Client::new();
    for server in &servers {
        check(&client, server, &body).with_context(|| server.name)?;
    }
    let shot = Shot::post(&body)?;
    let mut measured: Vec<Measured> = Vec::new();
    for connections in CONNECTIONS {
        let first = measured.len();
        for server in &servers {
            shot.load(&format!("{}/predict", server.url), connections, WARM_UP)
                .with_context(|| server.name)?;
            let paths: &[&'static str] = if server.name == FRESH {
                &["/predict", "/explain"]
            } else {
                &["/predict"]
            };
            measured.extend(paths.iter().map(|path| Measured {
                server: server.name,
                path,
                connections,
                loads: Vec::new(),
            }));
        }
        for _ in 0..ROUNDS {
            for one in &mut measured[first..] {
                let server = servers
                    .iter()
                    .find(|server| server.name == one.server)
                    .context("every measurement is of a server")?;
                let url = format!("{}{}", server.url, one.path);
                let load = shot.load(&url, connections, MEASURED);
                one.loads.push(load.with_context(|| server.name)?);
            }
        }
        for one in &measured[first..] {
            eprintln!(
                "    {}{}, {connections}: {:.0}/s, {}",
                one.server,
                one.path,
                one.rate(),
                us(one.middle(|load| load.p50_us))
            );
        }
    }
    beside_python(report, &measured);
    beside_all(report, &measured);
    goals(report, &measured);
    Ok(())
}

/// Starts every server there is.
fn start(arguments: &Arguments, folder: &Path) -> Result<Vec<Server>> {
    let component = arguments.functions.join(MODEL).with_extension("wasm");
    let mut servers = Vec::new();
    let mut add = |name, mut command: Command, address: String| -> Result<()> {
        let log = folder.join(format!("{}.log", servers.len()));
        let mut process = Process::start(&mut command, log).context(name)?;
        process.wait_for(&address).context(name)?;
        servers.push(Server {
            name,
            url: format!("http://{address}"),
            _runs: Runs::Process(process),
        });
        Ok(())
    };

    let address = free_address()?;
    let mut fresh = hyaline(&arguments.hyaline, folder);
    fresh.arg("serve").arg(&component);
    fresh.args(["--listen", &address]);
    add(FRESH, fresh, address)?;

    match &arguments.wasmtime {
        None => eprintln!("    wasmtime serve is not measured: --wasmtime is missing"),
        Some(wasmtime) => {
            let count = REUSE.to_string();
            let reuse = [
                "--max-instance-reuse-count",
                &count,
                "--idle-instance-timeout",
                "5s",
            ];
            let ways: [(_, &[&str], &[&str]); 3] = [
                (STOCK, &[], &[]),
                (TUNED, &TUNING, &[]),
                (WASMTIME_REUSED, &TUNING, &reuse),
            ];
            for (name, tuning, reuse) in ways {
                let address = free_address()?;
                let mut command = Command::new(wasmtime);
                command.arg("serve").args(["--addr", &address]);
                command.args(tuning).args(reuse).arg(&component);
                add(name, command, address)?;
            }
        }
    }

    match &arguments.native {
        None => eprintln!("    the native server is not measured: --native is missing"),
        Some(native) => {
            let address = free_address()?;
            let mut command = Command::new(native);
            command.args(["--listen", &address, "--library"]);
            command.arg(library(arguments.python()?)?).arg("--model");
            command.arg(arguments.repository.join("models/credit/model.onnx"));
            add(NATIVE, command, address)?;
        }
    }

    let address = free_address()?;
    let (host, port) = address.split_once(':').context("an address has a port")?;
    let mut python = Command::new(arguments.python()?);
    python.arg(arguments.repository.join("benches/rivals/server.py"));
    python.args(["--host", host, "--port", port]);
    add(PYTHON, python, address)?;

    let host = Host::up(&arguments.hyaline, folder, &[])?;
    let client = Client::new();
    host.deploy(&client, MODEL, &std::fs::read(&component)?)?;
    let reuse = json!({"reuse": {"requests": REUSE, "idle_ms": 5000}});
    host.set(&client, MODEL, &reuse)?;
    servers.insert(
        1,
        Server {
            name: REUSED,
            url: host.url(MODEL, ""),
            _runs: Runs::Host(Box::new(host)),
        },
    );
    Ok(servers)
}

/// ONNX Runtime as a library: the one inside the Python package.
fn library(python: &Path) -> Result<PathBuf> {
    let script = tempfile::NamedTempFile::with_suffix(".py")?;
    std::fs::write(
        script.path(),
        "import glob, json, os, onnxruntime\n\
         folder = os.path.join(os.path.dirname(onnxruntime.__file__), 'capi')\n\
         found = sorted(glob.glob(os.path.join(folder, 'libonnxruntime.so*')))\n\
         print(json.dumps({'library': found[0] if found else None}))\n",
    )?;
    let found = rival::run(python, script.path(), &[])?;
    let path = found.first().and_then(|line| line["library"].as_str());
    path.map(PathBuf::from)
        .context("the Python package `onnxruntime` has no libonnxruntime.so")
}

/// Every server gives the same label, or the comparison is none.
fn check(client: &Client, server: &Server, body: &str) -> Result<()> {
    let url = format!("{}/predict", server.url);
    let reply = client.ask(Method::POST, &url, body.as_bytes())?.good()?;
    let answer: Value = serde_json::from_slice(&reply.body)?;
    let prediction = answer["predictions"].get(0).unwrap_or(&answer);
    if prediction["label"] != "good" {
        bail!("the first golden row is `good`, the answer is {answer}");
    }
    Ok(())
}

fn find<'m>(measured: &'m [Measured], server: &str, connections: u32) -> Option<&'m Measured> {
    measured.iter().find(|one| {
        one.server == server && one.connections == connections && one.path == "/predict"
    })
}

fn beside_python(report: &mut Report, measured: &[Measured]) {
    report.section(
        "HTTP, credit, fresh instance per request (goal at 16 connections: ≥ 8× the requests/s, p99 ≤ 1/4)",
        &["server", "request", "connections", "requests/s", "p50", "p99", "errors", "requests/s ratio", "p99 ratio"],
    );
    for one in measured
        .iter()
        .filter(|one| [PYTHON, FRESH].contains(&one.server))
    {
        let Some(python) = find(measured, PYTHON, one.connections) else {
            continue;
        };
        report.row(&[
            one.server.to_owned(),
            one.path.to_owned(),
            one.connections.to_string(),
            format!("{:.0}", one.rate()),
            us(one.middle(|load| load.p50_us)),
            us(one.middle(|load| load.p99_us)),
            format!("{:.0}", one.errors()),
            format!("{:.1}×", one.over(python, |load| load.requests_per_second)),
            format!("{:.2}", one.over(python, |load| load.p99_us)),
        ]);
    }
}

fn beside_all(report: &mut Report, measured: &[Measured]) {
    report.section(
        "HTTP, credit, /predict, beside other servers of the same function or model",
        &[
            "server",
            "connections",
            "requests/s",
            "p50",
            "p99",
            "errors",
        ],
    );
    for one in measured.iter().filter(|one| one.path == "/predict") {
        report.row(&[
            one.server.to_owned(),
            one.connections.to_string(),
            format!("{:.0}", one.rate()),
            us(one.middle(|load| load.p50_us)),
            us(one.middle(|load| load.p99_us)),
            format!("{:.0}", one.errors()),
        ]);
    }
}

fn goals(report: &mut Report, measured: &[Measured]) {
    section(report, "HTTP, credit, /predict: goals");
    if let Some(fresh) = find(measured, FRESH, 1) {
        figure(
            report,
            "fresh instance, one connection, p50",
            Goal::AtMost(120.0),
            fresh.middle(|load| load.p50_us),
            us,
        );
    }
    let pairs = [
        (
            "fresh instance / wasmtime serve as it comes",
            FRESH,
            STOCK,
            4.0,
        ),
        ("fresh instance / wasmtime serve tuned", FRESH, TUNED, 1.2),
        (
            "reuse / wasmtime serve tuned with reuse",
            REUSED,
            WASMTIME_REUSED,
            1.0,
        ),
        ("reuse / native server", REUSED, NATIVE, 0.6),
        ("fresh instance / native server", FRESH, NATIVE, f64::NAN),
    ];
    for (what, ours, theirs, goal) in pairs {
        for connections in CONNECTIONS {
            let ours = find(measured, ours, connections);
            let (Some(ours), Some(theirs)) = (ours, find(measured, theirs, connections)) else {
                continue;
            };
            let goal = if goal.is_nan() {
                Goal::Open
            } else {
                Goal::AtLeast(goal)
            };
            let ratio = ours.over(theirs, |load| load.requests_per_second);
            let what = format!("requests/s, {what}, connections: {connections}");
            figure(report, what, goal, ratio, times);
        }
    }
}
