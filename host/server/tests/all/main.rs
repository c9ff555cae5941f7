//! The server end to end, on a free port, and the manifests it reads.

#[path = "../../../runtime/tests/guests/mod.rs"]
mod guests;

mod http;
mod manifests;
