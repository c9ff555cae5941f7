//! What was counted, as families of metrics: the same for Prometheus and for OTLP.

mod collect;
mod exposition;
mod family;
mod process;

pub use collect::Dialects;
pub(crate) use collect::{Sources, collect};
pub use exposition::Format;
pub(crate) use exposition::render;
pub(crate) use family::{Distribution, Family, Kind, Label, Text, Value};
pub(crate) use process::Process;
