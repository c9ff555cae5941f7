//! The host end to end, on free ports, and the manifests it reads.

#[path = "../../../runtime/tests/guests/mod.rs"]
mod guests;

mod budgets;
mod callers;
mod doors;
mod functions;
mod host;
mod http;
mod manifests;
mod settings;
mod slow;
mod state;
mod telling;
mod tls;
mod traffic;
