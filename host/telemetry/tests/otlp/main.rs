//! Export by OTLP, against a collector in the test.

mod collector;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Method, StatusCode};
use hyaline_telemetry::{
    Call, Config, Format, OtlpConfig, Outcome, Phase, SampleRatio, SpanEnd, Telemetry,
    TraceContext, Trigger,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use prost::Message;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use collector::{Answers, Collector};

const START: Duration = Duration::from_secs(1_800_000_000);

fn taken() -> Answers {
    vec![(StatusCode::OK, None, Vec::new())]
}

fn telemetry(otlp: OtlpConfig) -> Telemetry {
    let config = Config {
        attributes: vec![("deployment.environment.name".into(), "test".into())],
        otlp: Some(otlp),
        ..Config::new("hyaline", "1.2.3", "host-1")
    };
    Telemetry::start(config).unwrap()
}

fn otlp(endpoint: &str) -> OtlpConfig {
    let mut otlp = OtlpConfig::new(endpoint, None).unwrap();
    otlp.span_interval = Duration::from_millis(20);
    otlp
}

fn end() -> SpanEnd<'static> {
    SpanEnd {
        start: UNIX_EPOCH + START,
        duration: Duration::from_micros(150),
        function: "credit",
        version: 3,
        invocation_id: "11111111-2222-4333-8444-555555555555",
        trigger: Trigger::Http,
        cold: true,
        method: "POST",
        scheme: "http",
        path: "/credit/predict",
        route: "/credit/...",
        status: 200,
        error_type: None,
    }
}

fn call() -> Call {
    Call {
        trigger: Trigger::Http,
        phase: Phase::Predict,
        queued: Duration::ZERO,
        wall: Duration::from_micros(80),
        init: None,
        cpu: None,
        peak_memory: 3_000_000,
        bytes_in: 500,
        bytes_out: 20_000,
        outcome: Outcome::Answered(200),
    }
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<&str, Value> {
    let value = |pair: &KeyValue| pair.value.clone().and_then(|value| value.value).unwrap();
    attributes
        .iter()
        .map(|pair| (pair.key.as_str(), value(pair)))
        .collect()
}

fn text(text: &str) -> Value {
    Value::StringValue(text.into())
}

fn counted(telemetry: &Telemetry, result: &str) -> u64 {
    let text = telemetry.render(Format::Prometheus);
    let name = format!("hyaline_spans_total{{result=\"{result}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&name));
    value
        .unwrap_or_else(|| panic!("{name} in\n{text}"))
        .parse()
        .unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_span_arrives_as_the_conventions_name_it() {
    let mut collector = Collector::start(taken()).await;
    let otlp = otlp(&format!("http://{}", collector.address))
        .header("api-key", "secret")
        .unwrap();
    let telemetry = telemetry(otlp);
    let mut headers = HeaderMap::new();
    headers.insert(
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            .parse()
            .unwrap(),
    );
    headers.insert("tracestate", "vendor=1".parse().unwrap());
    let span = telemetry.span(TraceContext::from_headers(&headers));
    span.set_headers(&mut headers);
    span.end(&SpanEnd {
        status: 504,
        error_type: Some("deadline"),
        ..end()
    });

    let received = collector.next("/v1/traces").await;
    assert_eq!(received.headers["content-type"], "application/x-protobuf");
    assert_eq!(received.headers["api-key"], "secret");
    let traces = received.traces();
    let resource = traces.resource_spans[0].resource.as_ref().unwrap();
    let resource = attributes(&resource.attributes);
    assert_eq!(resource["service.name"], text("hyaline"));
    assert_eq!(resource["service.version"], text("1.2.3"));
    assert_eq!(resource["service.instance.id"], text("host-1"));
    assert_eq!(resource["deployment.environment.name"], text("test"));
    let spans = received.spans();
    let [span] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!(hex(&span.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&span.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(span.trace_state, "vendor=1");
    let passed = format!(
        "00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01",
        hex(&span.span_id)
    );
    assert_eq!(headers["traceparent"], passed.as_str());
    assert_eq!(headers["tracestate"], "vendor=1");
    assert_eq!(span.name, "POST /credit/...");
    assert_eq!(span.kind, 2, "a server's");
    // Sampled, with a parent that is known to be in another process.
    assert_eq!(span.flags, 0x301);
    assert_eq!(u128::from(span.start_time_unix_nano), START.as_nanos());
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 150_000);
    let status = span.status.as_ref().unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "deadline"));
    let expected = BTreeMap::from([
        ("faas.name", text("credit")),
        ("faas.version", text("3")),
        ("faas.trigger", text("http")),
        (
            "faas.invocation_id",
            text("11111111-2222-4333-8444-555555555555"),
        ),
        ("faas.coldstart", Value::BoolValue(true)),
        ("http.request.method", text("POST")),
        ("url.scheme", text("http")),
        ("url.path", text("/credit/predict")),
        ("http.route", text("/credit/...")),
        ("http.response.status_code", Value::IntValue(504)),
        ("error.type", text("deadline")),
    ]);
    assert_eq!(attributes(&span.attributes), expected);
    assert!(telemetry.shutdown(Duration::from_secs(20)).await);
    assert_eq!(counted(&telemetry, "exported"), 1);
}

#[tokio::test]
async fn only_sampled_traces_arrive() {
    let mut collector = Collector::start(taken()).await;
    let mut otlp = otlp(&format!("http://{}", collector.address));
    otlp.sample = SampleRatio::new(0.0).unwrap();
    let telemetry = telemetry(otlp);
    let parent = |flags: &str| {
        let mut headers = HeaderMap::new();
        let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        headers.insert("traceparent", parent.parse().unwrap());
        TraceContext::from_headers(&headers)
    };
    telemetry.span(None).end(&SpanEnd {
        function: "root",
        ..end()
    });
    telemetry.span(parent("00")).end(&SpanEnd {
        function: "unsampled",
        ..end()
    });
    telemetry.span(parent("01")).end(&SpanEnd {
        function: "sampled",
        ..end()
    });
    assert!(telemetry.shutdown(Duration::from_secs(20)).await);
    let spans = collector.next("/v1/traces").await.spans();
    assert_eq!(spans.len(), 1);
    assert_eq!(
        attributes(&spans[0].attributes)["faas.name"],
        text("sampled")
    );
    assert!(spans[0].status.is_none());
}

#[tokio::test]
async fn metrics_arrive_from_the_same_recording() {
    let mut collector = Collector::start(taken()).await;
    let mut otlp = otlp(&format!("http://{}", collector.address));
    otlp.metric_interval = Duration::from_millis(50);
    let before = SystemTime::now();
    let telemetry = telemetry(otlp);
    let series = telemetry.series("credit", 3);
    (0..3).for_each(|_| series.record(&call()));
    series.record(&Call {
        wall: Duration::from_secs(60),
        ..call()
    });
    telemetry.route("/credit/...").record(
        &Method::POST,
        StatusCode::CREATED,
        Duration::from_micros(99),
    );

    collector.next("/v1/metrics").await;
    let received = collector.next("/v1/metrics").await.metrics();
    let metrics = &received.resource_metrics[0].scope_metrics[0].metrics;
    let metric = |name: &str| metrics.iter().find(|metric| metric.name == name).unwrap();

    let duration = metric("faas.invoke_duration");
    assert_eq!(duration.unit, "s");
    let Some(Data::Histogram(histogram)) = &duration.data else {
        panic!("{duration:?}")
    };
    assert_eq!(histogram.aggregation_temporality, 2, "cumulative");
    let point = &histogram.data_points[0];
    assert_eq!(
        attributes(&point.attributes),
        BTreeMap::from([
            ("faas.name", text("credit")),
            ("faas.version", text("3")),
            ("faas.trigger", text("http"))
        ])
    );
    assert_eq!((point.count, point.sum), (4, Some(60.00024)));
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    let bound = point
        .explicit_bounds
        .iter()
        .position(|&bound| bound == 0.0001)
        .unwrap();
    let filled: Vec<(usize, u64)> = point
        .bucket_counts
        .iter()
        .copied()
        .enumerate()
        .filter(|&(_, count)| count > 0)
        .collect();
    assert_eq!(filled, [(bound, 3), (point.explicit_bounds.len(), 1)]);
    let nanoseconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    assert!(point.start_time_unix_nano >= nanoseconds(before));
    assert!(point.time_unix_nano >= point.start_time_unix_nano + 50_000_000);

    let invocations = metric("faas.invocations");
    let Some(Data::Sum(sum)) = &invocations.data else {
        panic!("{invocations:?}")
    };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
    assert_eq!(
        sum.data_points[0].value,
        Some(number_data_point::Value::AsInt(4))
    );
    let Some(Data::Histogram(requests)) = &metric("http.server.request.duration").data else {
        panic!()
    };
    assert_eq!(
        attributes(&requests.data_points[0].attributes)["http.response.status_code"],
        Value::IntValue(201)
    );
    let Some(Data::Gauge(_)) = &metric("process.memory.usage").data else {
        panic!()
    };
    assert!(
        !metrics
            .iter()
            .any(|metric| metric.name.contains("nv_inference"))
    );
}

#[tokio::test]
async fn a_busy_collector_gets_the_spans_later() {
    let mut answers = vec![
        (StatusCode::SERVICE_UNAVAILABLE, Some("0"), Vec::new()),
        (StatusCode::TOO_MANY_REQUESTS, Some("0"), Vec::new()),
    ];
    answers.extend(taken());
    let mut collector = Collector::start(answers).await;
    let telemetry = telemetry(otlp(&format!("http://{}", collector.address)));
    telemetry.span(None).end(&end());
    let first = collector.next("/v1/traces").await.spans();
    assert_eq!(collector.next("/v1/traces").await.spans(), first);
    assert_eq!(collector.next("/v1/traces").await.spans(), first);
    assert!(telemetry.shutdown(Duration::from_secs(20)).await);
    assert_eq!(
        (
            counted(&telemetry, "exported"),
            counted(&telemetry, "failed")
        ),
        (1, 0)
    );
}

#[tokio::test]
async fn spans_that_a_collector_refuses_are_counted() {
    let partial = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 1,
            error_message: "too old".into(),
        }),
    };
    let answers = vec![
        (StatusCode::BAD_REQUEST, None, Vec::new()),
        (StatusCode::OK, None, partial.encode_to_vec()),
    ];
    let mut collector = Collector::start(answers).await;
    let telemetry = telemetry(otlp(&format!("http://{}", collector.address)));
    telemetry.span(None).end(&end());
    collector.next("/v1/traces").await;
    (0..3).for_each(|_| telemetry.span(None).end(&end()));
    assert!(telemetry.shutdown(Duration::from_secs(20)).await);
    let received = collector.next("/v1/traces").await.spans().len();
    assert_eq!(received, 3, "not sent again after 400");
    assert_eq!(
        (
            counted(&telemetry, "exported"),
            counted(&telemetry, "failed")
        ),
        (2, 2)
    );
}

#[tokio::test]
async fn a_collector_that_is_away_never_slows_the_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut otlp = otlp(&format!("http://{address}"));
    (otlp.queue, otlp.batch) = (100, 10);
    let telemetry = telemetry(otlp);
    let start = Instant::now();
    (0..10_000).for_each(|_| telemetry.span(None).end(&end()));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert!(counted(&telemetry, "dropped") >= 9_000);
    assert!(
        telemetry.shutdown(Duration::from_secs(20)).await,
        "refused connections take no time"
    );
    assert_eq!(
        counted(&telemetry, "dropped") + counted(&telemetry, "failed"),
        10_000
    );
}

#[tokio::test]
async fn a_collector_that_hangs_does_not_keep_the_host_from_stopping() {
    // Connections are made, and nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let telemetry = telemetry(otlp(&format!("http://{}", listener.local_addr().unwrap())));
    telemetry.span(None).end(&end());
    let start = Instant::now();
    assert!(!telemetry.shutdown(Duration::from_millis(100)).await);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_collector_behind_tls_must_have_a_certificate_that_is_trusted() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    let mut collector = Collector::start_tls(taken(), TlsAcceptor::from(Arc::new(server))).await;
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("https://localhost:{}", collector.address.port());

    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, key.cert.pem()).unwrap();
    let telemetry = telemetry(OtlpConfig::new(&endpoint, Some(&trusted)).unwrap());
    telemetry.span(None).end(&end());
    assert!(telemetry.shutdown(Duration::from_secs(20)).await);
    assert_eq!(collector.next("/v1/traces").await.spans().len(), 1);

    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&trusted, other.cert.pem()).unwrap();
    let telemetry = self::telemetry(OtlpConfig::new(&endpoint, Some(&trusted)).unwrap());
    telemetry.span(None).end(&end());
    assert!(telemetry.shutdown(Duration::from_secs(20)).await);
    assert_eq!(
        (
            counted(&telemetry, "exported"),
            counted(&telemetry, "failed")
        ),
        (0, 1)
    );
}
