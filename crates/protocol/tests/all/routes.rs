//! Where things are, under any prefix, and what each path takes.

use serde_json::json;

use crate::functions::credit;
use crate::{header, json, send, send_with, text};

const ROW: &[u8] =
    br#"{"amount":2048,"duration":16,"foreign":true,"housing":"own","purpose":"car"}"#;

#[test]
fn a_prefix_changes_nothing() {
    let function = credit();
    let expected = text(&send(&function, "POST", "/explain?top=1", ROW));
    for path in [
        "/credit/explain?top=1",
        "/a/b/explain?top=1",
        "/explain/?top=1",
    ] {
        assert_eq!(
            text(&send(&function, "POST", path, ROW)),
            expected,
            "{path}"
        );
    }
    let mounted = [("Spin-Path-Info", "/explain")];
    assert_eq!(
        text(&send_with(
            &function,
            "POST",
            "/x/explain?top=1",
            &mounted,
            ROW
        )),
        expected
    );
    // Spin's part of the path decides, not the tail.
    assert_eq!(
        send_with(
            &function,
            "POST",
            "/x/predict",
            &[("spin-path-info", "/nothing")],
            ROW
        )
        .status,
        404
    );
}

#[test]
fn the_page_is_a_folder() {
    let function = credit();
    let response = send_with(&function, "GET", "/credit", &[("spin-path-info", "")], b"");
    assert_eq!(
        (response.status, header(&response, "location")),
        (308, Some("credit/"))
    );
    for path in ["/", "/credit/"] {
        let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
        let response = send_with(&function, "GET", path, &browser, b"");
        assert_eq!(
            (response.status, header(&response, "content-type")),
            (200, Some("text/html; charset=utf-8"))
        );
    }
    for accept in ["application/json", "*/*"] {
        let response = send_with(&function, "GET", "/", &[("accept", accept)], b"");
        assert_eq!(json(&response)["status"], "alive");
    }
}

#[test]
fn every_path_takes_its_methods_and_refuses_the_others() {
    let function = credit();
    for (path, allow) in [
        ("/", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/card", "GET, HEAD, OPTIONS"),
        ("/schema", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/ping", "GET, HEAD, OPTIONS"),
        ("/v1/models", "GET, HEAD, OPTIONS"),
        ("/v1/models/credit", "GET, HEAD, OPTIONS"),
        ("/v2", "GET, HEAD, OPTIONS"),
        ("/v2/health/live", "GET, HEAD, OPTIONS"),
        ("/v2/health/ready", "GET, HEAD, OPTIONS"),
        ("/v2/models", "GET, HEAD, OPTIONS"),
        ("/v2/models/credit", "GET, HEAD, OPTIONS"),
        ("/v2/models/credit/versions/3", "GET, HEAD, OPTIONS"),
        ("/v2/models/credit/ready", "GET, HEAD, OPTIONS"),
        ("/v2/models/credit/versions/3/ready", "GET, HEAD, OPTIONS"),
        ("/predict", "POST, OPTIONS"),
        ("/explain", "POST, OPTIONS"),
        ("/invocations", "POST, OPTIONS"),
        ("/v1/models/credit:predict", "POST, OPTIONS"),
        ("/v1/models/credit:explain", "POST, OPTIONS"),
        ("/v2/models/credit/infer", "POST, OPTIONS"),
        ("/v2/models/credit/versions/3/infer", "POST, OPTIONS"),
        ("/v2/repository/index", "POST, OPTIONS"),
        ("/v2/repository/models/credit/load", "POST, OPTIONS"),
        ("/v2/repository/models/credit/unload", "POST, OPTIONS"),
    ] {
        let options = send(&function, "OPTIONS", path, b"");
        assert_eq!(
            (options.status, header(&options, "allow")),
            (204, Some(allow)),
            "{path}"
        );
        for method in [
            "TRACE",
            "DELETE",
            "PUT",
            "PATCH",
            "BREW",
            if allow.contains("GET") { "POST" } else { "GET" },
        ] {
            let refused = send(&function, method, path, b"");
            assert_eq!(
                (refused.status, header(&refused, "allow")),
                (405, Some(allow)),
                "{method} {path}"
            );
            assert_eq!(header(&refused, "content-type"), Some("application/json"));
        }
        if allow.contains("GET") {
            let full = send(&function, "GET", path, b"");
            let head = send(&function, "HEAD", path, b"");
            assert_eq!(
                (full.status, head.status, head.body.len()),
                (200, 200, 0),
                "{path}"
            );
            assert_eq!(header(&head, "content-type"), header(&full, "content-type"));
        }
    }
}

#[test]
fn what_is_not_there_is_named() {
    let function = credit();
    for (method, path, words) in [
        (
            "GET",
            "/nothing",
            "there is nothing at `/nothing`; POST predict or explain, or GET openapi.json for everything else",
        ),
        (
            "OPTIONS",
            "/nothing",
            "there is nothing at `/nothing`; POST predict or explain, or GET openapi.json for everything else",
        ),
        (
            "GET",
            "/v1/models/debit",
            "there is no model `debit` here; this function is `credit`",
        ),
        (
            "POST",
            "/v1/models/debit:predict",
            "there is no model `debit` here; this function is `credit`",
        ),
        (
            "POST",
            "/v2/models/debit/infer",
            "there is no model `debit` here; this function is `credit`",
        ),
        (
            "GET",
            "/v2/models/credit/versions/4",
            "the model `credit` has no version `4` here; this function is version `3`",
        ),
    ] {
        let response = send(&function, method, path, b"");
        assert_eq!(
            (response.status, text(&response)),
            (404, json!({"error": words}).to_string()),
            "{path}"
        );
    }
    let response = send(
        &function,
        "POST",
        "/v2/repository/models/credit/unload",
        b"",
    );
    assert_eq!(response.status, 501);
}

#[test]
fn health_speaks_every_dialect() {
    let function = credit();
    let health = json(&send(&function, "GET", "/healthz", b""));
    assert_eq!(
        health,
        json!({"status": "alive", "name": "credit", "version": "3", "live": true, "ready": true})
    );
    for path in ["/v2/health/live", "/v2/health/ready"] {
        assert_eq!(
            json(&send(&function, "GET", path, b"")),
            json!({"live": true, "ready": true})
        );
    }
    assert_eq!(send(&function, "GET", "/ping", b"").status, 200);
}
