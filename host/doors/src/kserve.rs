//! KServe's V1 and the Open Inference Protocol V2 for all functions of a host at once.
//!
//! A model is a function under its name on the host, and a version of a model is a version or an alias of the function. A
//! function knows itself only by the name and version it was packed under, so the path is rewritten on the way in, and the
//! metadata on the way out; `model_name` and `model_version` of an inference are the function's own words.
//!
//! Repository `load` loads a function before its first call and `unload` drops it from memory until the next one; neither
//! adds or removes a function. V2 has no verb for explanations; here `/explain` beside `/infer` is an inference whose only
//! output, unless others are asked for, is `explanation`.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyaline_control::{FunctionName, Qualifier};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::callee::Callee;
use crate::door::{Listed, Outcome, Step, Target, Wanted, Wants, wrong_method};
use crate::json::{Members, answer, bytes, header, raw};
use crate::refusal::Refusal;
use crate::uri::{encoded, origin_form};

/// Where the JSON of a message with binary tensors ends.
const JSON_LENGTH: &str = "inference-header-content-length";

/// A question of either protocol.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    method: Method,
    route: Route,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    Root,
    Server,
    Health,
    Models,
    Index,
    Load(Model),
    Unload(Model),
    V1Model(Model),
    Ready(Model),
    Metadata(Model),
    V1Predict(Model),
    V1Explain(Model),
    Infer(Model),
    Explain(Model),
}

/// A model as the path names it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Model {
    name: String,
    version: Option<String>,
}

/// A refusal in the shape of both protocols.
pub(crate) fn refuse(refusal: &Refusal) -> Response<Bytes> {
    let mut refused = error(refusal.status(), &refusal.to_string());
    if let Some(seconds) = refusal.retry_after() {
        refused.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    refused
}

fn error(status: StatusCode, text: &str) -> Response<Bytes> {
    answer(status, &json!({ "error": text }))
}

impl Question {
    pub(crate) fn find(head: &Parts, segments: &[&str]) -> Option<Self> {
        let model = |name: &str, version: Option<&str>| Model {
            name: name.to_owned(),
            version: version.map(str::to_owned),
        };
        let route = match *segments {
            // Whether a V1 server lives.
            [""] if [Method::GET, Method::HEAD].contains(&head.method) => Route::Root,
            ["v2"] => Route::Server,
            ["v2", "health", "live" | "ready"] => Route::Health,
            ["v1" | "v2", "models"] => Route::Models,
            ["v2", "repository", "index"] => Route::Index,
            ["v2", "repository", "models", name, "load"] => Route::Load(model(name, None)),
            ["v2", "repository", "models", name, "unload"] => Route::Unload(model(name, None)),
            ["v1", "models", last] => match last.rsplit_once(':') {
                None => Route::V1Model(model(last, None)),
                Some((name, "predict")) => Route::V1Predict(model(name, None)),
                Some((name, "explain")) => Route::V1Explain(model(name, None)),
                Some(_) => return None,
            },
            ["v2", "models", name, ref rest @ ..] => {
                let (version, rest) = match *rest {
                    ["versions", version, ref rest @ ..] => (Some(version), rest),
                    ref rest => (None, rest),
                };
                let model = model(name, version);
                match *rest {
                    [] => Route::Metadata(model),
                    ["ready"] => Route::Ready(model),
                    ["infer"] => Route::Infer(model),
                    ["explain"] => Route::Explain(model),
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(Question {
            method: head.method.clone(),
            route,
        })
    }

    fn takes_post(&self) -> bool {
        !matches!(
            self.route,
            Route::Root
                | Route::Server
                | Route::Health
                | Route::Models
                | Route::V1Model(_)
                | Route::Ready(_)
                | Route::Metadata(_)
        )
    }

    pub(crate) fn wants(&self) -> Result<Wants, Refusal> {
        let allow = if self.takes_post() {
            "POST"
        } else {
            "GET, HEAD"
        };
        if !allow.split(", ").any(|method| self.method == method) {
            return Ok(wrong_method(allow, |status, text| error(status, &text)));
        }
        let ok = |document| Ok(Wants::Answer(answer(StatusCode::OK, &document)));
        match &self.route {
            Route::Root => ok(json!({ "status": "alive" })),
            Route::Server => ok(json!({
                "name": "hyaline",
                "version": env!("CARGO_PKG_VERSION"),
                "extensions": ["binary_tensor_data", "model_repository"],
            })),
            // Clients look for either key in either answer.
            Route::Health => ok(json!({ "live": true, "ready": true })),
            Route::Models | Route::Index => Ok(Wants::Functions),
            Route::Load(model) => model.target().map(Wants::Load),
            Route::Unload(model) => model.target().map(Wants::Unload),
            Route::V1Model(model) | Route::Ready(model) => model.target().map(Wants::Readiness),
            Route::Metadata(model)
            | Route::V1Predict(model)
            | Route::V1Explain(model)
            | Route::Infer(model)
            | Route::Explain(model) => model.target().map(Wants::Function),
        }
    }

    /// Names, for the lists of both protocols; name, version and state for the index, where `{"ready": true}` leaves out
    /// what takes no calls.
    pub(crate) fn list(&self, body: &Bytes, functions: &[Listed]) -> Response<Bytes> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Asked {
            ready: bool,
        }
        #[derive(Serialize)]
        struct State<'f> {
            name: &'f str,
            version: String,
            state: &'static str,
            reason: &'f str,
        }
        if self.route != Route::Index {
            let names: Vec<&str> = functions.iter().map(|one| one.function.as_str()).collect();
            return answer(StatusCode::OK, &json!({ "models": names }));
        }
        let asked = if body.trim_ascii().is_empty() {
            Asked::default()
        } else {
            match serde_json::from_slice::<Asked>(body) {
                Ok(asked) => asked,
                Err(problem) => {
                    let text =
                        format!("the body is {problem}; expected nothing or {{\"ready\": true}}");
                    return error(StatusCode::BAD_REQUEST, &text);
                }
            }
        };
        let states: Vec<State<'_>> = functions
            .iter()
            .filter(|one| !asked.ready || one.closed.is_none())
            .map(|one| State {
                name: one.function.as_str(),
                version: one.version.to_string(),
                state: if one.closed.is_none() {
                    "READY"
                } else {
                    "UNAVAILABLE"
                },
                reason: one.closed.as_deref().unwrap_or_default(),
            })
            .collect();
        answer(StatusCode::OK, &states)
    }

    /// Readiness, and the end of loading and unloading. A function that is there and takes no calls is not ready: 503.
    pub(crate) fn done(&self, result: Result<(), &Refusal>) -> Response<Bytes> {
        match (&self.route, result) {
            (Route::V1Model(model) | Route::Ready(model), Ok(())) => answer(
                StatusCode::OK,
                &json!({ "name": model.name, "ready": true }),
            ),
            (_, Ok(())) => answer(StatusCode::OK, &json!({})),
            (Route::V1Model(_) | Route::Ready(_), Err(refusal @ Refusal::OutOfBudget { .. })) => {
                error(StatusCode::SERVICE_UNAVAILABLE, &refusal.to_string())
            }
            (_, Err(refusal)) => refuse(refusal),
        }
    }

    pub(crate) fn open(self, head: &Parts, body: Bytes, callee: &Callee) -> (Call, Step) {
        let model = encoded(callee.model());
        let (path, metadata) = match &self.route {
            Route::V1Predict(_) => (format!("/v1/models/{model}:predict"), false),
            Route::V1Explain(_) => (format!("/v1/models/{model}:explain"), false),
            Route::Metadata(_) => (format!("/v2/models/{model}"), true),
            _ => (format!("/v2/models/{model}/infer"), false),
        };
        let call = Call {
            metadata: metadata.then(|| callee.clone()),
        };
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = origin_form(&path, head.uri.query().unwrap_or_default());
        *request.headers_mut() = head.headers.clone();
        request.headers_mut().remove(CONTENT_LENGTH);
        if matches!(self.route, Route::Explain(_)) {
            ask_for_explanations(&mut request);
        }
        (call, Step::Invoke(request))
    }
}

impl Model {
    fn target(&self) -> Result<Target, Refusal> {
        let function = FunctionName::new(&self.name).map_err(|_| Refusal::UnknownFunction {
            function: self.name.clone(),
        })?;
        let qualifier = match &self.version {
            None => Qualifier::default(),
            Some(version) => version.parse().map_err(|_| Refusal::UnknownVersion {
                function: self.name.clone(),
                qualifier: version.clone(),
            })?,
        };
        Ok(Target {
            function: Wanted::Named(function),
            qualifier,
        })
    }
}

/// Adds the output `explanation` to an inference that names none. A body that is no such inference goes on as it is, and
/// the function says what is wrong with it.
fn ask_for_explanations(request: &mut Request<Bytes>) {
    let body = request.body().clone();
    let length = header(request.headers(), JSON_LENGTH).and_then(|length| length.parse().ok());
    let end = length.unwrap_or(body.len());
    let Some((text, tensors)) = body.split_at_checked(end) else {
        return;
    };
    let Ok(mut inference) = serde_json::from_slice::<Members>(text) else {
        return;
    };
    if inference.get("outputs").is_some() {
        return;
    }
    inference.set("outputs", raw(&json!([{ "name": "explanation" }])));
    let mut body = bytes(&inference).to_vec();
    if length.is_some() {
        let length = HeaderValue::from(body.len());
        request.headers_mut().insert(JSON_LENGTH, length);
    }
    body.extend_from_slice(tensors);
    *request.body_mut() = body.into();
}

/// A question under way.
#[derive(Debug)]
pub(crate) struct Call {
    metadata: Option<Callee>,
}

impl Call {
    pub(crate) fn answer(&mut self, outcome: Outcome) -> Response<Bytes> {
        let response = match outcome.result {
            Err(refusal) => return refuse(&refusal),
            Ok(response) => response,
        };
        match &self.metadata {
            Some(callee) if response.status() == StatusCode::OK => renamed(response, callee),
            _ => response,
        }
    }
}

/// Metadata with the name and version that the function has on the host.
fn renamed(response: Response<Bytes>, callee: &Callee) -> Response<Bytes> {
    let (mut head, body) = response.into_parts();
    let Ok(mut metadata) = serde_json::from_slice::<Members>(&body) else {
        return Response::from_parts(head, body);
    };
    metadata.set("name", raw(&callee.function().as_str()));
    metadata.set("versions", raw(&[callee.version().to_string()]));
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, bytes(&metadata))
}

#[cfg(test)]
mod tests;
