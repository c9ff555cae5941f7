//! What the end-to-end tests share: the packed functions, servers that stop with the test, a plain HTTP client.

mod host;

pub use host::{Host, patiently};

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The demonstration functions.
pub const NAMES: [&str; 7] = [
    "breast-cancer",
    "credit",
    "credit-network",
    "diabetes",
    "digits",
    "reviews",
    "wine",
];

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies in the repository")
        .to_owned()
}

/// A packed demonstration function.
///
/// # Panics
/// With the command that makes it, when it is not there.
pub fn packed(name: &str) -> PathBuf {
    let path = root()
        .join("target/functions")
        .join(name)
        .with_extension("wasm");
    assert!(
        path.is_file(),
        "{} is not packed: run `cargo xtask pack`",
        path.display()
    );
    path
}

/// The `hyaline` command, as `HYALINE` names it.
///
/// # Panics
/// With the way to set it, when it is not set.
pub fn hyaline() -> Command {
    Command::new(variable("HYALINE"))
}

/// An environment variable that `cargo xtask test` sets.
///
/// # Panics
/// With that sentence, when it is not set.
pub fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests with `cargo xtask test`"))
}

/// The browser, as a path: it is started by its full name.
///
/// # Panics
/// When `HYALINE_CHROMIUM` is not set.
pub fn chromium() -> String {
    let name = variable("HYALINE_CHROMIUM");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(&name))
        .find(|file| file.is_file());
    found.map_or(name, |file| file.to_string_lossy().into_owned())
}

/// The golden rows of a demonstration model.
pub fn golden(name: &str) -> Result<Vec<Value>> {
    let path = root().join("models").join(name).join("golden.jsonl");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("read {}", path.display())))
        .collect()
}

/// A server process; it is stopped when this is dropped.
pub struct Server {
    process: Child,
    /// Kept open: a server whose output nobody can read would end.
    output: Option<BufReader<ChildStdout>>,
    /// `http://host:port`
    pub url: String,
}

impl Server {
    /// `hyaline up` for the repository's `spin.toml`, on a free port.
    pub fn up() -> Result<Server> {
        let mut command = hyaline();
        command
            .current_dir(root())
            .args(["up", "--listen", "127.0.0.1:0", "--control", "off"])
            // Nothing that a test leaves behind changes the next one.
            .args(["--state", ""]);
        Server::start(command)
    }

    /// One function on V8: `jco serve`, on a free port.
    pub fn on_v8(component: &Path) -> Result<Server> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let mut command =
            Command::new(Path::new(&variable("HYALINE_NODE_MODULES")).join(".bin/jco"));
        command.arg("serve").arg(component).args([
            "--host",
            "127.0.0.1",
            "--port",
            &port.to_string(),
        ]);
        // jco starts a second process; both are in this group.
        command.process_group(0);
        let process = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start jco")?;
        let server = Server {
            process,
            output: None,
            url: format!("http://127.0.0.1:{port}"),
        };
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if started.elapsed() > Duration::from_secs(180) {
                bail!("jco serves nothing on port {port} after three minutes");
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// Starts a server that prints its address, `http://…`, somewhere in its start-up output.
    fn start(mut command: Command) -> Result<Server> {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("start the server")?;
        let output = process.stdout.take().context("the server has an output")?;
        let mut output = BufReader::new(output);
        let mut server = Server {
            process,
            output: None,
            url: String::new(),
        };
        let mut line = String::new();
        while output.read_line(&mut line)? > 0 {
            if let Some(at) = line.find("http://") {
                let url = line[at..].split_whitespace().next().unwrap_or_default();
                let end = url
                    .match_indices('/')
                    .nth(2)
                    .map_or(url.len(), |(at, _)| at);
                url[..end].clone_into(&mut server.url);
                server.output = Some(output);
                return Ok(server);
            }
            line.clear();
        }
        bail!("the server ended without printing its address")
    }

    /// Asks for `path` below the server's address.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.get_with(path, &[])
    }

    /// Asks for `path` with these headers.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        ask("GET", &format!("{}{path}", self.url), headers, &[])
    }

    /// Posts `body` to `path` with these headers.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        ask("POST", &format!("{}{path}", self.url), headers, body)
    }

    /// Posts JSON.
    pub fn post_json(&self, path: &str, body: &Value) -> Result<Answer> {
        self.post(
            path,
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it and its group are gone afterwards.
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a request and waits for its answer, a minute at most. A refusal is an answer, too.
pub fn ask(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let sent = match body {
        [] => agent().run(request.body(())?),
        body => agent().run(request.body(body)?),
    };
    Answer::of(sent.with_context(|| format!("{method} {url}"))?)
}

/// Errors are answers here, not failures of the client.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into()
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The `content-type` header.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    fn of(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer> {
        let header = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        Ok(Answer {
            status: response.status().as_u16(),
            content_type: header.unwrap_or_default().to_owned(),
            body: response
                .body_mut()
                .with_config()
                .limit(64 << 20)
                .read_to_vec()?,
        })
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("{} {}", self.status, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Every number below `value`, in order.
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Number(number) => number.as_f64().into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Object(members) => members.values().flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}

/// Fails unless the lists agree, element by element, within `tolerance` times the larger of 1 and the magnitude.
pub fn assert_close(what: &str, ours: &[f64], truth: &[f64], tolerance: f64) {
    assert_eq!(
        ours.len(),
        truth.len(),
        "{what}: {ours:?} against {truth:?}"
    );
    for (a, b) in ours.iter().zip(truth) {
        assert!(
            (a - b).abs() <= tolerance * b.abs().max(1.0),
            "{what}: {a} against {b} ({ours:?} against {truth:?})"
        );
    }
}
