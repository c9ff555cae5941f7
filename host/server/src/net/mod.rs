//! Listening: connections, their bounds, transport security, draining.

mod connection;
mod connections;
mod lingering;
mod listener;
mod tls;
mod traffic;

pub(crate) use connection::Peer;
pub(crate) use connections::Connections;
pub(crate) use lingering::RequestBody;
pub(crate) use listener::{Bounds, Door, bind, listen};
pub(crate) use tls::Certificate;
pub use tls::CertificateError;
