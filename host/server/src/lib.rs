//! The platform: functions that come, change and go while the others answer. The only crate that listens.
//!
//! ```text
//! Configuration ── one document of file, environment and flags
//! Application ──── what a `spin.toml` declares (the same file Spin reads), or one component
//!   └─ Server::start ── opens the state, takes the addresses
//!        ├─ net ────── connections and their bounds, TLS, draining
//!        ├─ data ───── calls: route, gateway, admission, version, function, answer, record
//!        ├─ control ── the control API, the dashboard, what monitoring asks
//!        └─ platform ─ what both share: registry, loaded functions, ledger, keys, telemetry, events
//! ```
//!
//! A call runs in a fresh instance of its function (unless the function's settings allow reuse). What a client sends is
//! bounded before a function sees it. What no function answers is answered here, as `{"error": "…"}` with the status
//! that fits; the control API answers with RFC 9457 documents.

#![forbid(unsafe_code)]

mod application;
mod configuration;
mod control;
mod data;
mod error;
mod manifest;
mod net;
mod platform;
mod server;
mod signal;
mod startup;

pub use application::{Application, Build, Component};
pub use configuration::{
    Configuration, ConfigurationError, ConnectionsDocument, ControlAddress, Document, Entry, Flag,
    LimitsDocument, LogDocument, LogFormat, LogInvocations, MemoryDocument, Origin, OtlpDocument,
    PricesDocument, TlsDocument,
};
pub use data::{Route, RouteError};
pub use error::{ApplicationError, StartError};
pub use net::CertificateError;
pub use platform::{Applier, ApplyError, issue_key, start_log};
pub use server::{Drained, Server};
pub use signal::termination;
pub use startup::{Startup, StartupRoute};
