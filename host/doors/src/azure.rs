//! Azure Functions' custom handlers: `POST /{function}` with the trigger's data, when the host does not forward requests.
//!
//! With `enableForwardingHttpRequest` (or `enableProxyingHttpRequest`) in `host.json` Azure's host passes the caller's
//! request on as it is, and nothing here is needed but the port ([`listen_address`](crate::listen_address)). Without it,
//! it sends every request to `/{function}` as `{"Data": {"req": {…}}, "Metadata": {…}}` and wants outputs back. The
//! function's own path is what follows its name in the caller's URL, so give the trigger the route `{function}/{*path}`;
//! with nothing after the name, a POST is a prediction.
//!
//! The answer, the function's refusals and the host's among them, is the output `res`; Azure's host fails an invocation
//! whose handler does not answer 2xx, and the caller would learn nothing of why.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER,
    TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use hyaline_control::{FunctionName, Qualifier};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::door::{Outcome, Step, Target, Wanted, Wants};
use crate::json::{Members, answer, essence, raw};
use crate::refusal::Refusal;
use crate::uri::origin_form;

/// What Azure's host puts on every request to a custom handler.
const INVOCATION_ID: &str = "x-azure-functions-invocationid";

/// An invocation by Azure's host.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    function: FunctionName,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    req: HttpRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HttpRequest {
    url: String,
    method: String,
    #[serde(default)]
    headers: Option<Members>,
    #[serde(default)]
    body: Option<Box<RawValue>>,
}

/// A refusal as the output `res`.
pub(crate) fn refuse(refusal: &Refusal) -> Response<Bytes> {
    let mut refused = answer(refusal.status(), &json!({ "error": refusal.to_string() }));
    if let Some(seconds) = refusal.retry_after() {
        refused.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    outputs(refused)
}

impl Invocation {
    pub(crate) fn find(head: &Parts, segments: &[&str]) -> Option<Self> {
        let [name] = *segments else {
            return None;
        };
        let is_azure = head.headers.contains_key(INVOCATION_ID);
        if head.method != Method::POST || !is_azure {
            return None;
        }
        let function = FunctionName::new(name).ok()?;
        Some(Invocation { function })
    }

    pub(crate) fn wants(&self) -> Result<Wants, Refusal> {
        Ok(Wants::Function(Target {
            function: Wanted::Named(self.function.clone()),
            qualifier: Qualifier::default(),
        }))
    }

    pub(crate) fn open(self, body: Bytes) -> (Call, Step) {
        let step = match serde_json::from_slice::<Event>(&body) {
            Ok(event) => match event.data.req.into_request(self.function.as_str()) {
                Ok(request) => Step::Invoke(request),
                Err(text) => Step::Answer(bad_request(&text)),
            },
            Err(error) => Step::Answer(bad_request(&format!(
                "the request is no HTTP trigger of Azure Functions: {error}; expected `Data.req` with `Url` and `Method`, \
                 so name the trigger `req`, or let the host forward requests (`enableForwardingHttpRequest`)"
            ))),
        };
        (Call, step)
    }
}

/// An error of the function app's configuration, not of a caller: Azure's host logs it and fails the invocation.
fn bad_request(text: &str) -> Response<Bytes> {
    answer(StatusCode::BAD_REQUEST, &json!({ "error": text }))
}

impl HttpRequest {
    /// The request that the trigger describes.
    fn into_request(self, function: &str) -> Result<Request<Bytes>, String> {
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|_| {
            format!(
                "`Data.req.Method` is `{}`; expected an HTTP method",
                self.method
            )
        })?;
        let url: Uri = self
            .url
            .parse()
            .map_err(|error| format!("`Data.req.Url` is `{}`: {error}", self.url))?;
        let mut request = Request::new(Bytes::new());
        self.fill_headers(&mut request);
        *request.body_mut() = self.content(&request)?;
        *request.uri_mut() = origin_form(
            own_path(url.path(), function, &method),
            url.query().unwrap_or_default(),
        );
        *request.method_mut() = method;
        Ok(request)
    }

    fn fill_headers(&self, request: &mut Request<Bytes>) {
        for (name, values) in self.headers.iter().flat_map(|Members(headers)| headers) {
            let values: Vec<String> = serde_json::from_str(values.get())
                .or_else(|_| serde_json::from_str(values.get()).map(|value| vec![value]))
                .unwrap_or_default();
            for value in values {
                let (Ok(name), Ok(value)) = (
                    HeaderName::from_bytes(name.as_bytes()),
                    HeaderValue::from_str(&value),
                ) else {
                    continue;
                };
                let of_the_connection =
                    [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING].contains(&name);
                if !of_the_connection && !name.as_str().starts_with("spin-") {
                    request.headers_mut().append(name, value);
                }
            }
        }
    }

    /// The caller's body: a text; a text in base64 for the media types that Azure's host does not read as text; JSON that
    /// it has already read.
    fn content(&self, request: &Request<Bytes>) -> Result<Bytes, String> {
        let Some(body) = self.body.as_deref() else {
            return Ok(Bytes::new());
        };
        let Ok(text) = serde_json::from_str::<String>(body.get()) else {
            return Ok(Bytes::copy_from_slice(body.get().as_bytes()));
        };
        let media = crate::json::header(request.headers(), CONTENT_TYPE.as_str()).map(essence);
        let binary = media.is_some_and(|media| {
            media == "application/octet-stream" || media.starts_with("multipart/")
        });
        if !binary {
            return Ok(text.into());
        }
        let decoded = STANDARD.decode(&text).map_err(|error| {
            format!("`Data.req.Body` of a binary media type is no base64: {error}")
        })?;
        Ok(decoded.into())
    }
}

/// What follows the function's name in the caller's path.
fn own_path<'p>(path: &'p str, function: &str, method: &Method) -> &'p str {
    let mut rest = path;
    while let Some(slash) = rest.find('/') {
        let after = &rest[slash + 1..];
        let end = after.find('/').unwrap_or(after.len());
        if &after[..end] == function {
            return match &after[end..] {
                "" | "/" if method == Method::POST => "/predict",
                "" => "/",
                own => own,
            };
        }
        rest = after;
    }
    path
}

/// An invocation under way.
#[derive(Debug)]
pub(crate) struct Call;

impl Call {
    pub(crate) fn answer(&mut self, outcome: Outcome) -> Response<Bytes> {
        match outcome.result {
            Ok(response) => outputs(response),
            Err(refusal) => refuse(&refusal),
        }
    }
}

/// The document that Azure's host makes `response` of.
fn outputs(response: Response<Bytes>) -> Response<Bytes> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Res<'r> {
        status_code: u16,
        body: &'r str,
        headers: Members,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Document<'r> {
        outputs: Outputs<'r>,
        logs: [&'static str; 0],
        return_value: Option<()>,
    }
    #[derive(Serialize)]
    struct Outputs<'r> {
        res: Res<'r>,
    }
    let (head, body) = response.into_parts();
    let Ok(text) = std::str::from_utf8(&body) else {
        let text = "the answer is binary, and outputs of custom handlers are texts; let Azure's host forward requests (`enableForwardingHttpRequest`)";
        return outputs(answer(
            StatusCode::NOT_IMPLEMENTED,
            &json!({ "error": text }),
        ));
    };
    let mut names: Vec<&HeaderName> = head.headers.keys().collect();
    names.sort_unstable_by_key(|name| name.as_str());
    names.retain(|name| ![&CONNECTION, &CONTENT_LENGTH, &TRANSFER_ENCODING].contains(name));
    let header = |name: &HeaderName| {
        let values = head.headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        (name.to_string(), raw(&values.join(",")))
    };
    answer(
        StatusCode::OK,
        &Document {
            outputs: Outputs {
                res: Res {
                    status_code: head.status.as_u16(),
                    body: text,
                    headers: Members(names.into_iter().map(header).collect()),
                },
            },
            logs: [],
            return_value: None,
        },
    )
}

#[cfg(test)]
mod tests;
