//! Families and spans as OTLP's messages.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1 as metrics;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as trace;

use crate::metrics::{Distribution, Family, Kind, Label, Text, Value};
use crate::trace::FinishedSpan;

/// Who sends: the attributes of OpenTelemetry's resource.
#[derive(Clone, Debug)]
pub(crate) struct Identity(Vec<KeyValue>);

impl Identity {
    pub(crate) fn new<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Identity(
            attributes
                .into_iter()
                .map(|(key, value)| text(key, value))
                .collect(),
        )
    }

    fn resource(&self) -> Resource {
        Resource {
            attributes: self.0.clone(),
            ..Resource::default()
        }
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: env!("CARGO_PKG_NAME").into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..InstrumentationScope::default()
    }
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.into()))
}

fn integer(key: &str, value: u64) -> KeyValue {
    attribute(
        key,
        any_value::Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)),
    )
}

/// Nanoseconds since 1970; 0, OTLP's word for unknown, before and after the range of 64 bits.
fn unix_nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(0)
}

/// The message for a batch of spans.
pub(crate) fn spans(identity: &Identity, spans: &[FinishedSpan]) -> ExportTraceServiceRequest {
    let spans = trace::ScopeSpans {
        scope: Some(scope()),
        spans: spans.iter().map(span).collect(),
        ..trace::ScopeSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![trace::ResourceSpans {
            resource: Some(identity.resource()),
            scope_spans: vec![spans],
            ..trace::ResourceSpans::default()
        }],
    }
}

/// Whether the parent is in another process: always, when there is one.
const HAS_IS_REMOTE: u32 = trace::SpanFlags::ContextHasIsRemoteMask as u32;
const IS_REMOTE: u32 = trace::SpanFlags::ContextIsRemoteMask as u32;

fn span(span: &FinishedSpan) -> trace::Span {
    let start = unix_nanoseconds(span.start);
    let duration = u64::try_from(span.duration.as_nanos()).unwrap_or(u64::MAX);
    let mut attributes = vec![
        text("faas.name", &span.function),
        text("faas.version", &span.version.to_string()),
        text("faas.trigger", span.trigger.as_str()),
        text("faas.invocation_id", &span.invocation_id),
        attribute("faas.coldstart", any_value::Value::BoolValue(span.cold)),
        text("http.request.method", &span.method),
        text("url.scheme", &span.scheme),
        text("url.path", &span.path),
        text("http.route", &span.route),
        integer("http.response.status_code", span.status.into()),
    ];
    attributes.extend(
        span.error_type
            .as_deref()
            .map(|error| text("error.type", error)),
    );
    trace::Span {
        trace_id: span.context.trace_id().bytes().into(),
        span_id: span.context.span_id().bytes().into(),
        trace_state: span.context.state().unwrap_or_default().into(),
        parent_span_id: span
            .parent
            .map_or_else(Vec::new, |parent| parent.bytes().into()),
        flags: u32::from(span.context.flags())
            | HAS_IS_REMOTE
            | span.parent.map_or(0, |_| IS_REMOTE),
        name: format!("{} {}", span.method, span.route),
        kind: trace::span::SpanKind::Server.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(duration),
        attributes,
        status: span.error_type.as_deref().map(|error| trace::Status {
            message: error.into(),
            code: trace::status::StatusCode::Error.into(),
        }),
        ..trace::Span::default()
    }
}

/// The message for everything that was counted between two moments.
pub(crate) fn metrics(
    identity: &Identity,
    families: &[Family],
    since: SystemTime,
    now: SystemTime,
) -> ExportMetricsServiceRequest {
    let times = Times {
        start: unix_nanoseconds(since),
        // The clock may have been set back meanwhile.
        now: unix_nanoseconds(now.max(since)),
    };
    let metrics = families
        .iter()
        .filter(|family| !family.samples.is_empty())
        .filter_map(|family| metric(family, times))
        .collect();
    let metrics = metrics::ScopeMetrics {
        scope: Some(scope()),
        metrics,
        ..metrics::ScopeMetrics::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![metrics::ResourceMetrics {
            resource: Some(identity.resource()),
            scope_metrics: vec![metrics],
            ..metrics::ResourceMetrics::default()
        }],
    }
}

#[derive(Clone, Copy)]
struct Times {
    start: u64,
    now: u64,
}

fn metric(family: &Family, times: Times) -> Option<metrics::Metric> {
    let (name, unit) = family.otel?;
    let numbers = || {
        family
            .samples
            .iter()
            .filter_map(|sample| {
                use metrics::number_data_point::Value as Number;
                let value = match sample.value {
                    Value::Integer(number) => {
                        Number::AsInt(i64::try_from(number).unwrap_or(i64::MAX))
                    }
                    Value::Number(number) => Number::AsDouble(number),
                    Value::Distribution(_) => return None,
                };
                Some(metrics::NumberDataPoint {
                    attributes: attributes(&sample.labels),
                    start_time_unix_nano: times.start,
                    time_unix_nano: times.now,
                    value: Some(value),
                    ..metrics::NumberDataPoint::default()
                })
            })
            .collect()
    };
    let cumulative = metrics::AggregationTemporality::Cumulative.into();
    let data = match family.kind {
        Kind::Counter | Kind::PlainCounter => metrics::metric::Data::Sum(metrics::Sum {
            data_points: numbers(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        Kind::Gauge => metrics::metric::Data::Gauge(metrics::Gauge {
            data_points: numbers(),
        }),
        Kind::Histogram | Kind::Summary => metrics::metric::Data::Histogram(metrics::Histogram {
            data_points: family
                .samples
                .iter()
                .filter_map(|sample| match &sample.value {
                    Value::Distribution(distribution) => {
                        Some(histogram(&sample.labels, distribution, times))
                    }
                    Value::Integer(_) | Value::Number(_) => None,
                })
                .collect(),
            aggregation_temporality: cumulative,
        }),
    };
    Some(metrics::Metric {
        name: name.into(),
        description: family.help.into(),
        unit: unit.into(),
        data: Some(data),
        ..metrics::Metric::default()
    })
}

fn histogram(
    labels: &[Label],
    distribution: &Distribution,
    times: Times,
) -> metrics::HistogramDataPoint {
    let mut below = 0;
    let bucket_counts = distribution
        .cumulative
        .iter()
        .chain([&distribution.count])
        .map(|&count| count.saturating_sub(std::mem::replace(&mut below, count)))
        .collect();
    metrics::HistogramDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: times.start,
        time_unix_nano: times.now,
        count: distribution.count,
        sum: Some(distribution.sum),
        bucket_counts,
        explicit_bounds: distribution.bounds.numbers(),
        ..metrics::HistogramDataPoint::default()
    }
}

fn attributes(labels: &[Label]) -> Vec<KeyValue> {
    labels
        .iter()
        .map(|(name, value)| match value {
            Text::Number(number) => integer(name, *number),
            value => text(name, &value.as_text()),
        })
        .collect()
}
