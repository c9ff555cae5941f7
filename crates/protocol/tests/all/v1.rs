//! KServe V1, and MLflow's and SageMaker's container contract.

use serde_json::json;

use crate::functions::{credit, price, wine};
use crate::{json, send, send_with, text};

const INSTANCES: &[u8] =
    br#"{"instances":[[2048,16,true,"own","car"],[1024,8,false,"free","tv"]]}"#;

#[test]
fn models() {
    let function = credit();
    assert_eq!(
        text(&send(&function, "GET", "/v1/models", b"")),
        r#"{"models":["credit"]}"#
    );
    assert_eq!(
        text(&send(&function, "GET", "/v1/models/credit", b"")),
        r#"{"name":"credit","ready":true}"#
    );
}

#[test]
fn predictions_are_what_the_model_would_say_at_home() {
    let answer = json(&send(
        &credit(),
        "POST",
        "/v1/models/credit:predict",
        INSTANCES,
    ));
    assert_eq!(answer["predictions"], json!(["good", "bad"]));
    assert_eq!(answer["labels"], json!(["bad", "good"]));
    assert_eq!(answer["probabilities"][1].as_array().map(Vec::len), Some(2));
    let answer = json(&send(
        &wine(),
        "POST",
        "/v1/models/wine:predict",
        br#"{"inputs":[[1,3]]}"#,
    ));
    assert_eq!(answer["predictions"], json!([20]));
    let answer = text(&send(
        &price(),
        "POST",
        "/v1/models/price:predict",
        br#"{"instances":[[1],[2]]}"#,
    ));
    assert_eq!(answer, r#"{"predictions":[4,7]}"#);
}

#[test]
fn explanations_come_in_both_shapes() {
    let answer = json(&send(
        &credit(),
        "POST",
        "/v1/models/credit:explain",
        INSTANCES,
    ));
    assert_eq!(answer["predictions"], json!(["good", "bad"]));
    assert_eq!(answer["explanations"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        answer["meta"],
        json!({
            "name": "LinearShap", "type": ["whitebox"], "explanations": ["local"],
            "params": {"method": "linear", "space": "margin"}, "version": "3",
        })
    );
    assert_eq!(
        answer["data"]["shap_values"],
        json!([[[0.5, -0.5, 2, 1, 0.5], [-0.5, 0.5, 0, -1, -0.5]]])
    );
    assert_eq!(answer["data"]["expected_value"], json!([0]));
    assert_eq!(
        answer["data"]["feature_names"],
        json!(["amount", "duration", "foreign", "housing", "purpose"])
    );
    assert_eq!(
        answer["data"]["raw"]["raw_prediction"],
        json!([[3.5], [-1.5]])
    );
}

#[test]
fn invocations() {
    let function = credit();
    let csv = b"amount,duration,foreign,housing,purpose\n2048,16,true,own,car\n";
    for (content_type, body) in [
        ("application/json", INSTANCES),
        ("application/json; charset=utf-8", br#"{"dataframe_split":{"columns":["amount","duration","foreign","housing"],"data":[[2048,16,1,"own"]]}}"#),
        ("text/csv", csv),
    ] {
        let response = send_with(&function, "POST", "/invocations", &[("content-type", content_type)], body);
        assert_eq!(json(&response)["predictions"][0], "good", "{content_type}");
    }
    assert_eq!(
        text(&send(&function, "POST", "/invocations", csv)),
        r#"{"predictions":["good"]}"#
    );
    let response = send_with(
        &function,
        "POST",
        "/invocations",
        &[("content-type", "text/plain")],
        csv,
    );
    let words =
        "the content type `text/plain` is not taken here; send `application/json` or `text/csv`";
    assert_eq!(
        (response.status, text(&response)),
        (
            415,
            format!(
                r#"{{"error_code":"UNSUPPORTED_MEDIA_TYPE","message":"{words}","error":"{words}"}}"#
            )
        )
    );
    let response = send(&function, "POST", "/invocations", b"[]");
    let words = "the body has no rows; send at least one";
    assert_eq!(
        (response.status, text(&response)),
        (
            400,
            format!(r#"{{"error_code":"BAD_REQUEST","message":"{words}","error":"{words}"}}"#)
        )
    );
}
