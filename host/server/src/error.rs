//! Why a server does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use hyaline_gateway::{Exposed, KeyError};
use hyaline_metering::{LedgerError, PriceError};
use hyaline_registry::OpenError;
use hyaline_runtime::{AllowedHostsError, EngineError};
use hyaline_telemetry::TelemetryError;

use crate::data::RouteError;
use crate::net::CertificateError;
use crate::platform::ApplyError;

/// A manifest, or a component named on the command line, cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    /// The manifest cannot be read.
    #[error("cannot read the manifest `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The manifest is not TOML, or something in it has the wrong type.
    #[error("`{}` is not a Spin manifest: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what, as the TOML parser says it.
        reason: String,
    },
    /// The manifest is of another version.
    #[error(
        "`spin_manifest_version` is {found}; this host reads version 2 (`spin doctor` upgrades a version 1 manifest)"
    )]
    Version {
        /// What it says.
        found: String,
    },
    /// The manifest asks for a kind of event this host does not serve.
    #[error(
        "trigger type `{kind}` is not served here, only `http`; remove `[[trigger.{kind}]]` or run the application with Spin"
    )]
    TriggerKind {
        /// The kind.
        kind: String,
    },
    /// The manifest has no HTTP trigger.
    #[error("the manifest has no `[[trigger.http]]`, so there is nothing to serve")]
    NoTrigger,
    /// A trigger asks for something this host does not do.
    #[error("the http trigger for {route}: {reason}")]
    Trigger {
        /// Its route, as written.
        route: String,
        /// What it asks for, and the remedy.
        reason: String,
    },
    /// A trigger names a component that is not in the manifest.
    #[error(
        "the http trigger for `{route}` names component `{component}`, which the manifest does not define; it defines: {known}"
    )]
    UnknownComponent {
        /// Its route.
        route: String,
        /// The missing component.
        component: String,
        /// The components there are.
        known: String,
    },
    /// A component's source is not a file.
    #[error(
        "component `{component}`: its source is {found}; this host takes a path to a file: download it, and write `source = \"name.wasm\"`"
    )]
    Source {
        /// The component.
        component: String,
        /// What the source is instead.
        found: &'static str,
    },
    /// A route is malformed.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// An outbound host is malformed.
    #[error("component `{component}`")]
    Outbound {
        /// The component.
        component: String,
        /// What is wrong with it.
        source: AllowedHostsError,
    },
    /// A template names a variable that has no value.
    #[error(
        "component `{component}`: `{{{{ {variable} }}}}` has no value; give the variable a `default` in `[variables]`"
    )]
    Variable {
        /// The component.
        component: String,
        /// The variable.
        variable: String,
    },
}

/// A host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not of this machine.
    #[error("cannot listen on {address}{}", address_hint(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The control plane would be open to everybody.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The registry does not open.
    #[error(transparent)]
    Registry(#[from] OpenError),
    /// The ledger does not open.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The keys do not open.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A file of the state cannot be used.
    #[error("cannot use `{}`", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such price table.
    #[error(
        "`prices.table` is `{named}`, which is neither a built-in table ({built_in}) nor a file that can be read"
    )]
    Prices {
        /// What it says.
        named: String,
        /// The tables there are.
        built_in: String,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// The price table cannot be.
    #[error(transparent)]
    PriceTable(#[from] PriceError),
    /// Telemetry does not start.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// A function of the application cannot be served.
    #[error(transparent)]
    Application(#[from] ApplyError),
    /// A thread that was needed was lost.
    #[error("starting was interrupted")]
    Interrupted,
}

fn address_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            ": the port is in use; choose another with `--listen` (or `--control`), or port 0 for any free one"
        }
        io::ErrorKind::PermissionDenied => {
            ": ports below 1024 need privileges; choose another with `--listen`"
        }
        _ => "",
    }
}
