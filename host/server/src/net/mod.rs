//! Listening: connections, their bounds, transport security, draining.

mod beginning;
mod connection;
mod listener;
mod tls;

pub(crate) use connection::Peer;
pub(crate) use listener::{Bounds, Door, bind, drain, listen};
pub(crate) use tls::Certificate;
pub use tls::CertificateError;
