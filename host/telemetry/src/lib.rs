//! What a host shows of itself: Prometheus metrics, OTLP traces and metrics, structured logs.
//!
//! ```text
//! Telemetry ── one per process
//!   ├─ series(function, version) ── Series     record(&Call)                    atomics only
//!   ├─ route(route)              ── RouteSeries record(method, status, duration) atomics only
//!   ├─ span(parent)              ── Span        set_headers, end(&SpanEnd)       a bounded queue, when sampled
//!   ├─ render(format)               Prometheus text of all that was recorded
//!   ├─ snapshot(now)                percentiles of the last minutes, for a dashboard
//!   └─ shutdown(within)             flushes what is exported
//! init(&LogConfig) ── LogGuard      tracing's events as lines of JSON, written by a thread of its own
//! ```
//!
//! Everything is recorded once, in atomics, and everything else is made of that when somebody looks: several families of
//! metrics with the names that dashboards already know, the metrics of OTLP, and the percentiles. Nothing on the path of
//! a request waits for a collector, a scraper or a disk; what cannot be kept is dropped and counted.
//!
//! This crate listens nowhere. It opens connections to the OTLP collector that [`OtlpConfig`] names, and to nothing else.

#![forbid(unsafe_code)]

mod error;
mod log;
mod metrics;
mod otlp;
mod recording;
mod snapshot;
mod telemetry;
mod trace;

pub use error::TelemetryError;
pub use log::{InvocationRecord, LogConfig, LogDestination, LogDrops, LogFormat, LogGuard, init};
pub use metrics::{Dialects, Format};
pub use otlp::OtlpConfig;
pub use recording::{
    Budget, Call, Fault, HostReading, Outcome, Phase, Rejection, RouteSeries, Series, Trigger,
    Waiting,
};
pub use snapshot::{Figures, FunctionSnapshot, Snapshot};
pub use telemetry::{Config, Telemetry};
pub use trace::{SampleRatio, Span, SpanEnd, SpanId, TraceContext, TraceId};
