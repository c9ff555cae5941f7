//! The doors of other platforms lead to the same functions, gates and records.

use serde_json::json;

use crate::guests;
use crate::host::Host;

const INVOKE: &str = "/2015-03-31/functions";

#[test]
fn lambda_invoke_answers_as_lambda_does() {
    let host = Host::start(&[]);
    host.deploy("echo", &guests::echo());
    let invoke = |name: &str| host.call(&format!("{INVOKE}/{name}/invocations"));
    let answer = invoke("echo")
        .header("x-amz-log-type", "Tail")
        .post(br#"{"age": 39}"#);
    assert_eq!((answer.status, answer.json()), (200, json!({"age": 39})));
    assert_eq!(answer.header("x-amz-executed-version"), "1");
    assert!(!answer.header("x-amz-log-result").is_empty());
    let event = invoke("echo")
        .header("x-amz-invocation-type", "Event")
        .post(b"{}");
    assert_eq!((event.status, event.body.len()), (202, 0));
    let dry = invoke("echo")
        .header("x-amz-invocation-type", "DryRun")
        .post(b"{}");
    assert_eq!(dry.status, 204);
    let unknown = invoke("nobody").post(b"{}");
    assert_eq!(
        (unknown.status, unknown.header("x-amzn-errortype")),
        (404, "ResourceNotFoundException")
    );
    host.deploy("echo", &guests::http("(unreachable)"));
    let failed = invoke("echo").post(b"{}");
    assert_eq!(
        (failed.status, failed.header("x-amz-function-error")),
        (200, "Unhandled"),
        "{}",
        failed.text()
    );
    assert_eq!(
        invoke("echo:1")
            .post(b"{}")
            .header("x-amz-executed-version"),
        "1"
    );
    let only = host
        .call(&format!("{INVOKE}/function/invocations"))
        .header("x-amz-invocation-type", "DryRun")
        .post(b"{}");
    assert_eq!(only.status, 204, "the only function of the host");
}

#[test]
fn gates_and_budgets_stand_before_every_door() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::echo());
    host.patch("f", json!({"access": {"required": true}}));
    let path = format!("{INVOKE}/f/invocations");
    assert_eq!(host.call(&path).post(b"{}").status, 403);
    let key = host
        .control("/api/keys")
        .json("POST", json!({"name": "ada"}))
        .json();
    let secret = key["secret"].as_str().unwrap();
    assert_eq!(
        host.call(&path)
            .header("x-api-key", secret)
            .post(b"{}")
            .status,
        200
    );
    let usage = host.control("/api/usage?by=caller").get().json();
    assert_eq!(
        (&usage[0]["caller"], &usage[0]["invocations"]),
        (&json!("ada"), &json!(1))
    );
    host.control("/api/functions/f/disable").post(b"");
    assert!(
        host.call(&path)
            .header("x-api-key", secret)
            .post(b"{}")
            .status
            >= 400
    );
    assert_eq!(
        host.call("/v2/models").get().json(),
        json!({"models": []}),
        "names are told to who may call them"
    );
}

#[test]
fn kserve_clients_find_every_function_by_name() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::http(crate::http::TELL_HEADERS));
    assert_eq!(
        host.call("/v2/models").get().json(),
        json!({"models": ["f"]})
    );
    assert_eq!(host.call("/v2/health/ready").get().status, 200);
    assert_eq!(host.call("/v2/models/f/ready").get().status, 200);
    assert_eq!(host.call("/v2/models/nobody/ready").get().status, 404);
    let told = host.call("/v1/models/f:predict").post(b"{}").text();
    assert!(
        told.contains("spin-path-info: /v1/models/f:predict"),
        "{told}"
    );
}

#[test]
fn azures_custom_handler_calls_functions_by_name() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::echo());
    let body = json!({
        "Data": {"req": {"Url": "http://localhost/api/f", "Method": "POST", "Headers": {}, "Body": "{}"}},
        "Metadata": {}
    });
    let answer = host
        .call("/f")
        .header("x-azure-functions-invocationid", "1")
        .json("POST", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer.json()["Outputs"]["res"].is_object(),
        "{}",
        answer.text()
    );
}
