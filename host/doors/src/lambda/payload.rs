//! What the payload of an invocation means, and how a function's answer becomes the payload of the answer.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;

use super::http_event::{self, HttpEvent};
use crate::json;
use crate::refusal::{FailureKind, Refusal};

/// The payload of an invocation, understood.
///
/// An event of API Gateway (payload format 1.0 or 2.0), of a function URL or of a load balancer is the HTTP request it
/// describes; the answer is the object that these services expect. Every other JSON text is the body of
/// `POST /predict`, and the answer is the function's body. There is no envelope of our own: to ask something else, send
/// the smallest event there is, `{"httpMethod": "POST", "path": "/explain", "body": {…}}`. An empty payload is `{}`, as
/// for Lambda.
#[derive(Debug)]
pub struct Payload(Kind);

#[derive(Debug)]
enum Kind {
    Plain,
    Http(http_event::Shape),
}

/// A payload that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// It is no JSON.
    #[error("the payload is no JSON: {0}; send rows as JSON, or an HTTP event")]
    NotJson(serde_json::Error),
    /// It is an HTTP event whose request cannot be made.
    #[error("the payload is an HTTP event, but its {member} is {found}; expected {expected}")]
    Event {
        /// The member of the event.
        member: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// What an invocation answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// A payload; always JSON.
    Payload(Bytes),
    /// The function's error.
    Error(FunctionError),
}

/// An error of a function, as Lambda reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// Whether the function itself reported it.
    pub handling: Handling,
    /// The kind of error: of a refusal the name of its HTTP status, of a failure Lambda's own word.
    pub error_type: String,
    /// What happened.
    pub message: String,
}

/// Who reported an error of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// The function.
    Handled,
    /// What runs it.
    Unhandled,
}

impl Handling {
    /// As `X-Amz-Function-Error` has it.
    pub fn name(self) -> &'static str {
        match self {
            Handling::Handled => "Handled",
            Handling::Unhandled => "Unhandled",
        }
    }
}

impl Payload {
    pub(super) fn plain() -> Self {
        Payload(Kind::Plain)
    }

    /// Understands a payload; the request is the one it makes to the function.
    ///
    /// # Errors
    /// [`PayloadError`]: no JSON, or an HTTP event that describes no request.
    pub fn read(payload: &Bytes) -> Result<(Payload, Request<Bytes>), PayloadError> {
        if payload.trim_ascii().is_empty() {
            return Ok(plain(Bytes::from_static(b"{}")));
        }
        let checked: &RawValue = serde_json::from_slice(payload).map_err(PayloadError::NotJson)?;
        match HttpEvent::read(checked.get()) {
            None => Ok(plain(payload.clone())),
            Some(event) => {
                let shape = event.shape();
                Ok((Payload(Kind::Http(shape)), event.into_request()?))
            }
        }
    }

    /// The answer's payload. A function's answer with a status from 400 to a plain payload is its error; to an HTTP event
    /// every answer is an answer.
    pub fn reply(&self, response: Response<Bytes>) -> Reply {
        match &self.0 {
            Kind::Http(shape) => Reply::Payload(shape.document(response)),
            Kind::Plain => plain_reply(response),
        }
    }
}

fn plain(body: Bytes) -> (Payload, Request<Bytes>) {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/predict");
    let headers = request.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, json::JSON);
    (Payload::plain(), request)
}

fn plain_reply(response: Response<Bytes>) -> Reply {
    let (head, body) = response.into_parts();
    if head.status.as_u16() >= 400 {
        return Reply::Error(refused(head.status, &body));
    }
    if body.is_empty() {
        return Reply::Payload(Bytes::from_static(b"null"));
    }
    if serde_json::from_slice::<&RawValue>(&body).is_ok() {
        return Reply::Payload(body);
    }
    match std::str::from_utf8(&body) {
        Ok(text) => Reply::Payload(json::bytes(&text)),
        Err(_) => Reply::Error(FunctionError {
            handling: Handling::Unhandled,
            error_type: "Runtime.MarshalError".into(),
            message: "the function's answer is neither JSON nor text; ask by an HTTP event, whose answer may be binary".into(),
        }),
    }
}

/// The function's own words, from the members under which our functions and MLflow's protocol have them.
fn refused(status: StatusCode, body: &[u8]) -> FunctionError {
    #[derive(serde::Deserialize)]
    struct Words {
        error: Option<String>,
        message: Option<String>,
    }
    let words: Option<Words> = serde_json::from_slice(body).ok();
    let message = words
        .and_then(|words| words.error.or(words.message))
        .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let name = status.canonical_reason().unwrap_or("Error");
    FunctionError {
        handling: Handling::Handled,
        error_type: name.split([' ', '-', '\'']).collect(),
        message,
    }
}

impl FunctionError {
    /// How Lambda reports that a function gave no answer; `None` for refusals that are not the function's failure.
    pub fn of(refusal: &Refusal, request_id: &str) -> Option<FunctionError> {
        let Refusal::Failed { kind, message } = refusal else {
            return None;
        };
        let error_type = match kind {
            FailureKind::Deadline => "Sandbox.Timedout",
            FailureKind::Resources => "Runtime.OutOfMemory",
            FailureKind::Crash | FailureKind::NoAnswer => "Runtime.ExitError",
        };
        Some(FunctionError {
            handling: Handling::Unhandled,
            error_type: error_type.into(),
            message: format!("RequestId: {request_id} Error: {message}"),
        })
    }

    /// `{"errorMessage": …, "errorType": …}`.
    pub fn document(&self) -> Bytes {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'e> {
            error_message: &'e str,
            error_type: &'e str,
        }
        json::bytes(&Document {
            error_message: &self.message,
            error_type: &self.error_type,
        })
    }
}
