//! What the tests of every door need: requests, a function behind them, and an answer taken apart.

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use hyaline_control::{FunctionName, VersionNumber};

use crate::{Callee, Door, Log, Outcome, Refusal, Step, Wants};

/// The head of a request.
pub(crate) fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// Version 3 of a function called `credit-live` that was packed as `credit`.
pub(crate) fn callee() -> Callee {
    let card = r#"{"name":"credit","version":"1.0.0","positive":"good"}"#;
    Callee::new(
        FunctionName::new("credit-live").unwrap(),
        VersionNumber::new(3).unwrap(),
        Some(card),
    )
}

/// A function's answer of JSON.
pub(crate) fn answered(status: u16, body: impl Into<Bytes>) -> Outcome {
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("content-length", "7")
        .body(body.into());
    Outcome {
        result: Ok(response.unwrap()),
        log: Log::default(),
    }
}

/// No answer.
pub(crate) fn refused(refusal: Refusal) -> Outcome {
    Outcome {
        result: Err(refusal),
        log: Log::default(),
    }
}

/// The door of a request that has one.
pub(crate) fn door(head: &Parts) -> Door {
    Door::find(head).unwrap_or_else(|| panic!("{} has no door", head.uri))
}

/// A whole call: what the function is asked, one line per request, and the answer. `function` gets path and body.
pub(crate) fn call(
    head: &Parts,
    body: &str,
    mut function: impl FnMut(&str, &str) -> Outcome,
) -> (Vec<String>, Response<Bytes>) {
    let door = door(head);
    if let Wants::Answer(answer) = door.wants().unwrap() {
        return (Vec::new(), answer);
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    let (mut call, mut step) = door.open(head, body, &callee(), "r-1");
    let mut asked = Vec::new();
    loop {
        match step {
            Step::Answer(answer) => return (asked, answer),
            Step::Detach { request, answer } => {
                asked.push(line(&request));
                return (asked, answer);
            }
            Step::Invoke(request) => {
                asked.push(line(&request));
                let body = String::from_utf8_lossy(request.body()).into_owned();
                step = call.next(function(request.uri().path(), &body));
            }
        }
    }
}

/// A request in one line.
pub(crate) fn line(request: &Request<Bytes>) -> String {
    let body = String::from_utf8_lossy(request.body());
    format!("{} {} {body}", request.method(), request.uri())
}

/// An answer in a few lines: status, the headers in alphabetical order, body.
pub(crate) fn text(answer: &Response<Bytes>) -> String {
    let mut headers: Vec<String> = answer
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort_unstable();
    let body = String::from_utf8_lossy(answer.body());
    format!(
        "{}\n{}\n{body}",
        answer.status().as_u16(),
        headers.join("\n")
    )
}
