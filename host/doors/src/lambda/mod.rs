//! AWS Lambda's Invoke operation: `POST /2015-03-31/functions/{name}/invocations`.
//!
//! `{name}` is what Lambda takes: a name, a partial or a whole ARN, each with or without `:qualifier`; account and region
//! are not looked at. A qualifier is an alias, a version number or `$LATEST` (which is `live`). The name `function` is
//! where the runtime interface emulator has its only function.
//!
//! What a payload means is [`Payload`]'s business. A function that answers 400 or more to a plain payload has refused it in
//! its own words: `X-Amz-Function-Error: Handled`, with these words. A function that gave no answer is `Unhandled`, with
//! Lambda's own error types. Both have status 200, as Lambda's invocations have.

mod error;
mod http_event;
mod log;
mod name;
mod payload;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::HeaderName;
use http::request::Parts;
use http::{Method, Response, StatusCode};

pub use payload::{FunctionError, Handling, Payload, PayloadError, Reply};

use crate::callee::Callee;
use crate::door::{Outcome, Step, Wants, wrong_method};
use crate::json::{answer_bytes, header, set_header};
use crate::refusal::Refusal;
use error::ServiceError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");

/// A request to invoke a function.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    post: bool,
    name: String,
    qualifier: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    RequestResponse,
    Event,
    DryRun,
}

impl Invocation {
    pub(crate) fn find(head: &Parts, segments: &[&str]) -> Option<Self> {
        let ["2015-03-31", "functions", name, "invocations"] = *segments else {
            return None;
        };
        Some(Invocation {
            post: head.method == Method::POST,
            name: name.to_owned(),
            qualifier: crate::uri::parameter(head.uri.query(), "Qualifier"),
        })
    }

    pub(crate) fn wants(&self) -> Result<Wants, Refusal> {
        if !self.post {
            return Ok(wrong_method("POST", |status, text| {
                ServiceError::new(status, "MethodNotAllowedException", text).answer("")
            }));
        }
        match name::target(&self.name, self.qualifier.as_deref()) {
            Ok(target) => Ok(Wants::Function(target)),
            Err(name::NameError::Unknown(refusal)) => Err(refusal),
            Err(name::NameError::TwoQualifiers { in_name, given }) => Ok(Wants::Answer(
                ServiceError::invalid_parameter(format!(
                    "the name says `:{in_name}` and `Qualifier` says `{given}`; send one of them"
                ))
                .answer(""),
            )),
        }
    }

    pub(crate) fn refuse(&self, refusal: &Refusal, request_id: &str) -> Response<Bytes> {
        let name = match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.name),
            None => self.name.clone(),
        };
        ServiceError::of(refusal, &name).answer(request_id)
    }

    pub(crate) fn open(
        self,
        head: &Parts,
        body: Bytes,
        callee: &Callee,
        request_id: &str,
    ) -> (Call, Step) {
        let mut call = Call {
            request_id: request_id.to_owned(),
            version: callee.version().to_string(),
            invocation: self,
            payload: Payload::plain(),
            tail: false,
        };
        let step = match call.begin(head, body) {
            Ok(step) => step,
            Err(error) => Step::Answer(error.answer(request_id)),
        };
        (call, step)
    }
}

/// An invocation under way.
#[derive(Debug)]
pub(crate) struct Call {
    invocation: Invocation,
    request_id: String,
    version: String,
    payload: Payload,
    tail: bool,
}

impl Call {
    fn begin(&mut self, head: &Parts, body: Bytes) -> Result<Step, ServiceError> {
        let kind = match header(&head.headers, "x-amz-invocation-type") {
            None | Some("RequestResponse") => Kind::RequestResponse,
            Some("Event") => Kind::Event,
            Some("DryRun") => Kind::DryRun,
            Some(other) => {
                return Err(ServiceError::invalid_parameter(format!(
                    "the invocation type is `{other}`; expected RequestResponse, Event or DryRun"
                )));
            }
        };
        self.tail = match header(&head.headers, "x-amz-log-type") {
            None | Some("None") => false,
            Some("Tail") => true,
            Some(other) => {
                return Err(ServiceError::invalid_parameter(format!(
                    "the log type is `{other}`; expected None or Tail"
                )));
            }
        };
        if kind == Kind::DryRun {
            return Ok(Step::Answer(self.empty(StatusCode::NO_CONTENT)));
        }
        let (payload, request) = Payload::read(&body)?;
        self.payload = payload;
        Ok(match kind {
            Kind::Event => Step::Detach {
                request,
                answer: self.empty(StatusCode::ACCEPTED),
            },
            _ => Step::Invoke(request),
        })
    }

    fn empty(&self, status: StatusCode) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = status;
        set_header(answer.headers_mut(), REQUEST_ID, &self.request_id);
        answer
    }

    pub(crate) fn answer(&mut self, outcome: Outcome) -> Response<Bytes> {
        let reply = match outcome.result {
            Ok(response) => self.payload.reply(response),
            Err(refusal) => match FunctionError::of(&refusal, &self.request_id) {
                Some(error) => Reply::Error(error),
                None => return self.invocation.refuse(&refusal, &self.request_id),
            },
        };
        let (body, handling) = match reply {
            Reply::Payload(body) => (body, None),
            Reply::Error(error) => (error.document(), Some(error.handling)),
        };
        let mut answer = answer_bytes(StatusCode::OK, crate::json::JSON, body);
        let headers = answer.headers_mut();
        set_header(headers, REQUEST_ID, &self.request_id);
        set_header(headers, EXECUTED_VERSION, &self.version);
        if let Some(handling) = handling {
            set_header(headers, FUNCTION_ERROR, handling.name());
        }
        if self.tail {
            let tail = log::tail(&self.request_id, &self.version, &outcome.log);
            set_header(headers, LOG_RESULT, &STANDARD.encode(tail));
        }
        answer
    }
}

#[cfg(test)]
mod tests;
