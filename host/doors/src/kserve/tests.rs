//! Both protocols as bytes against bytes.

use super::*;
use crate::Door;
use crate::example::{answered, call, door, head, refused, text};
use crate::refusal::examples;

fn listed(name: &str, closed: Option<&str>) -> Listed {
    Listed {
        function: name.parse().unwrap(),
        version: "3".parse().unwrap(),
        closed: closed.map(str::to_owned),
    }
}

#[test]
fn the_function_is_asked_by_the_name_it_has_for_itself() {
    for (method, path, asked) in [
        (
            "POST",
            "/v1/models/credit-live:predict",
            "POST /v1/models/credit:predict body",
        ),
        (
            "POST",
            "/v1/models/credit-live:explain?top=3",
            "POST /v1/models/credit:explain?top=3 body",
        ),
        (
            "POST",
            "/v2/models/credit-live/infer",
            "POST /v2/models/credit/infer body",
        ),
        (
            "POST",
            "/v2/models/credit-live/versions/3/infer",
            "POST /v2/models/credit/infer body",
        ),
        (
            "GET",
            "/v2/models/credit-live",
            "GET /v2/models/credit body",
        ),
        (
            "GET",
            "/v2/models/credit-live/versions/canary/",
            "GET /v2/models/credit body",
        ),
    ] {
        let (found, _) = call(&head(method, path, &[]), "body", |_, _| answered(200, "{}"));
        assert_eq!(found, [asked], "{path}");
    }
}

#[test]
fn versions_of_models_are_versions_and_aliases_of_functions() {
    for (path, qualifier) in [
        ("/v2/models/credit/infer", "live"),
        ("/v2/models/credit/versions/7/infer", "7"),
        ("/v2/models/credit/versions/canary/infer", "canary"),
    ] {
        let target = Target {
            function: Wanted::Named("credit".parse().unwrap()),
            qualifier: qualifier.parse().unwrap(),
        };
        let wants = door(&head("POST", path, &[])).wants();
        assert!(
            matches!(wants, Ok(Wants::Function(found)) if found == target),
            "{path}"
        );
    }
    for (path, words) in [
        (
            "/v2/models/Credit/infer",
            "there is no function `Credit` here",
        ),
        (
            "/v2/models/credit/versions/1.0.0/infer",
            "the function `credit` has no version or alias `1.0.0`",
        ),
    ] {
        let door = door(&head("POST", path, &[]));
        let refusal = door.wants().unwrap_err();
        assert_eq!(
            text(&door.refuse(&refusal, "r-1")),
            format!("404\ncontent-type: application/json\n{{\"error\":\"{words}\"}}")
        );
    }
}

#[test]
fn answers_pass_untouched_and_metadata_is_renamed() {
    let (_, answer) = call(
        &head("POST", "/v1/models/credit-live:predict", &[]),
        "",
        |_, _| answered(400, r#"{"error":"no rows","row":0}"#),
    );
    assert!(
        text(&answer).starts_with("400\n")
            && text(&answer).ends_with(r#"{"error":"no rows","row":0}"#)
    );
    let (_, answer) = call(&head("GET", "/v2/models/credit-live", &[]), "", |_, _| {
        answered(
            200,
            r#"{"name":"credit","versions":["1.0.0"],"platform":"hyaline_wasm","inputs":[{"shape":[-1,1]}]}"#,
        )
    });
    assert_eq!(
        text(&answer),
        "200\ncontent-type: application/json\n{\"name\":\"credit-live\",\"versions\":[\"3\"],\"platform\":\"hyaline_wasm\",\"inputs\":[{\"shape\":[-1,1]}]}"
    );
}

#[test]
fn the_host_answers_for_itself() {
    for (method, path, body) in [
        ("GET", "/", r#"{"status":"alive"}"#),
        ("GET", "/v2/health/live", r#"{"live":true,"ready":true}"#),
        ("HEAD", "/v2/health/ready", r#"{"live":true,"ready":true}"#),
    ] {
        let (_, answer) = call(&head(method, path, &[]), "", |_, _| unreachable!());
        assert_eq!(
            text(&answer),
            format!("200\ncontent-type: application/json\n{body}")
        );
    }
    let (_, answer) = call(&head("GET", "/v2/", &[]), "", |_, _| unreachable!());
    let server: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(
        server["extensions"],
        json!(["binary_tensor_data", "model_repository"])
    );
    let (_, answer) = call(&head("TRACE", "/v2/models", &[]), "", |_, _| unreachable!());
    assert_eq!(
        text(&answer),
        "405\nallow: GET, HEAD\ncontent-type: application/json\n{\"error\":\"this path takes GET, HEAD only\"}"
    );
    let (_, answer) = call(
        &head("GET", "/v2/models/credit/infer", &[]),
        "",
        |_, _| unreachable!(),
    );
    assert_eq!(answer.headers()["allow"], "POST");
}

#[test]
fn functions_are_listed_with_their_states() {
    let functions = [
        listed("credit", None),
        listed("wine", Some("it is disabled")),
    ];
    for path in ["/v1/models", "/v2/models"] {
        let door = door(&head("GET", path, &[]));
        assert!(matches!(door.wants(), Ok(Wants::Functions)));
        let answer = door.list(&Bytes::new(), &functions);
        assert_eq!(
            text(&answer),
            "200\ncontent-type: application/json\n{\"models\":[\"credit\",\"wine\"]}"
        );
    }
    let index = door(&head("POST", "/v2/repository/index", &[]));
    let list =
        |body: &'static str| text(&index.list(&Bytes::from_static(body.as_bytes()), &functions));
    let ready = r#"{"name":"credit","version":"3","state":"READY","reason":""}"#;
    let closed = r#"{"name":"wine","version":"3","state":"UNAVAILABLE","reason":"it is disabled"}"#;
    assert!(list("").ends_with(&format!("\n[{ready},{closed}]")));
    assert!(list("{}").ends_with(&format!("\n[{ready},{closed}]")));
    assert!(list(r#"{"ready":true,"x":1}"#).ends_with(&format!("\n[{ready}]")));
    assert!(list("[]x").starts_with("400\n"));
}

#[test]
fn readiness_loading_and_unloading_are_the_hosts_business() {
    let target = Target {
        function: Wanted::Named("credit".parse().unwrap()),
        qualifier: Qualifier::default(),
    };
    for (method, path, done) in [
        (
            "GET",
            "/v1/models/credit",
            r#"{"name":"credit","ready":true}"#,
        ),
        (
            "GET",
            "/v2/models/credit/ready",
            r#"{"name":"credit","ready":true}"#,
        ),
        ("POST", "/v2/repository/models/credit/load", "{}"),
        ("POST", "/v2/repository/models/credit/unload", "{}"),
    ] {
        let door = door(&head(method, path, &[]));
        match door.wants().unwrap() {
            Wants::Readiness(found) | Wants::Load(found) | Wants::Unload(found) => {
                assert_eq!(found, target)
            }
            other => panic!("{path} wants {other:?}"),
        }
        assert_eq!(
            text(&door.done(Ok(()))),
            format!("200\ncontent-type: application/json\n{done}")
        );
    }
    let ready = door(&head("GET", "/v2/models/credit/ready", &[]));
    let statuses: Vec<u16> = examples()
        .iter()
        .map(|refusal| ready.done(Err(refusal)).status().as_u16())
        .collect();
    assert_eq!(
        statuses,
        [
            404, 404, 404, 503, 503, 429, 429, 429, 401, 403, 400, 413, 504, 500, 503
        ]
    );
}

#[test]
fn an_explanation_is_an_inference_of_one_output() {
    let path = "/v2/models/credit-live/explain";
    for (body, sent) in [
        (
            r#"{"id":"1","inputs":[{"data":[1.10]}]}"#,
            r#"{"id":"1","inputs":[{"data":[1.10]}],"outputs":[{"name":"explanation"}]}"#,
        ),
        (
            r#"{"inputs":[],"outputs":[{"name":"attributions"}]}"#,
            r#"{"inputs":[],"outputs":[{"name":"attributions"}]}"#,
        ),
        ("no JSON", "no JSON"),
    ] {
        let (asked, _) = call(&head("POST", path, &[]), body, |_, _| answered(200, "{}"));
        assert_eq!(asked, [format!("POST /v2/models/credit/infer {sent}")]);
    }
    let parts = head(
        "POST",
        path,
        &[
            ("Inference-Header-Content-Length", "2"),
            ("content-length", "6"),
        ],
    );
    let (_, step) = door(&parts).open(
        &parts,
        Bytes::from_static(b"{}\x01\x02\x03\x04"),
        &crate::example::callee(),
        "r-1",
    );
    let Step::Invoke(request) = step else {
        panic!("an inference is asked for");
    };
    let json = br#"{"outputs":[{"name":"explanation"}]}"#;
    assert_eq!(request.headers()[JSON_LENGTH], json.len().to_string());
    assert!(!request.headers().contains_key(CONTENT_LENGTH));
    assert_eq!(
        request.body()[..],
        [&json[..], b"\x01\x02\x03\x04"].concat()
    );
    // A length beyond the body is the function's to refuse.
    let parts = head("POST", path, &[("Inference-Header-Content-Length", "99")]);
    let (asked, _) = call(&parts, "{}", |_, _| answered(400, "{}"));
    assert_eq!(asked, ["POST /v2/models/credit/infer {}"]);
}

#[test]
fn refusals_of_the_host_are_errors_of_the_protocol() {
    let refusal = examples().swap_remove(5);
    let (_, answer) = call(
        &head("POST", "/v1/models/credit-live:predict", &[]),
        "",
        |_, _| refused(refusal.clone()),
    );
    assert_eq!(
        text(&answer),
        "429\ncontent-type: application/json\nretry-after: 2\n{\"error\":\"as many calls of the function run and wait as may; try again later\"}"
    );
}

#[test]
fn other_paths_are_not_of_the_protocols() {
    for path in [
        "/v1",
        "/v1/models/m:fly",
        "/v2/models/m/versions",
        "/v2/models/m/stats",
        "/credit/v2/models",
        "/v1/models/m/x",
    ] {
        assert!(Door::find(&head("GET", path, &[])).is_none(), "{path}");
    }
    assert!(Door::find(&head("POST", "/", &[])).is_none());
}
