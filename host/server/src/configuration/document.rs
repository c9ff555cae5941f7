//! What can be configured, and what holds when nothing is said.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The configuration of a host. In a file it is TOML, `hyaline.toml`; each member is also an environment variable
/// (`limits.deadline_ms` is `HYALINE_LIMITS_DEADLINE_MS`) and a flag (`--set limits.deadline_ms=500`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Document {
    /// Address and port for calls; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Address and port of the control API and the dashboard, or `off`.
    pub control: ControlAddress,
    /// The directory of this host's state; empty: a temporary one, gone when the host stops.
    pub state: PathBuf,
    /// The directory for compiled functions; empty: `cache` in the state directory.
    pub cache: PathBuf,
    /// Requests that run at once, over all functions. An eighth of these places is kept: of them a function may have one
    /// at a time.
    pub concurrency: u32,
    /// Requests that wait for one of those places; one more is answered 503.
    pub queue: u32,
    /// Milliseconds a request waits for a place before it is answered 503.
    pub queue_wait_ms: u64,
    /// Milliseconds that requests in flight may take after the host was told to stop.
    pub drain_ms: u64,
    /// What each request may use, where a function's settings do not say otherwise.
    pub limits: LimitsDocument,
    /// What a client may do to a connection.
    pub connections: ConnectionsDocument,
    /// How long functions stay in memory.
    pub memory: MemoryDocument,
    /// Transport security; off without a certificate.
    pub tls: TlsDocument,
    /// What calls cost.
    pub prices: PricesDocument,
    /// What is logged.
    pub log: LogDocument,
    /// Where traces and metrics are sent.
    pub otlp: OtlpDocument,
}

/// What each request may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsDocument {
    /// Milliseconds from the start of the instance to the end of its answer.
    pub deadline_ms: u64,
    /// MiB of linear memory, the model included.
    pub memory_mib: u64,
    /// Table elements, all tables together; each table has 200 000 at most, whatever is set here.
    pub table_elements: u64,
    /// Bytes of the longest request body.
    pub body_bytes: u64,
    /// Requests of one function that run at once.
    pub concurrency: u32,
    /// Requests of one function that wait for a place; one more is answered 429.
    pub queue: u32,
}

/// What a client may do to a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionsDocument {
    /// Connections open at once; one more is told 503 and closed.
    pub most: u32,
    /// Bytes of the longest request head.
    pub head_bytes: u32,
    /// Headers in a request.
    pub headers: u32,
    /// MiB of request bodies held at once; the call whose body finds no room is answered 503. 0: a quarter of what the
    /// machine (or its control group) has.
    pub bodies_mib: u64,
    /// Milliseconds for a request head to arrive, and for a connection to be idle.
    pub head_wait_ms: u64,
    /// Milliseconds for a request body to arrive.
    pub body_wait_ms: u64,
    /// Milliseconds for which a client may take nothing of the answers that wait for it: not the next 16 KiB of any.
    pub write_wait_ms: u64,
}

/// How long functions stay in memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryDocument {
    /// Seconds without a call after which a function is evicted.
    pub idle_seconds: u64,
    /// Functions loaded at once; the least recently called make room.
    pub loaded: u32,
    /// MiB of memory of the whole process above which functions are evicted; 0: half of what the machine (or its
    /// control group) has.
    pub pressure_mib: u64,
}

/// Transport security.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsDocument {
    /// PEM file of the certificate chain; read again when it changes.
    pub certificate: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
}

/// What calls cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PricesDocument {
    /// A built-in price table, or the path of a TOML file with one.
    pub table: String,
    /// Days for which usage is kept: the last 35 of them by the hour, those before by the day.
    pub keep_days: u32,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogDocument {
    /// `json`, `text`, or `auto`: text on a terminal.
    pub format: LogFormat,
    /// Which invocations get a record of their own.
    pub invocations: LogInvocations,
    /// Levels, as `RUST_LOG` writes them.
    pub filter: String,
}

/// Where traces and metrics are sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpDocument {
    /// The base URL of an OTLP receiver over HTTP, such as `http://127.0.0.1:4318`; empty: none.
    pub endpoint: String,
    /// Part of the traces begun here that are kept, 0 to 1; callers' own decisions are respected.
    pub ratio: f64,
    /// Seconds between exports of metrics.
    pub metrics_seconds: u64,
}

/// How log records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Which invocations get a log record of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogInvocations {
    /// None.
    None,
    /// Those that gave no answer, or wrote to their output.
    Notable,
    /// Every one.
    All,
}

/// The address of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ControlAddress {
    /// There is none.
    Off,
    /// Here.
    At(SocketAddr),
}

impl FromStr for ControlAddress {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(ControlAddress::Off),
            _ => text.parse().map(ControlAddress::At).map_err(|_| {
                format!(
                    "`{text}` is neither an address with a port, such as 127.0.0.1:3001, nor `off`"
                )
            }),
        }
    }
}

impl TryFrom<String> for ControlAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ControlAddress> for String {
    fn from(address: ControlAddress) -> String {
        match address {
            ControlAddress::Off => "off".into(),
            ControlAddress::At(address) => address.to_string(),
        }
    }
}

impl Default for Document {
    fn default() -> Self {
        Document {
            listen: ([127, 0, 0, 1], 3000).into(),
            control: ControlAddress::At(([127, 0, 0, 1], 3001).into()),
            state: ".hyaline".into(),
            cache: PathBuf::new(),
            concurrency: 64,
            queue: 256,
            queue_wait_ms: 1000,
            drain_ms: 30_000,
            limits: LimitsDocument::default(),
            connections: ConnectionsDocument::default(),
            memory: MemoryDocument::default(),
            tls: TlsDocument::default(),
            prices: PricesDocument::default(),
            log: LogDocument::default(),
            otlp: OtlpDocument::default(),
        }
    }
}

impl Default for LimitsDocument {
    /// What managed Spin platforms give a request: 30 seconds and 128 MiB. A function may take half of the host's
    /// places; an eighth of them is kept so that a few busy functions cannot take them all.
    fn default() -> Self {
        LimitsDocument {
            deadline_ms: 30_000,
            memory_mib: 128,
            table_elements: 200_000,
            body_bytes: 8 << 20,
            concurrency: 32,
            queue: 128,
        }
    }
}

impl Default for ConnectionsDocument {
    fn default() -> Self {
        ConnectionsDocument {
            most: 4096,
            head_bytes: 64 << 10,
            headers: 100,
            bodies_mib: 0,
            head_wait_ms: 30_000,
            body_wait_ms: 30_000,
            write_wait_ms: 30_000,
        }
    }
}

impl Default for MemoryDocument {
    fn default() -> Self {
        MemoryDocument {
            idle_seconds: 600,
            loaded: 10_000,
            pressure_mib: 0,
        }
    }
}

impl Default for PricesDocument {
    fn default() -> Self {
        PricesDocument {
            table: "aws-lambda-x86".into(),
            keep_days: 400,
        }
    }
}

impl Default for LogDocument {
    fn default() -> Self {
        LogDocument {
            format: LogFormat::Auto,
            invocations: LogInvocations::Notable,
            filter: "info".into(),
        }
    }
}

impl Default for OtlpDocument {
    fn default() -> Self {
        OtlpDocument {
            endpoint: String::new(),
            ratio: 1.0,
            metrics_seconds: 60,
        }
    }
}
