//! Requests of Azure's host as bytes against bytes. The shapes are those that Microsoft documents for custom handlers.

use super::*;
use crate::Door;
use crate::example::{answered, call, door, head, refused, text};

const HOST: [(&str, &str); 2] = [
    (
        "x-azure-functions-invocationid",
        "83a33220-a921-460a-bec0-b3f043dcf1ff",
    ),
    ("content-type", "application/json; charset=utf-8"),
];

fn trigger(url: &str, method: &str, rest: &str) -> String {
    format!(
        r#"{{"Data":{{"req":{{"Url":"{url}","Method":"{method}","Query":"{{}}"{rest},"Params":{{}}}}}},"Metadata":{{}}}}"#
    )
}

fn invoke(body: &str, answer: Outcome) -> (Vec<String>, String) {
    let mut answer = Some(answer);
    let head = head("POST", "/credit", &HOST);
    let (asked, answer) = call(&head, body, |_, _| answer.take().unwrap());
    (asked, text(&answer))
}

#[test]
fn a_trigger_is_the_request_it_describes_and_the_answer_is_its_output() {
    let rest = r#","Headers":{"Content-Type":["application/json"],"Host":["localhost:7071"],"X":["1","2"]},"Body":"{\"age\":1.10}""#;
    let (asked, answer) = invoke(
        &trigger(
            "http://localhost:7071/api/credit/explain?top=3",
            "POST",
            rest,
        ),
        answered(200, r#"{"predictions":[]}"#),
    );
    assert_eq!(asked, [r#"POST /explain?top=3 {"age":1.10}"#]);
    assert_eq!(
        answer,
        "200\ncontent-type: application/json\n\
         {\"Outputs\":{\"res\":{\"statusCode\":200,\"body\":\"{\\\"predictions\\\":[]}\",\"headers\":{\"content-type\":\"application/json\"}}},\"Logs\":[],\"ReturnValue\":null}"
    );
}

#[test]
fn the_path_is_what_follows_the_functions_name() {
    for (url, method, path) in [
        ("http://h/api/credit", "POST", "POST /predict"),
        ("http://h/api/credit/", "POST", "POST /predict"),
        ("http://h/api/credit", "GET", "GET /"),
        ("http://h/api/credit/card", "GET", "GET /card"),
        (
            "http://h/credit/v2/models/credit/infer",
            "POST",
            "POST /v2/models/credit/infer",
        ),
        (
            "http://h/api/score/predict",
            "POST",
            "POST /api/score/predict",
        ),
        ("https://h", "GET", "GET /"),
    ] {
        let (asked, _) = invoke(&trigger(url, method, ""), answered(200, "{}"));
        assert_eq!(asked, [format!("{path} ")], "{url}");
    }
}

#[test]
fn bodies_are_texts_base64_or_json() {
    for (rest, body) in [
        (r#","Body":{"age": 1.10}"#, r#"{"age": 1.10}"#),
        (r#","Body":null"#, ""),
        (
            r#","Headers":{"content-type":"application/octet-stream"},"Body":"YWJj""#,
            "abc",
        ),
        (
            r#","Headers":{"content-type":["text/csv"]},"Body":"YWJj""#,
            "YWJj",
        ),
    ] {
        let (asked, _) = invoke(
            &trigger("http://h/credit/predict", "POST", rest),
            answered(200, "{}"),
        );
        assert_eq!(asked, [format!("POST /predict {body}")]);
    }
}

#[test]
fn refusals_reach_the_caller_as_outputs() {
    let request = trigger("http://h/api/credit", "POST", "");
    let (_, answer) = invoke(&request, answered(400, r#"{"error":"no rows"}"#));
    assert!(
        answer.starts_with("200\n")
            && answer.contains(r#""statusCode":400,"body":"{\"error\":\"no rows\"}""#),
        "{answer}"
    );
    let throttled = crate::refusal::examples().swap_remove(5);
    let (_, answer) = invoke(&request, refused(throttled));
    assert!(
        answer.starts_with("200\n")
            && answer.contains(r#""statusCode":429"#)
            && answer.contains(r#""retry-after":"2""#),
        "{answer}"
    );
    let (_, answer) = invoke(&request, answered(200, &b"\xff"[..]));
    assert!(
        answer.contains(r#""statusCode":501"#) && answer.contains("enableForwardingHttpRequest"),
        "{answer}"
    );
}

#[test]
fn what_is_no_http_trigger_fails_the_invocation() {
    for (body, words) in [
        (
            r#"{"Data":{"item":"x"},"Metadata":{}}"#,
            "missing field `req`",
        ),
        ("", "EOF while parsing"),
        (
            &trigger("http://h/%zz ", "POST", ""),
            "`Data.req.Url` is `http://h/%zz `",
        ),
        (
            &trigger("http://h/", "A B", ""),
            "`Data.req.Method` is `A B`; expected an HTTP method",
        ),
        (
            &trigger(
                "http://h/",
                "POST",
                r#","Headers":{"content-type":["multipart/form-data"]},"Body":"*""#,
            ),
            "no base64",
        ),
    ] {
        let (asked, answer) = invoke(body, answered(200, "{}"));
        assert!(asked.is_empty());
        assert!(
            answer.starts_with("400\n") && answer.contains(words),
            "{answer}"
        );
    }
}

#[test]
fn only_azures_host_has_this_door() {
    assert_eq!(door(&head("POST", "/credit", &HOST)).platform(), "azure");
    for (method, path, headers) in [
        ("POST", "/credit", &[][..]),
        ("GET", "/credit", &HOST),
        ("POST", "/credit/predict", &HOST),
        ("POST", "/Credit", &HOST),
    ] {
        assert!(
            Door::find(&head(method, path, headers)).is_none(),
            "{method} {path}"
        );
    }
}
