//! Invocations as bytes against bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Response;

use super::*;
use crate::Door;
use crate::door::{Log, Target, Wanted};
use crate::example::{answered, call, door, head, line, refused, text};
use crate::refusal::{FailureKind, examples};

const PATH: &str = "/2015-03-31/functions/credit/invocations";

fn invoke(
    headers: &[(&str, &str)],
    payload: &str,
    status: u16,
    answer: &str,
) -> (Vec<String>, String) {
    let answer = answer.to_owned();
    let head = head("POST", PATH, headers);
    let (asked, answer) = call(&head, payload, |_, _| answered(status, answer.clone()));
    (asked, text(&answer))
}

#[test]
fn a_plain_payload_is_a_prediction_and_the_answer_is_the_functions_own_bytes() {
    let (asked, answer) = invoke(&[], r#"{"age": 39.10}"#, 200, r#"{"predictions":[1.10]}"#);
    assert_eq!(asked, [r#"POST /predict {"age": 39.10}"#]);
    assert_eq!(
        answer,
        "200\ncontent-type: application/json\nx-amz-executed-version: 3\nx-amzn-requestid: r-1\n{\"predictions\":[1.10]}"
    );
    let (asked, _) = invoke(&[], "", 200, "{}");
    assert_eq!(asked, ["POST /predict {}"]);
}

#[test]
fn names_arns_and_qualifiers_lead_to_the_function() {
    for (path, function, qualifier) in [
        ("/2015-03-31/functions/credit/invocations", "credit", "live"),
        (
            "/2015-03-31/functions/credit/invocations?Qualifier=%24LATEST",
            "credit",
            "live",
        ),
        (
            "/2015-03-31/functions/credit%3A7/invocations",
            "credit",
            "7",
        ),
        (
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Acredit/invocations?Qualifier=canary",
            "credit",
            "canary",
        ),
    ] {
        let target = Target {
            function: Wanted::Named(function.parse().unwrap()),
            qualifier: qualifier.parse().unwrap(),
        };
        let wants = door(&head("POST", path, &[])).wants();
        assert!(
            matches!(wants, Ok(Wants::Function(found)) if found == target),
            "{path}"
        );
    }
    let emulated = door(&head(
        "POST",
        "/2015-03-31/functions/function/invocations",
        &[],
    ));
    assert!(matches!(
        emulated.wants(),
        Ok(Wants::Function(Target {
            function: Wanted::Only,
            ..
        }))
    ));
    assert!(Door::find(&head("POST", "/2015-03-31/functions/credit", &[])).is_none());
}

#[test]
fn events_are_detached_and_dry_runs_run_nothing() {
    let (asked, answer) = invoke(&[("x-amz-invocation-type", "Event")], "[1]", 500, "");
    assert_eq!(asked, ["POST /predict [1]"]);
    assert_eq!(answer, "202\nx-amzn-requestid: r-1\n");
    let (asked, answer) = invoke(&[("X-Amz-Invocation-Type", "DryRun")], "no JSON", 500, "");
    assert!(asked.is_empty());
    assert_eq!(answer, "204\nx-amzn-requestid: r-1\n");
}

#[test]
fn the_log_tail_comes_with_the_answer_when_it_is_asked_for() {
    let head = head("POST", PATH, &[("x-amz-log-type", "Tail")]);
    let (_, answer) = call(&head, "{}", |_, _| Outcome {
        log: Log {
            said: Bytes::from_static(b"a warning"),
            report: "REPORT RequestId: r-1\tDuration: 0.05 ms\t".into(),
        },
        ..answered(200, "{}")
    });
    let log = STANDARD
        .decode(answer.headers()["x-amz-log-result"].as_bytes())
        .unwrap();
    assert_eq!(
        String::from_utf8(log).unwrap(),
        "START RequestId: r-1 Version: 3\na warning\nEND RequestId: r-1\nREPORT RequestId: r-1\tDuration: 0.05 ms\t\n"
    );
}

#[test]
fn what_the_function_refuses_is_its_error_in_its_words() {
    let (_, answer) = invoke(
        &[],
        "{}",
        400,
        r#"{"error":"row 0, feature `age`: missing","row":0}"#,
    );
    assert_eq!(
        answer,
        "200\ncontent-type: application/json\nx-amz-executed-version: 3\nx-amz-function-error: Handled\nx-amzn-requestid: r-1\n\
         {\"errorMessage\":\"row 0, feature `age`: missing\",\"errorType\":\"BadRequest\"}"
    );
    for (status, kind) in [
        (501, "NotImplemented"),
        (413, "PayloadTooLarge"),
        (418, "Imateapot"),
        (599, "Error"),
    ] {
        let (_, answer) = invoke(&[], "{}", status, "plain words");
        let document = format!("{{\"errorMessage\":\"plain words\",\"errorType\":\"{kind}\"}}");
        assert!(answer.ends_with(&document), "{answer}");
    }
}

#[test]
fn what_fails_is_unhandled_with_lambdas_own_types() {
    for (kind, error_type) in [
        (FailureKind::Deadline, "Sandbox.Timedout"),
        (FailureKind::Resources, "Runtime.OutOfMemory"),
        (FailureKind::Crash, "Runtime.ExitError"),
        (FailureKind::NoAnswer, "Runtime.ExitError"),
    ] {
        let (_, answer) = call(&head("POST", PATH, &[]), "{}", |_, _| {
            let message = "it went wrong".to_owned();
            refused(Refusal::Failed { kind, message })
        });
        assert_eq!(
            text(&answer),
            format!(
                "200\ncontent-type: application/json\nx-amz-executed-version: 3\nx-amz-function-error: Unhandled\nx-amzn-requestid: r-1\n\
                 {{\"errorMessage\":\"RequestId: r-1 Error: it went wrong\",\"errorType\":\"{error_type}\"}}"
            )
        );
    }
}

#[test]
fn answers_that_are_no_json_become_json() {
    assert!(
        invoke(&[], "{}", 200, "a \"text\"")
            .1
            .ends_with("\n\"a \\\"text\\\"\"")
    );
    assert!(invoke(&[], "{}", 204, "").1.ends_with("\nnull"));
    let (_, answer) = call(&head("POST", PATH, &[]), "{}", |_, _| {
        answered(200, &b"\xff\xfe"[..])
    });
    assert!(text(&answer).contains("Runtime.MarshalError"), "{answer:?}");
}

#[test]
fn the_services_own_errors_have_the_shapes_of_its_model() {
    let found: Vec<String> = examples()
        .iter()
        .map(|refusal| {
            let answer = door(&head("POST", PATH, &[])).refuse(refusal, "r-1");
            let header = |name: &str| {
                answer
                    .headers()
                    .get(name)
                    .map_or("", |value| value.to_str().unwrap())
            };
            let body = String::from_utf8_lossy(answer.body());
            format!(
                "{} {} {}{body}",
                answer.status().as_u16(),
                header("x-amzn-errortype"),
                header("retry-after")
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            r#"404 ResourceNotFoundException {"Type":"User","Message":"Function not found: credit"}"#,
            r#"404 ResourceNotFoundException {"Type":"User","Message":"Function not found: credit"}"#,
            r#"404 ResourceNotFoundException {"Type":"User","Message":"this host has 2 functions; name the one that is meant"}"#,
            r#"409 ResourceConflictException {"Type":"User","message":"the function `credit` is disabled"}"#,
            r#"402 ServiceQuotaExceededException {"Type":"User","Message":"the budget of the function `credit` is spent"}"#,
            r#"429 TooManyRequestsException 2{"Type":"User","Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","message":"as many calls of the function run and wait as may; try again later"}"#,
            r#"429 TooManyRequestsException 3{"Type":"User","Reason":"FunctionInvocationRateLimitExceeded","message":"the function is called more often than it may be; try again later"}"#,
            r#"429 TooManyRequestsException {"Type":"User","Reason":"CallerRateLimitExceeded","message":"the caller has called as often as it ever may; it takes a new key, or a larger quota"}"#,
            r#"403 UnrecognizedClientException {"Type":"User","message":"this function needs an API key in `x-api-key` or a bearer token; the call has no valid one"}"#,
            r#"403 AccessDeniedException {"Type":"User","message":"the caller may not call the function `credit`"}"#,
            r#"400 InvalidRequestContentException {"Type":"User","message":"the request body did not arrive within 1 seconds"}"#,
            r#"413 RequestTooLargeException {"Type":"User","message":"the request's body is longer than 6291456 bytes"}"#,
            r#"500 ServiceException {"Type":"Service","Message":"the function did not finish within its deadline of 30s"}"#,
            r#"500 ServiceException {"Type":"Service","Message":"the function crashed: unreachable"}"#,
            r#"500 ServiceException {"Type":"Service","Message":"the host cannot take the call now: it is shutting down"}"#,
        ]
    );
}

#[test]
fn what_lambda_would_not_take_is_refused_as_lambda_does() {
    for (headers, payload, kind, words) in [
        (
            &[][..],
            "{",
            "InvalidRequestContentException",
            "the payload is no JSON: EOF while parsing an object at line 1 column 1; send rows as JSON, or an HTTP event",
        ),
        (
            &[],
            "\u{feff}{}",
            "InvalidRequestContentException",
            "the payload is no JSON: ",
        ),
        (
            &[("x-amz-invocation-type", "Later")],
            "{}",
            "InvalidParameterValueException",
            "the invocation type is `Later`; expected RequestResponse, Event or DryRun",
        ),
        (
            &[("x-amz-log-type", "All")],
            "{}",
            "InvalidParameterValueException",
            "the log type is `All`; expected None or Tail",
        ),
        (
            &[],
            r#"{"httpMethod":"A B","path":"/"}"#,
            "InvalidRequestContentException",
            "the payload is an HTTP event, but its method is `A B`; expected an HTTP method",
        ),
        (
            &[],
            r#"{"httpMethod":"POST","path":"/","body":"*","isBase64Encoded":true}"#,
            "InvalidRequestContentException",
            "the payload is an HTTP event, but its body is no base64",
        ),
    ] {
        let (asked, answer) = invoke(headers, payload, 200, "{}");
        assert!(asked.is_empty(), "{payload}");
        assert!(
            answer.starts_with(&format!(
                "400\ncontent-type: application/json\nx-amzn-errortype: {kind}\n"
            )),
            "{answer}"
        );
        assert!(answer.contains(words), "{answer}");
    }
    let both = "/2015-03-31/functions/credit:1/invocations?Qualifier=2";
    let (_, answer) = call(&head("POST", both, &[]), "{}", |_, _| unreachable!());
    assert!(
        text(&answer).contains("the name says `:1` and `Qualifier` says `2`; send one of them")
    );
    let (_, answer) = call(&head("GET", PATH, &[]), "", |_, _| unreachable!());
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.headers()["allow"], "POST");
}

/// An event in, the request it is; a response out, the document it becomes.
fn event(
    event: &str,
    response: http::response::Builder,
    body: &'static [u8],
) -> (String, String, String) {
    let (payload, request) = Payload::read(&Bytes::copy_from_slice(event.as_bytes())).unwrap();
    let mut headers: Vec<String> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort_unstable();
    let response: Response<Bytes> = response.body(Bytes::from_static(body)).unwrap();
    let Reply::Payload(document) = payload.reply(response) else {
        panic!("an HTTP event has an answer whatever its status");
    };
    let document = String::from_utf8(document.to_vec()).unwrap();
    (line(&request), headers.join("\n"), document)
}

#[test]
fn events_of_http_apis_and_function_urls_are_requests() {
    let (request, headers, answer) = event(
        r#"{"version":"2.0","routeKey":"$default","rawPath":"/prod/explain","rawQueryString":"top=3&x=%20","cookies":["a=1","b=2"],
            "headers":{"content-type":"application/json","x-multi":"1,2","content-length":"9","spin-path-info":"/x"},
            "requestContext":{"http":{"method":"POST","path":"/prod/explain"},"stage":"prod"},"body":"{\"age\":1.10}","isBase64Encoded":false}"#,
        Response::builder()
            .header("content-type", "application/json")
            .header("set-cookie", "s=1")
            .header("set-cookie", "t=2")
            .header("vary", "a")
            .header("vary", "b")
            .header("content-length", "2"),
        b"{}",
    );
    assert_eq!(request, r#"POST /prod/explain?top=3&x=%20 {"age":1.10}"#);
    assert_eq!(
        headers,
        "content-type: application/json\ncookie: a=1; b=2\nx-multi: 1,2"
    );
    assert_eq!(
        answer,
        r#"{"statusCode":200,"headers":{"content-type":"application/json","vary":"a,b"},"cookies":["s=1","t=2"],"body":"{}","isBase64Encoded":false}"#
    );
}

#[test]
fn events_of_rest_apis_are_requests() {
    let (request, headers, answer) = event(
        r#"{"resource":"/{proxy+}","path":"/predict","httpMethod":"POST","headers":{"A":"2"},"multiValueHeaders":{"A":["1","2"]},
            "queryStringParameters":{"q":"b c"},"multiValueQueryStringParameters":{"q":["a&","b c"]},"requestContext":{"stage":"prod"},
            "body":"eyJhZ2UiOjF9","isBase64Encoded":true}"#,
        Response::builder()
            .status(404)
            .header("a", "1")
            .header("b", "1")
            .header("b", "2"),
        b"\xff",
    );
    assert_eq!(request, r#"POST /predict?q=a%26&q=b%20c {"age":1}"#);
    assert_eq!(headers, "a: 1\na: 2");
    assert_eq!(
        answer,
        r#"{"statusCode":404,"headers":{"a":"1"},"multiValueHeaders":{"b":["1","2"]},"body":"/w==","isBase64Encoded":true}"#
    );
    // The smallest event there is, as a person writes it.
    let (request, _, answer) = event(
        r#"{"httpMethod": "POST", "path": "/explain", "body": {"age": 1.10}}"#,
        Response::builder(),
        b"{}",
    );
    assert_eq!(request, r#"POST /explain {"age": 1.10}"#);
    assert_eq!(
        answer,
        r#"{"statusCode":200,"headers":{},"body":"{}","isBase64Encoded":false}"#
    );
}

#[test]
fn events_of_load_balancers_keep_their_query_and_get_their_own_answer() {
    let single = r#"{"requestContext":{"elb":{"targetGroupArn":"arn"}},"httpMethod":"GET","path":"/card","queryStringParameters":{"q":"a%20b"},"headers":{"host":"h"},"body":"","isBase64Encoded":false}"#;
    let (request, headers, answer) = event(single, Response::builder().header("a", "1"), b"x");
    assert_eq!(request, "GET /card?q=a%20b ");
    assert_eq!(headers, "host: h");
    assert_eq!(
        answer,
        r#"{"statusCode":200,"statusDescription":"200 OK","headers":{"a":"1"},"body":"x","isBase64Encoded":false}"#
    );
    let lists = r#"{"requestContext":{"elb":{}},"httpMethod":"GET","path":"/card","multiValueHeaders":{"host":["h"]}}"#;
    let (_, _, answer) = event(lists, Response::builder().header("a", "1"), b"");
    assert!(
        answer.contains(r#""multiValueHeaders":{"a":["1"]}"#) && !answer.contains(r#""headers""#),
        "{answer}"
    );
}

#[test]
fn json_that_only_looks_like_an_event_is_a_payload() {
    for payload in [
        r#"{"path":"/explain"}"#,
        r#"{"httpMethod":"POST"}"#,
        r#"{"httpMethod":1,"path":"/"}"#,
        r#"{"rawPath":"/x","requestContext":{}}"#,
        r#"[{"httpMethod":"POST","path":"/"}]"#,
        "null",
        "\"text\"",
        "1e400",
    ] {
        let (asked, _) = invoke(&[], payload, 200, "{}");
        assert_eq!(asked, [format!("POST /predict {payload}")]);
    }
}
