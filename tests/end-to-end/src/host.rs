//! A host with its control plane, run by the `hyaline` command over a state folder of the test's own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{Answer, ask, hyaline, packed};

/// How long a host may take to start, to end, or to do what a test waits for: a machine that tests may be slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running host; it is killed when this is dropped.
pub struct Host {
    process: Child,
    /// Kept open: a host whose output nobody can read would end.
    _output: BufReader<ChildStdout>,
    /// Where calls go: `http://host:port`.
    pub url: String,
    /// Where the control plane is.
    pub control: String,
}

impl Host {
    /// `hyaline up` over this state folder, on free ports, with more arguments such as `--set limits.deadline_ms=500`.
    pub fn up(state: &Path, arguments: &[&str]) -> Result<Host> {
        let mut command = hyaline();
        Host::arguments(&mut command, state).args(arguments);
        Host::start(command)
    }

    /// Gives a command the arguments that every host of the tests has.
    pub fn arguments<'c>(command: &'c mut Command, state: &Path) -> &'c mut Command {
        command
            .args([
                "up",
                "--listen",
                "127.0.0.1:0",
                "--control",
                "127.0.0.1:0",
                "--state",
            ])
            .arg(state)
            // Without a manifest of its own, a host would take the one of the folder it is started in.
            .current_dir(state.parent().unwrap_or(state))
    }

    /// Starts a command that becomes a host, and waits until it says where it is.
    ///
    /// # Errors
    /// It cannot be started, or ends before it says so.
    pub fn start(mut command: Command) -> Result<Host> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let output = process.stdout.take().context("the host has an output")?;
        let mut host = Host {
            process,
            _output: BufReader::new(output),
            url: String::new(),
            control: String::new(),
        };
        let mut line = String::new();
        while host._output.read_line(&mut line)? > 0 {
            if let Some(at) = line.find("http://") {
                let url = line[at..].split_whitespace().next().unwrap_or_default();
                let url = url.trim_end_matches('/').to_owned();
                if !line.starts_with("control plane") {
                    host.url = url;
                } else {
                    host.control = url;
                    return Ok(host);
                }
            }
            line.clear();
        }
        bail!(
            "the host ended without saying where it is: {}",
            host.process.wait()?
        )
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Runs a `hyaline` command against this host's control plane.
    pub fn command(&self, arguments: &[&str]) -> Result<Output> {
        hyaline()
            .args(arguments)
            .env("HYALINE_HOST", &self.control)
            .env_remove("HYALINE_KEY")
            .output()
            .context("start hyaline")
    }

    /// Runs such a command and returns what it printed.
    ///
    /// # Errors
    /// It fails; the error has its words.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments)?;
        ensure!(
            output.status.success(),
            "`hyaline {}` failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Deploys packed demonstration functions under their own names.
    pub fn deploy(&self, names: &[&str]) -> Result<()> {
        for name in names {
            let path = packed(name);
            self.run(&["deploy", name, &path.to_string_lossy()])?;
        }
        Ok(())
    }

    /// Posts a row to a function's `/predict`.
    pub fn predict(&self, function: &str, row: &Value) -> Result<Answer> {
        let url = format!("{}/{function}/predict", self.url);
        let headers = [("content-type", "application/json")];
        ask("POST", &url, &headers, row.to_string().as_bytes())
    }

    /// Sends a request to the control API.
    pub fn api(&self, method: &str, path: &str, body: &[u8]) -> Result<Answer> {
        let headers = [("content-type", "application/json")];
        ask(method, &format!("{}{path}", self.control), &headers, body)
    }

    /// Memory of the process that is its own, in bytes.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line
            .and_then(|line| line.split_whitespace().next())
            .context("RssAnon")?;
        Ok(kib.parse::<u64>()? << 10)
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()?;
        ensure!(status.success(), "kill -s {name} failed: {status}");
        Ok(())
    }

    /// Waits until the process has ended.
    pub fn ended(mut self) -> Result<ExitStatus> {
        let process = &mut self.process;
        patiently("the host ends", || Ok(process.try_wait()?))
    }

    /// `kill -9`
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks again and again until there is an answer, for a minute at most.
///
/// # Errors
/// Asking fails, or the minute is over; `what` says what was waited for.
pub fn patiently<T>(what: &str, mut answer: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = answer()? {
            return Ok(answer);
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "waited a minute for this: {what}"
        );
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
