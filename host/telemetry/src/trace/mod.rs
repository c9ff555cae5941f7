//! Traces: who called whom, across hosts.

mod context;
mod span;

pub use context::{SpanId, TraceContext, TraceId};
pub(crate) use span::{FinishedSpan, Tracer};
pub use span::{SampleRatio, Span, SpanEnd};
