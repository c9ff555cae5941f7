//! A running host of functions, its control API, and clients that call.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request};

use crate::process::{Process, free_address};

/// For the whole of a request: a host compiles an engine it has not seen before it answers.
const ANSWER: Duration = Duration::from_secs(300);

/// `hyaline up` on a state folder, without a manifest.
pub struct Host {
    process: Process,
    calls: String,
    control: String,
    /// From the start of the process to its first answer.
    pub started: Duration,
}

/// What a server answered.
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
    /// From the request to the end of the answer.
    pub took: Duration,
}

/// A connection of its own, kept open between requests.
pub struct Client(Agent);

impl Client {
    /// A client that has no connection yet.
    pub fn new() -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(ANSWER));
        Client(config.build().into())
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// There is no answer.
    pub fn ask(&self, method: Method, url: &str, body: &[u8]) -> Result<Reply> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("content-type", "application/json");
        let begun = Instant::now();
        let response = if body.is_empty() {
            self.0.run(request.body(())?)
        } else {
            self.0.run(request.body(body)?)
        };
        let mut response = response.with_context(|| format!("ask {url}"))?;
        let body = response
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_vec()?;
        Ok(Reply {
            status: response.status().as_u16(),
            body,
            took: begun.elapsed(),
        })
    }
}

impl Reply {
    /// The answer, if it is a good one.
    ///
    /// # Errors
    /// Its status is not one of 200 to 299.
    pub fn good(self) -> Result<Reply> {
        if !(200..300).contains(&self.status) {
            bail!("{}: {}", self.status, String::from_utf8_lossy(&self.body));
        }
        Ok(self)
    }
}

/// A host starts with what it has by default, not with what is set in this environment or folder.
pub fn hyaline(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HYALINE_") {
            command.env_remove(name);
        }
    }
    command
}

impl Host {
    /// Starts a host whose state is in `folder`, and waits until it answers.
    ///
    /// # Errors
    /// It does not start.
    pub fn up(program: &Path, folder: &Path, settings: &[&str]) -> Result<Host> {
        let (calls, control) = (free_address()?, free_address()?);
        let mut command = hyaline(program, folder);
        command.args(["up", "--listen", &calls, "--control", &control, "--state"]);
        command.arg(folder.join("state"));
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut process = Process::start(&mut command, folder.join("host.log"))?;
        let started = process.wait_for(&calls).context("hyaline up")?;
        Ok(Host {
            process,
            calls,
            control,
            started,
        })
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// It does not stop.
    pub fn stop(self) -> Result<()> {
        self.process.stop()
    }

    /// Where a function answers.
    pub fn url(&self, function: &str, path: &str) -> String {
        format!("http://{}/{function}{path}", self.calls)
    }

    /// Asks the control API.
    ///
    /// # Errors
    /// It refuses.
    pub fn control(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        body: &[u8],
    ) -> Result<Reply> {
        let url = format!("http://{}/api/{path}", self.control);
        client
            .ask(method, &url, body)?
            .good()
            .with_context(|| format!("/api/{path}"))
    }

    /// A document of the control API.
    ///
    /// # Errors
    /// There is none.
    pub fn document(&self, client: &Client, path: &str) -> Result<Value> {
        let reply = self.control(client, Method::GET, path, &[])?;
        Ok(serde_json::from_slice(&reply.body)?)
    }

    /// Makes a component the live version of a function.
    ///
    /// # Errors
    /// The host refuses it.
    pub fn deploy(&self, client: &Client, function: &str, component: &[u8]) -> Result<()> {
        let path = format!("functions/{function}/versions");
        self.control(client, Method::POST, &path, component)
            .map(drop)
    }

    /// Changes what is set for a function.
    ///
    /// # Errors
    /// The host refuses it.
    pub fn set(&self, client: &Client, function: &str, settings: &Value) -> Result<()> {
        let path = format!("functions/{function}/settings");
        let settings = settings.to_string();
        self.control(client, Method::PATCH, &path, settings.as_bytes())
            .map(drop)
    }

    /// Deletes a function.
    ///
    /// # Errors
    /// The host refuses it.
    pub fn delete(&self, client: &Client, function: &str) -> Result<()> {
        self.control(
            client,
            Method::DELETE,
            &format!("functions/{function}"),
            &[],
        )
        .map(drop)
    }

    /// How many functions are in memory.
    ///
    /// # Errors
    /// The control API does not say.
    pub fn loaded(&self, client: &Client) -> Result<u64> {
        let overview = self.document(client, "overview")?;
        overview["host"]["loaded"]
            .as_u64()
            .context("the overview tells how many functions are loaded")
    }
}

/// Does `work` for the numbers from 0 to before `count`, in order, by so many clients at once, until `until`; how many
/// were done, which are the first ones.
///
/// # Errors
/// The first error of any client; the others stop then.
pub fn share(
    count: usize,
    clients: usize,
    until: Instant,
    work: impl Fn(&Client, usize) -> Result<()> + Sync,
) -> Result<usize> {
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    let stop = AtomicBool::new(false);
    let turn = |client: &Client| {
        if stop.load(Relaxed) || Instant::now() >= until {
            return ControlFlow::Break(());
        }
        let number = next.fetch_add(1, Relaxed);
        if number >= count {
            return ControlFlow::Break(());
        }
        if let Err(error) = work(client, number) {
            stop.store(true, Relaxed);
            if let Ok(mut failure) = failure.lock() {
                failure.get_or_insert(error);
            }
        }
        ControlFlow::Continue(())
    };
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let client = Client::new();
                while turn(&client).is_continue() {}
            });
        }
    });
    match failure.into_inner().ok().flatten() {
        Some(error) => Err(error),
        None => Ok(next.into_inner().min(count)),
    }
}

/// Ends what runs beside a measurement when that is over, however it ended.
pub struct Until<'a>(pub &'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
