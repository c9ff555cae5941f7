//! Requests with pinned answers and refusals, over small models whose arithmetic can be done by hand.

mod answers;
mod counterfactual;
mod documents;
mod functions;
mod local;
mod parts;
mod refusals;
mod routes;
mod v1;
mod v2;
mod whole_model;

use hyaline_protocol::{Function, Request, Response, respond};

/// Sends a request without headers.
fn send(function: &Function, method: &str, path: &str, body: &[u8]) -> Response<'static> {
    send_with(function, method, path, &[], body)
}

fn send_with(
    function: &Function,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response<'static> {
    let headers: Vec<(String, Vec<u8>)> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    let response = respond(
        function,
        &Request {
            method,
            path,
            headers: &headers,
            body,
        },
    );
    Response {
        body: response.body.into_owned().into(),
        ..response
    }
}

/// The body of a response as text.
fn text(response: &Response<'_>) -> String {
    String::from_utf8(response.body.to_vec()).expect("answers are UTF-8")
}

/// The body of a successful response as JSON.
fn json(response: &Response<'_>) -> serde_json::Value {
    assert_eq!(response.status, 200, "{}", text(response));
    serde_json::from_slice(&response.body).expect("answers are JSON")
}

/// The value of a response's header.
fn header<'r>(response: &'r Response<'_>, name: &str) -> Option<&'r str> {
    response
        .headers
        .iter()
        .find(|(given, _)| *given == name)
        .map(|(_, value)| value.as_str())
}
