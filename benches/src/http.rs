//! (b) Requests per second and latency over loopback, a fresh instance per request, beside an ONNX Runtime server in
//! Python under the same load generator (`wrk`).

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::arguments::Arguments;
use crate::report::Report;

/// A server that is stopped when the measurement is over.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `wrk` saw.
struct Load {
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    errors: f64,
}

/// Loads both servers with the same requests, one connection and sixteen.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    report.section(
        "HTTP, credit, fresh instance per request (goal at 16 connections: ≥ 8× the requests/s, p99 ≤ 1/4)",
        &["server", "request", "connections", "requests/s", "p50", "p99", "errors", "requests/s ratio", "p99 ratio"],
    );
    let row = golden_body(arguments)?;
    let ours = free_address()?;
    let _ours = Server(
        Command::new(&arguments.hyaline)
            .args(["serve"])
            .arg(arguments.functions.join("credit.wasm"))
            .args(["--listen", &ours])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start hyaline serve")?,
    );
    let theirs = free_address()?;
    let (host, port) = theirs.split_once(':').context("an address has a port")?;
    let _theirs = Server(
        Command::new(&arguments.python)
            .arg(arguments.repository.join("benches/rivals/server.py"))
            .args(["--host", host, "--port", port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start the Python server")?,
    );
    wait_for(&ours)?;
    wait_for(&theirs)?;
    let script = write_script(&row)?;
    for connections in [1, 16] {
        let python = load(&theirs, "/predict", connections, &script)?;
        let predict = load(&ours, "/predict", connections, &script)?;
        let explain = load(&ours, "/explain", connections, &script)?;
        row_of(
            report,
            "Python: FastAPI + ONNX Runtime",
            "/predict",
            connections,
            &python,
            &python,
        );
        row_of(
            report,
            "hyaline serve",
            "/predict",
            connections,
            &predict,
            &python,
        );
        row_of(
            report,
            "hyaline serve",
            "/explain",
            connections,
            &explain,
            &python,
        );
    }
    Ok(())
}

fn row_of(
    report: &mut Report,
    server: &str,
    path: &str,
    connections: u32,
    load: &Load,
    rival: &Load,
) {
    report.row(&[
        server.to_owned(),
        path.to_owned(),
        connections.to_string(),
        format!("{:.0}", load.requests_per_second),
        format!("{:.0} µs", load.p50_us),
        format!("{:.0} µs", load.p99_us),
        format!("{:.0}", load.errors),
        format!(
            "{:.1}×",
            load.requests_per_second / rival.requests_per_second
        ),
        format!("{:.2}", load.p99_us / rival.p99_us),
    ]);
}

fn golden_body(arguments: &Arguments) -> Result<String> {
    let path = arguments.repository.join("models/credit/golden.jsonl");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let golden: Value = serde_json::from_str(text.lines().next().context("no golden row")?)?;
    Ok(golden["row"].to_string())
}

/// A loopback address nobody listens on.
fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

fn wait_for(address: &str) -> Result<()> {
    let started = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        if started.elapsed() > Duration::from_secs(30) {
            bail!("nobody listens on {address} after 30 s");
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// A `wrk` script that posts `body` and prints what it saw as one JSON line.
fn write_script(body: &str) -> Result<std::path::PathBuf> {
    let path = std::env::temp_dir().join(format!("hyaline-bench-{}.lua", std::process::id()));
    let script = format!(
        "wrk.method = 'POST'\nwrk.headers['content-type'] = 'application/json'\nwrk.body = [==[{body}]==]\n\
         done = function(summary, latency)\n\
           local e = summary.errors\n\
           print(string.format('{{\"rps\":%f,\"p50\":%f,\"p99\":%f,\"errors\":%d}}', summary.requests / summary.duration * 1e6,\n\
             latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))\n\
         end\n"
    );
    std::fs::write(&path, script)?;
    Ok(path)
}

fn load(address: &str, path: &str, connections: u32, script: &Path) -> Result<Load> {
    let url = format!("http://{address}{path}");
    let mut loaded = None;
    // The first, short run warms both sides up.
    for seconds in ["1s", "6s"] {
        let mut wrk = Command::new("wrk")
            .args(["-t1", "-c", &connections.to_string(), "-d", seconds, "-s"])
            .arg(script)
            .arg(&url)
            .stdout(Stdio::piped())
            .spawn()
            .context("start wrk (Debian's package `wrk`)")?;
        let output = wrk.stdout.take().context("wrk prints")?;
        let lines: Vec<String> = BufReader::new(output)
            .lines()
            .collect::<std::io::Result<_>>()?;
        wrk.wait()?;
        let line = lines
            .iter()
            .find(|line| line.starts_with('{'))
            .context("wrk printed no summary")?;
        let summary: Value = serde_json::from_str(line)?;
        let number = |name: &str| {
            summary[name]
                .as_f64()
                .with_context(|| format!("wrk's summary lacks {name}"))
        };
        loaded = Some(Load {
            requests_per_second: number("rps")?,
            p50_us: number("p50")?,
            p99_us: number("p99")?,
            errors: number("errors")?,
        });
    }
    loaded.context("wrk ran")
}
