//! What a host tells about itself.

use serde_json::json;

use crate::guests;
use crate::host::Host;

#[test]
fn metrics_have_the_names_that_dashboards_know() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::hello());
    host.deploy("g", &guests::http("(unreachable)"));
    for _ in 0..3 {
        host.call("/f/predict").get();
    }
    host.call("/g").get();
    host.call("/nowhere").get();
    let answer = host.control("/metrics").get();
    assert!(
        answer
            .header("content-type")
            .starts_with("text/plain; version=0.0.4"),
        "{answer:?}"
    );
    let text = answer.text();
    let has = |start: &str, end: &str| {
        let found = text
            .lines()
            .any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(found, "{start} … {end} in\n{text}");
    };
    has("faas_invocations_total{", " 3");
    has("faas_errors_total{", " 1");
    has("faas_coldstarts_total{", " 1");
    has("nv_inference_request_success{", " 3");
    has("http_server_request_duration_seconds_count{", " 3");
    let open = host
        .control("/metrics")
        .header("accept", "application/openmetrics-text; version=1.0.0")
        .get();
    assert!(
        open.header("content-type")
            .starts_with("application/openmetrics-text"),
        "{open:?}"
    );
    assert!(open.text().ends_with("# EOF\n"));
}

#[test]
fn calls_have_ids_and_say_which_version_answered() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::http(crate::http::TELL_HEADERS));
    let answer = host.call("/f").header("x-request-id", "my-own.1").get();
    assert_eq!(answer.header("x-request-id"), "my-own.1");
    assert!(
        answer.text().contains("x-request-id: my-own.1"),
        "the function knows it, too: {}",
        answer.text()
    );
    let made = host.call("/f").header("x-request-id", "no\u{20}good").get();
    assert_eq!(
        made.header("x-request-id").len(),
        36,
        "{}",
        made.header("x-request-id")
    );
}

#[test]
fn health_and_readiness() {
    let host = Host::start(&[]);
    for path in ["/healthz", "/readyz", "/.well-known/spin/health"] {
        assert_eq!(host.call(path).get().status, 200, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(host.control(path).get().status, 200, "{path}");
        assert_eq!(host.control(path).post(b"").status, 405, "{path}");
    }
}

#[test]
fn the_dashboard_is_one_page_that_only_talks_to_its_host() {
    let host = Host::start(&[]);
    let page = host.control("/").get();
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(
        !page.text().contains("http://") || !page.text().contains("src=\"http"),
        "no outside resource"
    );
    host.deploy("f", &guests::hello());
    host.call("/f").get();
    let overview = host.control("/api/overview").get().json();
    let function = &overview["functions"][0];
    assert_eq!(
        (&function["name"], &function["calls"], &function["route"]),
        (&json!("f"), &json!(1), &json!("/f/"))
    );
    assert!(function["p50_us"].as_f64().unwrap() > 0.0);
    assert_eq!(overview["host"]["registered"], 1);
}
