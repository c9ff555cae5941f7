//! The control API, asked.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use hyaline_control::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use ureq::http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

const CONNECT: Duration = Duration::from_secs(10);
/// For the whole of a request: a host compiles a large component before it answers.
const ANSWER: Duration = Duration::from_secs(300);
/// Bytes of the longest answer that is read.
const LONGEST: u64 = 256 << 20;

/// Which host is asked, and by whom.
#[derive(clap::Args)]
pub(crate) struct Host {
    /// The host's control address
    #[arg(
        long,
        value_name = "URL",
        env = "HYALINE_HOST",
        default_value = "http://127.0.0.1:3001",
        help_heading = "Host"
    )]
    host: String,
    /// A control key; better in the environment or a file than here, where other users can see it
    #[arg(
        long,
        env = "HYALINE_KEY",
        hide_env_values = true,
        help_heading = "Host"
    )]
    key: Option<String>,
    /// A file with a control key
    #[arg(long, value_name = "FILE", help_heading = "Host")]
    key_file: Option<PathBuf>,
    /// Certificates (PEM) to trust instead of the public ones
    #[arg(long, value_name = "FILE", env = "HYALINE_CA", help_heading = "Host")]
    ca: Option<PathBuf>,
}

/// One host.
pub(crate) struct Client {
    agent: Agent,
    base: String,
    authorization: Option<HeaderValue>,
}

impl Client {
    pub(crate) fn new(host: &Host) -> Result<Client> {
        let base = host.host.trim_end_matches('/').to_owned();
        let uri: Uri = base
            .parse()
            .ok()
            .filter(|uri: &Uri| {
                matches!(uri.scheme_str(), Some("http" | "https"))
                    && uri.query().is_none()
                    && uri
                        .authority()
                        .is_some_and(|authority| !authority.as_str().contains('@'))
            })
            .with_context(|| {
                format!(
                    "`{}` is not the address of a host, such as `http://127.0.0.1:3001`",
                    host.host
                )
            })?;
        let name = uri.host().unwrap_or_default();
        let local = is_local(name);
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("hyaline/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(ANSWER));
        if local {
            // A proxy of the environment leads out of this machine, not back into it.
            config = config.proxy(None);
        }
        if let Some(path) = &host.ca {
            config = config.tls_config(TlsConfig::builder().root_certs(roots(path)?).build());
        }
        let authorization = key(host)?;
        if authorization.is_some() && !local && uri.scheme_str() == Some("http") {
            eprintln!(
                "warning: the key goes to `{name}` unencrypted; use the host's `https://` address"
            );
        }
        Ok(Client {
            agent: config.build().into(),
            base,
            authorization,
        })
    }

    /// Reads a document.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.document(self.ask(Method::GET, path, "application/json", None)?)
    }

    /// Reads a text of another type.
    pub(crate) fn text(&self, path: &str, accept: &'static str) -> Result<String> {
        let bytes = self.bytes(self.ask(Method::GET, path, accept, None)?)?;
        String::from_utf8(bytes).context("the host's answer is not UTF-8")
    }

    /// Sends a document, gets another.
    pub(crate) fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T> {
        let content_type = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let body = serde_json::to_vec(document)?;
        let body = Some((content_type, body));
        self.document(self.ask(method, path, "application/json", body)?)
    }

    /// Asks for something to be done, gets a document.
    pub(crate) fn act<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.document(self.ask(Method::POST, path, "application/json", empty())?)
    }

    /// Asks for something to be done; what the host says about it is not needed.
    pub(crate) fn order(&self, path: &str) -> Result<()> {
        self.bytes(self.ask(Method::POST, path, "application/json", empty())?)
            .map(drop)
    }

    /// Sends a component; says whether it is new to the function.
    pub(crate) fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        component: Vec<u8>,
    ) -> Result<(T, bool)> {
        let body = Some(("application/wasm", component));
        let response = self.ask(Method::POST, path, "application/json", body)?;
        let new = response.status() == StatusCode::CREATED;
        Ok((self.document(response)?, new))
    }

    pub(crate) fn delete(&self, path: &str) -> Result<()> {
        self.bytes(self.ask(Method::DELETE, path, "application/json", None)?)
            .map(drop)
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        accept: &'static str,
        body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Response<Body>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(ACCEPT, accept);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let response = match body {
            Some((content_type, body)) => self
                .agent
                .run(request.header(CONTENT_TYPE, content_type).body(body)?),
            None => self.agent.run(request.body(())?),
        };
        let response = response.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.refusal(response))
        }
    }

    fn bytes(&self, mut response: Response<Body>) -> Result<Vec<u8>> {
        response
            .body_mut()
            .with_config()
            .limit(LONGEST)
            .read_to_vec()
            .with_context(|| format!("the answer of the host at {} broke off", self.base))
    }

    fn document<T: DeserializeOwned>(&self, response: Response<Body>) -> Result<T> {
        let bytes = self.bytes(response)?;
        serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "{} answers, but not as a Hyaline host of this version ({}) does; is it the control address?",
                self.base,
                env!("CARGO_PKG_VERSION")
            )
        })
    }

    fn unreachable(&self, error: ureq::Error) -> anyhow::Error {
        let base = &self.base;
        match error {
            ureq::Error::Io(source) if source.kind() == std::io::ErrorKind::ConnectionRefused => {
                anyhow!(
                    "no host runs at {base}; start one with `hyaline up`, or name another with `--host` or HYALINE_HOST"
                )
            }
            error => anyhow::Error::new(error).context(format!("cannot reach the host at {base}")),
        }
    }

    fn refusal(&self, response: Response<Body>) -> anyhow::Error {
        let status = response.status();
        let bytes = self.bytes(response).unwrap_or_default();
        let said = match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => super::plain(&problem.detail),
            Err(_) => {
                let text: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
                format!(
                    "{} answers {status}, not as a Hyaline host does: {}",
                    self.base,
                    super::plain(text.trim())
                )
            }
        };
        if status == StatusCode::UNAUTHORIZED {
            anyhow!("{said}; give a control key with `--key-file` or HYALINE_KEY")
        } else {
            anyhow!(said)
        }
    }
}

/// No body, but a body's headers: what a POST without anything to say sends.
fn empty() -> Option<(&'static str, Vec<u8>)> {
    Some(("application/json", Vec::new()))
}

fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The key as a header. One named on the command line, as a text or as a file, goes before that of the environment.
fn key(host: &Host) -> Result<Option<HeaderValue>> {
    let key = match (&host.key_file, &host.key) {
        (Some(path), _) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the key in `{}`", path.display()))?,
        (None, Some(key)) => key.clone(),
        (None, None) => return Ok(None),
    };
    let key = key.trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("the control key is empty or has characters that no key has");
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn roots(path: &std::path::Path) -> Result<RootCerts> {
    let name = || format!("the certificates in `{}`", path.display());
    let pem = std::fs::read(path).with_context(|| format!("cannot read {}", name()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) =
            item.with_context(|| format!("{} are not PEM", name()))?
        {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        bail!("{}: there are none", name());
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
