//! A host in this process, on free ports, with a client that takes every status for an answer.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use hyaline_server::{Application, Configuration, Drained, Server, Startup};
use serde_json::Value;
use tokio::sync::oneshot;

pub struct Host {
    pub startup: Startup,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Drained>>,
}

/// A configuration that differs from the defaults in these members; ports are free ones, the state is temporary.
pub fn configuration(members: &[(&str, &str)]) -> Configuration {
    let own = [
        ("listen", "127.0.0.1:0"),
        ("control", "127.0.0.1:0"),
        ("state", ""),
        ("concurrency", "8"),
        ("limits.concurrency", "4"),
    ];
    let pairs = own.iter().chain(members);
    let own = pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Configuration::assemble(own, None, [], []).unwrap()
}

impl Host {
    pub fn start(members: &[(&str, &str)]) -> Host {
        Host::with(&configuration(members), &Application::nothing())
    }

    /// A host whose state lies in `folder`.
    pub fn at(folder: &Path, members: &[(&str, &str)]) -> Host {
        let folder = folder.to_str().unwrap();
        let members: Vec<(&str, &str)> = [("state", folder)]
            .into_iter()
            .chain(members.iter().copied())
            .collect();
        Host::start(&members)
    }

    pub fn with(configuration: &Configuration, application: &Application) -> Host {
        let (configuration, application) = (configuration.clone(), application.clone());
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::start(&configuration, &application).await.unwrap();
                ready.send(server.startup().clone()).unwrap();
                server
                    .serve(async {
                        // Dropping the sender stops the host, too.
                        let _ = stopped.await;
                    })
                    .await
            })
        });
        let startup = started
            .recv_timeout(Duration::from_secs(60))
            .expect("the host starts");
        Host {
            startup,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn stop(mut self) -> Drained {
        self.stop.take();
        self.thread.take().unwrap().join().unwrap()
    }

    pub fn address(&self) -> String {
        self.startup
            .base_url
            .rsplit_once("//")
            .unwrap()
            .1
            .to_owned()
    }

    /// A call to the data port.
    pub fn call(&self, path: &str) -> Request {
        Request::to(format!("{}{path}", self.startup.base_url))
    }

    /// A request to the control port.
    pub fn control(&self, path: &str) -> Request {
        Request::to(format!(
            "{}{path}",
            self.startup.control_url.as_ref().unwrap()
        ))
    }

    /// Deploys a component and answers the number of its version.
    pub fn deploy(&self, name: &str, component: &[u8]) -> u64 {
        let answer = self
            .control(&format!("/api/functions/{name}/versions"))
            .header("content-type", "application/wasm")
            .post(component);
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        answer.json()["version"].as_u64().unwrap()
    }

    /// Changes settings by a merge patch.
    pub fn patch(&self, name: &str, patch: Value) -> Answer {
        self.control(&format!("/api/functions/{name}/settings"))
            .header("content-type", "application/merge-patch+json")
            .send("PATCH", patch.to_string().as_bytes())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub struct Request {
    url: String,
    headers: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Request {
    fn to(url: String) -> Request {
        Request {
            url,
            headers: Vec::new(),
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn get(self) -> Answer {
        self.send("GET", b"")
    }

    pub fn post(self, body: &[u8]) -> Answer {
        self.send("POST", body)
    }

    pub fn json(self, method: &str, body: Value) -> Answer {
        self.header("content-type", "application/json")
            .send(method, body.to_string().as_bytes())
    }

    pub fn send(self, method: &str, body: &[u8]) -> Answer {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .into();
        let mut request = ureq::http::Request::builder().method(method).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut response = match (method, body.is_empty()) {
            ("GET" | "HEAD" | "DELETE" | "OPTIONS", true) => agent.run(request.body(()).unwrap()),
            _ => agent.run(request.body(body.to_vec()).unwrap()),
        }
        .unwrap_or_else(|error| panic!("{method} {}: {error}", self.url));
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response
                .body_mut()
                .with_config()
                .limit(256 << 20)
                .read_to_vec()
                .unwrap(),
        }
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?} {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The refusal of a call, or the detail of a problem of the control API.
    #[track_caller]
    pub fn refusal(&self) -> String {
        let json = self.json();
        let text = json["error"].as_str().or(json["detail"].as_str());
        text.unwrap_or_else(|| panic!("{json}")).to_owned()
    }
}
