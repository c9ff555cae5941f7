//! Serves functions over HTTP: the only crate that opens sockets.
//!
//! ```text
//! Application ── what to serve: a `spin.toml` (the same file Spin reads), or one component
//!   └─ Server::bind ── takes the address, loads the functions
//!        └─ serve ── until told to stop, then lets requests in flight finish
//! ```
//!
//! Every request runs in a fresh instance of its function. What a client sends is bounded before a function sees it:
//! head, body, time to send them. What cannot be answered by the function is answered here, as `{"error": "…"}` with
//! the status that fits: 400, 404, 405, 408, 413, 500, 503, 504 or 507.

#![forbid(unsafe_code)]

mod application;
mod body;
mod error;
mod forward;
mod manifest;
mod reply;
mod route;
mod server;
mod service;
mod signal;
mod startup;

pub use application::{Application, Build, Component};
pub use error::{ApplicationError, BindError};
pub use route::{Route, RouteError};
pub use server::{Config, Drained, Server};
pub use signal::termination;
pub use startup::{Startup, StartupRoute};
