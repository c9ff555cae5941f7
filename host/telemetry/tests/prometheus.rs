//! The metrics as Prometheus' own parsers read them: `prometheus_client` of Python.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use http::{Method, StatusCode};
use hyaline_telemetry::{
    Budget, Call, Config, Dialects, Fault, Format, HostReading, Outcome, Phase, Rejection,
    Telemetry, Trigger,
};

const PARSE: &str = r#"
import json, sys
if sys.argv[1] == "OpenMetrics":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
else:
    from prometheus_client.parser import text_string_to_metric_families
families = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.name not in families, family.name
    families[family.name] = {
        "type": family.type,
        "samples": {s.name + json.dumps(dict(sorted(s.labels.items()))): repr(s.value) for s in family.samples},
    }
print(json.dumps(families))
"#;

#[derive(serde::Deserialize)]
struct Family {
    #[serde(rename = "type")]
    kind: String,
    samples: BTreeMap<String, String>,
}

/// The Python that `cargo xtask test` names, or one that has Debian's package; another one may come first on the path.
fn python() -> OsString {
    let has_parser = |python: &OsString| {
        let probe = Command::new(python)
            .args(["-c", "import prometheus_client"])
            .stderr(Stdio::null())
            .status();
        probe.is_ok_and(|status| status.success())
    };
    std::env::var_os("HYALINE_CLIENTS_PYTHON")
        .into_iter()
        .chain(["/usr/bin/python3".into(), "python3".into()])
        .find(has_parser)
        .expect("no Python has prometheus_client: run `cargo xtask test`, or install Debian's python3-prometheus-client")
}

fn parsed(text: &str, format: Format) -> BTreeMap<String, Family> {
    let mut parser = Command::new(python())
        .args(["-c", PARSE, &format!("{format:?}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    parser
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success(), "refused:\n{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn call() -> Call {
    Call {
        trigger: Trigger::Http,
        phase: Phase::Predict,
        queued: Duration::ZERO,
        wall: Duration::from_micros(80),
        init: None,
        cpu: Some(Duration::from_micros(70)),
        peak_memory: 3_000_000,
        bytes_in: 500,
        bytes_out: 20_000,
        outcome: Outcome::Answered(200),
    }
}

fn recorded() -> Telemetry {
    let telemetry = Telemetry::start(Config::new("hyaline", "1.2.3", "a")).unwrap();
    let credit = telemetry.series("credit", 1);
    credit.record(&Call {
        init: Some(Duration::from_millis(2)),
        ..call()
    });
    credit.record(&Call {
        wall: Duration::from_micros(100),
        queued: Duration::from_micros(30),
        ..call()
    });
    credit.record(&Call {
        wall: Duration::from_millis(40),
        phase: Phase::Explain,
        ..call()
    });
    credit.record(&Call {
        outcome: Outcome::Failed(Fault::Deadline),
        wall: Duration::from_secs(20),
        ..call()
    });
    credit.record(&Call {
        outcome: Outcome::Answered(500),
        trigger: Trigger::PubSub,
        cpu: None,
        ..call()
    });
    credit.shadow_compared(true);
    credit.shadow_compared(false);
    let _waiting = credit.wait();
    telemetry.series("credit", 2).record(&call());
    // Names come from the registry, but nothing here relies on that they are harmless.
    telemetry.series("a\"b\\c\nd", 1).record(&call());
    telemetry.route("/credit/...").record(
        &Method::POST,
        StatusCode::OK,
        Duration::from_micros(120),
    );
    telemetry.route("/credit/...").record(
        &Method::GET,
        StatusCode::NOT_FOUND,
        Duration::from_micros(20),
    );
    telemetry.rejected(Rejection::Rate);
    telemetry.evicted();
    telemetry.observe_host(|| HostReading {
        registered: 10_000,
        loaded: 12,
        running: 3,
        waiting: 1,
        connections: 40,
        budgets: vec![Budget {
            kind: "caller",
            name: "shop".into(),
            limit_usd: 10.0,
            spent_usd: 2.5,
        }],
    });
    telemetry
}

#[test]
fn prometheus_reads_what_was_recorded() {
    let telemetry = recorded();
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let text = telemetry.render(format);
        let families = parsed(&text, format);
        let value = |family: &str, sample: &str| -> f64 {
            let family = families
                .get(family)
                .unwrap_or_else(|| panic!("{family} in\n{text}"));
            let value = family.samples.get(sample);
            value
                .unwrap_or_else(|| panic!("{sample} in {:?}", family.samples))
                .parse()
                .unwrap()
        };
        let credit = r#"{"faas_name": "credit", "faas_trigger": "http", "faas_version": "1"}"#;
        assert_eq!(
            value(
                "faas_invocations",
                &format!("faas_invocations_total{credit}")
            ),
            3.0
        );
        assert_eq!(
            value("faas_coldstarts", &format!("faas_coldstarts_total{credit}")),
            1.0
        );
        assert_eq!(
            value("faas_timeouts", &format!("faas_timeouts_total{credit}")),
            1.0
        );
        let deadline = r#"{"error_type": "deadline", "faas_name": "credit", "faas_trigger": "http", "faas_version": "1"}"#;
        assert_eq!(
            value("faas_errors", &format!("faas_errors_total{deadline}")),
            1.0
        );
        let answered = r#"{"error_type": "5xx", "faas_name": "credit", "faas_trigger": "pubsub", "faas_version": "1"}"#;
        assert_eq!(
            value("faas_errors", &format!("faas_errors_total{answered}")),
            1.0
        );
        for (bound, count) in [
            ("5e-05", 0.0),
            ("0.0001", 2.0),
            ("0.05", 3.0),
            ("10.0", 3.0),
            ("+Inf", 4.0),
        ] {
            let labels = credit.replace("}", &format!(", \"le\": \"{bound}\"}}"));
            let sample = format!("faas_invoke_duration_seconds_bucket{labels}");
            assert_eq!(
                value("faas_invoke_duration_seconds", &sample),
                count,
                "{bound}"
            );
        }
        let sum = value(
            "faas_invoke_duration_seconds",
            &format!("faas_invoke_duration_seconds_sum{credit}"),
        );
        assert!((sum - 20.04018).abs() < 1e-9, "{sum}");
        assert_eq!(
            value(
                "faas_init_duration_seconds",
                &format!("faas_init_duration_seconds_count{credit}")
            ),
            1.0
        );
        assert_eq!(
            value(
                "faas_mem_usage_bytes",
                &format!("faas_mem_usage_bytes_sum{credit}")
            ),
            12e6
        );
        assert_eq!(
            value(
                "faas_cpu_usage_seconds",
                &format!("faas_cpu_usage_seconds_count{credit}")
            ),
            4.0
        );
        let sent = r#"{"faas_name": "credit", "faas_trigger": "http", "faas_version": "1", "network_io_direction": "transmit"}"#;
        assert_eq!(
            value("faas_net_io_bytes", &format!("faas_net_io_bytes_sum{sent}")),
            80_000.0
        );
        let hostile = r#"{"faas_name": "a\"b\\c\nd", "faas_trigger": "http", "faas_version": "1"}"#;
        assert_eq!(
            value(
                "faas_invocations",
                &format!("faas_invocations_total{hostile}")
            ),
            1.0
        );
        let route = r#"{"http_request_method": "POST", "http_response_status_code": "200", "http_route": "/credit/..."}"#;
        let family = "http_server_request_duration_seconds";
        assert_eq!(value(family, &format!("{family}_count{route}")), 1.0);
        for result in ["equal", "different"] {
            let labels =
                format!(r#"{{"faas_name": "credit", "faas_version": "1", "result": "{result}"}}"#);
            let family = "hyaline_shadow_comparisons";
            assert_eq!(value(family, &format!("{family}_total{labels}")), 1.0);
        }

        let model = r#"{"model": "credit", "version": "1"}"#;
        for (name, expected) in [
            ("nv_inference_request_success", 3.0),
            ("nv_inference_request_failure", 2.0),
            ("nv_inference_count", 5.0),
            ("nv_inference_exec_count", 5.0),
            ("nv_inference_queue_duration_us", 30.0),
            ("nv_inference_compute_infer_duration_us", 20_040_260.0),
            ("nv_inference_request_duration_us", 20_040_290.0),
            ("nv_inference_pending_request_count", 0.0),
        ] {
            let counts = name != "nv_inference_pending_request_count";
            // The parser of the older format gives every counter the suffix that it has in OpenMetrics.
            let suffix = if counts && format == Format::Prometheus {
                "_total"
            } else {
                ""
            };
            assert_eq!(
                value(name, &format!("{name}{suffix}{model}")),
                expected,
                "{name}"
            );
            let line = format!("{name}{{model=\"credit\",version=\"1\"}} {expected}\n");
            assert!(text.contains(&line), "{line} in\n{text}");
        }
        let counter = if format == Format::OpenMetrics {
            "unknown"
        } else {
            "counter"
        };
        assert_eq!(families["nv_inference_count"].kind, counter);
        let name = "model_infer_request_success";
        assert_eq!(value(name, &format!("{name}_total{model}")), 3.0);
        let name = "model_infer_request_duration";
        assert_eq!(value(name, &format!("{name}_count{model}")), 5.0);
        assert_eq!(families[name].kind, "summary");
        let explained = r#"request_explain_seconds_count{"model_name": "credit"}"#;
        assert_eq!(value("request_explain_seconds", explained), 1.0);
        let predicted = r#"request_predict_seconds_count{"model_name": "credit"}"#;
        assert_eq!(value("request_predict_seconds", predicted), 5.0);

        assert_eq!(
            value(
                "hyaline_functions_registered",
                "hyaline_functions_registered{}"
            ),
            10_000.0
        );
        let rate = r#"hyaline_requests_rejected_total{"cause": "rate"}"#;
        assert_eq!(value("hyaline_requests_rejected", rate), 1.0);
        let spent = r#"hyaline_budget_spent_usd{"kind": "caller", "name": "shop"}"#;
        assert_eq!(value("hyaline_budget_spent_usd", spent), 2.5);
        assert!(
            value(
                "process_resident_memory_bytes",
                "process_resident_memory_bytes{}"
            ) > 1e5
        );
        assert!(value("process_cpu_seconds", "process_cpu_seconds_total{}") >= 0.0);
        assert!(families.values().all(|family| !family.samples.is_empty()));
    }
}

#[test]
fn dialects_can_be_left_out() {
    let config = Config {
        dialects: Dialects {
            triton: false,
            mlserver: false,
            kserve: false,
        },
        ..Config::new("hyaline", "1.2.3", "a")
    };
    let telemetry = Telemetry::start(config).unwrap();
    telemetry.series("credit", 1).record(&call());
    let text = telemetry.render(Format::Prometheus);
    let families = parsed(&text, Format::Prometheus);
    let foreign = |name: &&String| {
        ["nv_", "model_", "request_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    assert_eq!(families.keys().find(foreign), None);
    assert!(families.contains_key("faas_invocations"));
}

#[test]
fn series_beyond_the_limit_are_dropped_and_counted() {
    let telemetry = Telemetry::start(Config {
        series_limit: 20,
        ..Config::new("hyaline", "1", "a")
    })
    .unwrap();
    for number in 0..100 {
        telemetry.series(&format!("f{number}"), 1).record(&call());
    }
    let families = parsed(&telemetry.render(Format::Prometheus), Format::Prometheus);
    let shown = &families["faas_invocations"].samples;
    assert!(
        shown.len() == 20 && shown.keys().any(|sample| sample.contains("\"f99\"")),
        "{shown:?}"
    );
    let dropped = &families["hyaline_series_dropped"].samples["hyaline_series_dropped_total{}"];
    assert_eq!(dropped.parse(), Ok(80.0));
}
