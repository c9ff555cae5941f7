//! SageMaker's InvokeEndpoint operation: `POST /endpoints/{name}/invocations`, with Clarify's online explanations.
//!
//! An endpoint is a function, and a variant (`X-Amzn-SageMaker-Target-Variant`) is one of its versions or aliases;
//! `AllTraffic`, the name that most endpoints give their only variant, is `live`.
//!
//! - **Without `X-Amzn-SageMaker-Enable-Explanations`** the request goes to the function's `/invocations` and its answer
//!   comes back as it is. `Accept: text/csv` or `application/jsonlines` asks for the model's numbers instead of its
//!   labels, a line per record ([`output`]).
//! - **With it** the header's value is the gate: a JMESPath expression that is evaluated on the model's output for each
//!   record and says whether the record is explained. The function is asked twice at most: to predict all records, and to
//!   explain those the gate opens for. The answer is Clarify's document. Attributions are those of the function's own
//!   method, in its own space: log-odds for most classifiers, which Clarify calls `UseLogit`.
//!
//! JSON Lines are taken, too: rows, one a line. Asynchronous and streamed invocations are refused in words.

mod clarify;
mod error;
mod gate;
mod lines;
mod output;
mod records;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use hyaline_control::{FunctionName, Qualifier};

pub(crate) use error::refuse;

use crate::callee::Callee;
use crate::door::{Outcome, Step, Target, Wanted, Wants, wrong_method};
use crate::json::{self, answer_bytes, essence, header, set_header};
use crate::refusal::Refusal;
use clarify::Explained;
use error::ServiceError;
use gate::Gate;
use output::{Format, Output};

const VARIANT: HeaderName = HeaderName::from_static("x-amzn-invoked-production-variant");
const CUSTOM_ATTRIBUTES: HeaderName = HeaderName::from_static("x-amzn-sagemaker-custom-attributes");
const INFERENCE_ID: HeaderName = HeaderName::from_static("x-amzn-sagemaker-inference-id");

/// Headers that ask for something an endpoint of one model in one container does not have.
const ELSEWHERE: [(&str, &str); 4] = [
    ("x-amzn-sagemaker-target-model", "TargetModel"),
    (
        "x-amzn-sagemaker-target-container-hostname",
        "TargetContainerHostname",
    ),
    (
        "x-amzn-sagemaker-inference-component",
        "InferenceComponentName",
    ),
    ("x-amzn-sagemaker-session-id", "SessionId"),
];

/// A request to invoke an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    post: bool,
    endpoint: String,
    variant: Option<String>,
    mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Sync,
    Async,
    Streamed,
}

impl Invocation {
    pub(crate) fn find(head: &Parts, segments: &[&str]) -> Option<Self> {
        let (endpoint, mode) = match *segments {
            ["endpoints", endpoint, "invocations"] => (endpoint, Mode::Sync),
            ["endpoints", endpoint, "async-invocations"] => (endpoint, Mode::Async),
            ["endpoints", endpoint, "invocations-response-stream"] => (endpoint, Mode::Streamed),
            _ => return None,
        };
        let variant = header(&head.headers, "x-amzn-sagemaker-target-variant");
        Some(Invocation {
            post: head.method == Method::POST,
            endpoint: endpoint.to_owned(),
            variant: variant.map(str::to_owned),
            mode,
        })
    }

    pub(crate) fn wants(&self) -> Result<Wants, Refusal> {
        if !self.post {
            return Ok(wrong_method("POST", |status, text| {
                ServiceError::new(status, "MethodNotAllowed", text).answer("")
            }));
        }
        let unsupported = |text: &str| Ok(Wants::Answer(ServiceError::validation(text).answer("")));
        match self.mode {
            Mode::Sync => {}
            Mode::Async => {
                return unsupported(
                    "asynchronous invocations read and write objects of S3, which this host does not have; use InvokeEndpoint",
                );
            }
            Mode::Streamed => {
                return unsupported(
                    "functions answer at once and not in parts; use InvokeEndpoint instead of InvokeEndpointWithResponseStream",
                );
            }
        }
        let function = FunctionName::new(&self.endpoint).map_err(|_| Refusal::UnknownFunction {
            function: self.endpoint.clone(),
        })?;
        let qualifier = match self.variant.as_deref() {
            None | Some("AllTraffic") => Qualifier::default(),
            Some(variant) => variant.parse().map_err(|_| Refusal::UnknownVersion {
                function: self.endpoint.clone(),
                qualifier: variant.to_owned(),
            })?,
        };
        Ok(Wants::Function(Target {
            function: Wanted::Named(function),
            qualifier,
        }))
    }

    pub(crate) fn open(
        self,
        head: &Parts,
        body: Bytes,
        callee: &Callee,
        request_id: &str,
    ) -> (Call, Step) {
        let take = |name: &HeaderName| head.headers.get(name).cloned();
        let mut call = Call {
            request_id: request_id.to_owned(),
            variant: callee.version().to_string(),
            positive: callee.positive().map(str::to_owned),
            custom_attributes: take(&CUSTOM_ATTRIBUTES),
            inference_id: take(&INFERENCE_ID),
            content_type: None,
            body,
            state: State::Over,
        };
        let step = match call.begin(head) {
            Ok(request) => Step::Invoke(request),
            Err(error) => Step::Answer(call.error(&error)),
        };
        (call, step)
    }
}

/// An invocation under way.
#[derive(Debug)]
pub(crate) struct Call {
    request_id: String,
    variant: String,
    positive: Option<String>,
    custom_attributes: Option<HeaderValue>,
    inference_id: Option<HeaderValue>,
    content_type: Option<HeaderValue>,
    body: Bytes,
    state: State,
}

/// What the function was asked last.
#[derive(Debug)]
enum State {
    /// `/invocations`; the answer is passed on.
    Invocations,
    /// `/predict`, for numbers a line per record.
    Numbers(Format),
    /// `/predict`, for the gate.
    Gated(Format, Gate),
    /// `/explain`.
    Explaining(Output, Explained),
    /// Nothing, or nothing more.
    Over,
}

impl Call {
    fn begin(&mut self, head: &Parts) -> Result<Request<Bytes>, ServiceError> {
        for (name, parameter) in ELSEWHERE {
            if head.headers.contains_key(name) {
                return Err(ServiceError::validation(format!(
                    "this endpoint has one model, one container and no sessions; leave {parameter} out"
                )));
            }
        }
        let accepted = Format::accepted(header(&head.headers, ACCEPT.as_str()))?;
        let gate = head
            .headers
            .get("x-amzn-sagemaker-enable-explanations")
            .map(|gate| Gate::new(gate.as_bytes()))
            .transpose()?;
        self.content_type = head.headers.get(CONTENT_TYPE).cloned();
        let media = header(&head.headers, CONTENT_TYPE.as_str());
        let given = Format::of(&media.map(essence).unwrap_or_default());
        if given == Some(Format::JsonLines) {
            self.body = lines::to_array(&self.body)?;
            self.content_type = Some(json::JSON);
        }
        // A gate is written for one format of the output: without `Accept`, for that of the input.
        let format = accepted
            .or(given.filter(|_| gate.is_some()))
            .unwrap_or(Format::Json);
        let (state, path) = match (gate, format) {
            (Some(gate), format) => (State::Gated(format, gate), "/predict"),
            (None, Format::Json) => (State::Invocations, "/invocations"),
            (None, format) => (State::Numbers(format), "/predict"),
        };
        self.state = state;
        Ok(self.request(path, self.body.clone()))
    }

    fn request(&self, path: &'static str, body: Bytes) -> Request<Bytes> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(path);
        let headers = [
            (CONTENT_TYPE, &self.content_type),
            (CUSTOM_ATTRIBUTES, &self.custom_attributes),
            (INFERENCE_ID, &self.inference_id),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                request.headers_mut().insert(name, value.clone());
            }
        }
        request
    }

    pub(crate) fn next(&mut self, outcome: Outcome) -> Step {
        let response = match outcome.result {
            Err(refusal) => return Step::Answer(self.error(&ServiceError::of(&refusal))),
            Ok(response) if response.status() != StatusCode::OK => {
                return Step::Answer(self.error(&ServiceError::of_model(&response)));
            }
            Ok(response) => response,
        };
        match self.proceed(response) {
            Ok(step) => step,
            Err(error) => Step::Answer(self.error(&error)),
        }
    }

    fn proceed(&mut self, response: Response<Bytes>) -> Result<Step, ServiceError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Invocations => Ok(Step::Answer(self.finish(response))),
            State::Numbers(format) => {
                let output = Output::read(response.body(), format, self.positive.as_deref())?;
                let body = Bytes::from(output.data());
                let answer = answer_bytes(StatusCode::OK, format.content_type(), body);
                Ok(Step::Answer(self.finish(answer)))
            }
            State::Gated(format, gate) => {
                let output = Output::read(response.body(), format, self.positive.as_deref())?;
                let open = gate.open(&output)?;
                if open.is_empty() {
                    return Ok(self.explained(&output, None));
                }
                let total = output.records();
                let media = self
                    .content_type
                    .as_ref()
                    .and_then(|value| value.to_str().ok());
                let selection = records::select(media, &self.body, total, &open);
                let explained = Explained {
                    total,
                    sent: selection.records,
                    open,
                };
                self.state = State::Explaining(output, explained);
                Ok(Step::Invoke(self.request("/explain", selection.body)))
            }
            State::Explaining(output, explained) => {
                let shap = explained.read(response.body())?;
                Ok(self.explained(&output, Some(shap)))
            }
            State::Over => Err(ServiceError::internal(
                "the function was asked more often than this call asked it",
            )),
        }
    }

    fn explained(&self, output: &Output, shap: Option<clarify::KernelShap>) -> Step {
        let body = clarify::document(output, shap);
        Step::Answer(self.finish(answer_bytes(StatusCode::OK, json::JSON, body)))
    }

    /// The answer with the headers that every answer of an endpoint has.
    fn finish(&self, mut answer: Response<Bytes>) -> Response<Bytes> {
        let headers = answer.headers_mut();
        headers.remove(http::header::CONTENT_LENGTH);
        set_header(headers, error::REQUEST_ID, &self.request_id);
        set_header(headers, VARIANT, &self.variant);
        let echoed = [
            (CUSTOM_ATTRIBUTES, &self.custom_attributes),
            (INFERENCE_ID, &self.inference_id),
        ];
        for (name, value) in echoed {
            // What the function itself answers under these names goes first.
            if let (Some(value), false) = (value, headers.contains_key(&name)) {
                headers.insert(name, value.clone());
            }
        }
        answer
    }

    fn error(&self, error: &ServiceError) -> Response<Bytes> {
        let mut answer = error.answer(&self.request_id);
        set_header(answer.headers_mut(), VARIANT, &self.variant);
        answer
    }
}

#[cfg(test)]
mod tests;
