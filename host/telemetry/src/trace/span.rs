//! Spans: one per invocation, exported when the trace is sampled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use tokio::sync::mpsc;

use super::context::{SpanId, TraceContext, TraceId};
use crate::error::TelemetryError;
use crate::recording::Trigger;

/// Which part of the traces that begin here is sampled. Traces that begin elsewhere are sampled when their caller says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRatio(f64);

impl SampleRatio {
    /// # Errors
    /// [`TelemetryError::SampleRatio`] unless it is between 0 and 1.
    pub fn new(ratio: f64) -> Result<Self, TelemetryError> {
        if (0.0..=1.0).contains(&ratio) {
            Ok(SampleRatio(ratio))
        } else {
            Err(TelemetryError::SampleRatio { ratio })
        }
    }

    /// Decides by the random last seven bytes of the id, so that every host with the same ratio decides the same way.
    fn samples(self, trace_id: TraceId) -> bool {
        const SEVEN_BYTES: u64 = 1 << 56;
        let [.., a, b, c, d, e, f, g] = trace_id.bytes();
        let random = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
        // As a double the largest number is one larger than it is, and all means all.
        self.0 >= 1.0 || (random as f64) < self.0 * SEVEN_BYTES as f64
    }
}

impl Default for SampleRatio {
    /// All.
    fn default() -> Self {
        SampleRatio(1.0)
    }
}

/// The place of an invocation in its trace. Made by [`crate::Telemetry::span`].
#[derive(Debug)]
pub struct Span {
    context: Option<TraceContext>,
    parent: Option<SpanId>,
    tracer: Option<Arc<Tracer>>,
}

/// What is known of an invocation when it is over.
#[derive(Clone, Copy, Debug)]
pub struct SpanEnd<'a> {
    /// When the request came.
    pub start: SystemTime,
    /// How long it took until its answer.
    pub duration: Duration,
    /// The function's name.
    pub function: &'a str,
    /// The number of its version.
    pub version: u32,
    /// The request's id.
    pub invocation_id: &'a str,
    /// What caused it.
    pub trigger: Trigger,
    /// Whether the function had to be loaded first.
    pub cold: bool,
    /// The request's method.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The path of the request's URL, without its query.
    pub path: &'a str,
    /// The route it took, as it was declared.
    pub route: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// Why it is an error: [`crate::Outcome::error_type`].
    pub error_type: Option<&'a str>,
}

impl Span {
    /// A span while nothing is exported: the caller's context is passed on as it is.
    pub(crate) fn passing(context: Option<TraceContext>) -> Self {
        Span {
            context,
            parent: None,
            tracer: None,
        }
    }

    /// The trace, for the log; `None` when the caller named none and nothing is exported.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.context.as_ref().map(TraceContext::trace_id)
    }

    /// Whether this span will be exported.
    pub fn is_sampled(&self) -> bool {
        self.tracer.is_some() && self.context.as_ref().is_some_and(TraceContext::is_sampled)
    }

    /// Tells the function its place in the trace, in the headers of its request. Does nothing while nothing is exported:
    /// then the function gets what the caller sent.
    pub fn set_headers(&self, headers: &mut HeaderMap) {
        if let (Some(context), Some(_)) = (&self.context, &self.tracer) {
            context.set_headers(headers);
        }
    }

    /// Hands the span to the exporter, when the trace is sampled. Never waits: when the exporter's queue is full, the
    /// span is dropped and counted.
    pub fn end(self, end: &SpanEnd<'_>) {
        if !self.is_sampled() {
            return;
        }
        let (Some(context), Some(tracer)) = (self.context, self.tracer) else {
            return;
        };
        let span = FinishedSpan {
            context,
            parent: self.parent,
            start: end.start,
            duration: end.duration,
            function: end.function.into(),
            version: end.version,
            invocation_id: end.invocation_id.into(),
            trigger: end.trigger,
            cold: end.cold,
            method: end.method.into(),
            scheme: end.scheme.into(),
            path: end.path.into(),
            route: end.route.into(),
            status: end.status,
            error_type: end.error_type.map(Into::into),
        };
        if tracer.queue.try_send(span).is_err() {
            tracer.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// A span on its way to the exporter.
#[derive(Debug)]
pub(crate) struct FinishedSpan {
    pub(crate) context: TraceContext,
    pub(crate) parent: Option<SpanId>,
    pub(crate) start: SystemTime,
    pub(crate) duration: Duration,
    pub(crate) function: Box<str>,
    pub(crate) version: u32,
    pub(crate) invocation_id: Box<str>,
    pub(crate) trigger: Trigger,
    pub(crate) cold: bool,
    pub(crate) method: Box<str>,
    pub(crate) scheme: Box<str>,
    pub(crate) path: Box<str>,
    pub(crate) route: Box<str>,
    pub(crate) status: u16,
    pub(crate) error_type: Option<Box<str>>,
}

/// Makes spans and takes them back.
#[derive(Debug)]
pub(crate) struct Tracer {
    ratio: SampleRatio,
    queue: mpsc::Sender<FinishedSpan>,
    dropped: AtomicU64,
}

impl Tracer {
    pub(crate) fn new(ratio: SampleRatio, queue: mpsc::Sender<FinishedSpan>) -> Self {
        Tracer {
            ratio,
            queue,
            dropped: AtomicU64::new(0),
        }
    }

    /// A span below `parent`, sampled as its caller says; or the first of a new trace, sampled by ratio.
    pub(crate) fn span(self: &Arc<Self>, parent: Option<TraceContext>) -> Span {
        let span_id = random_span_id();
        let (context, parent) = match parent {
            Some(parent) => (parent.child(span_id), Some(parent.span_id)),
            None => {
                let trace_id = random_trace_id();
                (
                    TraceContext::new(trace_id, span_id, self.ratio.samples(trace_id)),
                    None,
                )
            }
        };
        Span {
            context: Some(context),
            parent,
            tracer: Some(Arc::clone(self)),
        }
    }

    /// How many spans were dropped because the queue was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

fn random_trace_id() -> TraceId {
    loop {
        if let Some(id) = TraceId::new(rand::random()) {
            return id;
        }
    }
}

fn random_span_id() -> SpanId {
    loop {
        if let Some(id) = SpanId::new(rand::random()) {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracer(ratio: f64, queue: usize) -> (Arc<Tracer>, mpsc::Receiver<FinishedSpan>) {
        let (sender, receiver) = mpsc::channel(queue);
        (
            Arc::new(Tracer::new(SampleRatio::new(ratio).unwrap(), sender)),
            receiver,
        )
    }

    fn end() -> SpanEnd<'static> {
        SpanEnd {
            start: SystemTime::UNIX_EPOCH,
            duration: Duration::from_millis(1),
            function: "credit",
            version: 3,
            invocation_id: "r",
            trigger: Trigger::Http,
            cold: false,
            method: "POST",
            scheme: "http",
            path: "/credit/predict",
            route: "/credit/...",
            status: 200,
            error_type: None,
        }
    }

    fn context(sampled: bool) -> TraceContext {
        TraceContext::new(
            TraceId::new([7; 16]).unwrap(),
            SpanId::new([9; 8]).unwrap(),
            sampled,
        )
    }

    #[test]
    fn traces_that_begin_here_are_sampled_by_ratio() {
        let (tracer, _receiver) = tracer(0.25, 1);
        let sampled = (0..10_000)
            .filter(|_| tracer.span(None).is_sampled())
            .count();
        // Five standard deviations are 217.
        assert!((2283..2717).contains(&sampled), "{sampled}");
        for (ratio, all) in [(0.0, false), (1.0, true)] {
            let (tracer, _receiver) = self::tracer(ratio, 1);
            assert!((0..1000).all(|_| tracer.span(None).is_sampled() == all));
        }
        let [least, most] = [0, 255].map(|byte| {
            let mut id = [byte; 16];
            id[0] = 1;
            TraceId::new(id).unwrap()
        });
        assert!(SampleRatio(1e-9).samples(least) && !SampleRatio(0.0).samples(least));
        assert!(!SampleRatio(0.999_999).samples(most) && SampleRatio(1.0).samples(most));
        assert_eq!(
            SampleRatio::new(1.5).unwrap_err().to_string(),
            "1.5 is not a ratio of sampled traces: it must be between 0 and 1"
        );
        assert!(SampleRatio::new(f64::NAN).is_err());
    }

    #[test]
    fn the_caller_decides_whether_its_trace_is_sampled() {
        let (tracer, mut receiver) = tracer(0.0, 8);
        tracer.span(Some(context(true))).end(&end());
        let span = receiver.try_recv().unwrap();
        assert_eq!(span.parent, Some(context(true).span_id()));
        assert_eq!(span.context.trace_id(), context(true).trace_id());
        assert_ne!(span.context.span_id(), context(true).span_id());
        let (tracer, mut receiver) = self::tracer(1.0, 8);
        let span = tracer.span(Some(context(false)));
        let mut headers = HeaderMap::new();
        span.set_headers(&mut headers);
        assert!(headers["traceparent"].to_str().unwrap().ends_with("-00"));
        span.end(&end());
        assert!(receiver.try_recv().is_err());
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let (tracer, _receiver) = tracer(1.0, 2);
        (0..5).for_each(|_| tracer.span(None).end(&end()));
        assert_eq!(tracer.dropped(), 3);
    }

    #[test]
    fn without_an_exporter_the_callers_headers_pass() {
        let mut headers = HeaderMap::new();
        let span = Span::passing(Some(context(true)));
        span.set_headers(&mut headers);
        assert!(headers.is_empty());
        assert_eq!(span.trace_id(), Some(context(true).trace_id()));
        assert!(!span.is_sampled());
        assert_eq!(Span::passing(None).trace_id(), None);
    }
}
