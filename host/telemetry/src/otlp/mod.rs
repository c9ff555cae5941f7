//! Export to an OpenTelemetry collector: OTLP 1.x over HTTP with protobuf.
//!
//! The messages are `opentelemetry-proto`'s, the client is hyper's. OpenTelemetry's own SDK is not used: it has no
//! histograms that are read rather than recorded, so every call would be counted twice, and its queue of spans does not
//! tell how many it dropped.

mod client;
mod config;
mod exporter;
mod messages;

pub use config::OtlpConfig;
pub(crate) use exporter::{ExportCounters, Exporter};
pub(crate) use messages::Identity;
