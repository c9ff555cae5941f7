//! Events that describe an HTTP request, and the objects that describe the answer.
//!
//! Three services send them: API Gateway's REST APIs (payload format 1.0), its HTTP APIs and function URLs (format 2.0),
//! and Application Load Balancers, whose events look like format 1.0 but leave the query percent-encoded and want
//! headers back in the form in which they sent them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HeaderName, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::payload::PayloadError;
use crate::json::{Members, bytes, raw};
use crate::uri::{encoded, origin_form};

/// What the answer to an event looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Format 2.0.
    V2,
    /// Format 1.0.
    V1,
    /// A load balancer, by whether its event has lists of values.
    Balancer { lists: bool },
}

/// An event that describes an HTTP request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct HttpEvent {
    // Format 2.0.
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    cookies: Option<Vec<String>>,
    // Format 1.0, load balancers.
    http_method: Option<String>,
    path: Option<String>,
    query_string_parameters: Option<Members>,
    multi_value_query_string_parameters: Option<Members>,
    multi_value_headers: Option<Members>,
    // All.
    request_context: Option<Context>,
    headers: Option<Members>,
    body: Option<Box<RawValue>>,
    is_base64_encoded: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context {
    http: Option<HttpContext>,
    elb: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct HttpContext {
    method: Option<String>,
}

impl HttpEvent {
    /// `None` when the JSON is something else: neither `requestContext.http.method` beside `rawPath`, nor `httpMethod`
    /// beside `path`.
    pub(super) fn read(json: &str) -> Option<HttpEvent> {
        let event: HttpEvent = serde_json::from_str(json).ok()?;
        (event.is_v2() || event.http_method.is_some() && event.path.is_some()).then_some(event)
    }

    fn is_v2(&self) -> bool {
        self.raw_path.is_some() && self.context_method().is_some()
    }

    fn context_method(&self) -> Option<&str> {
        let http = self.request_context.as_ref()?.http.as_ref()?;
        http.method.as_deref()
    }

    pub(super) fn shape(&self) -> Shape {
        let balanced = |context: &Context| context.elb.is_some();
        if self.is_v2() {
            Shape::V2
        } else if self.request_context.as_ref().is_some_and(balanced) {
            Shape::Balancer {
                lists: self.multi_value_headers.is_some(),
            }
        } else {
            Shape::V1
        }
    }

    /// The request it describes.
    pub(super) fn into_request(self) -> Result<Request<Bytes>, PayloadError> {
        let shape = self.shape();
        let method = match shape {
            Shape::V2 => self.context_method(),
            _ => self.http_method.as_deref(),
        }
        .unwrap_or_default();
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| PayloadError::Event {
            member: "method",
            found: format!("`{method}`"),
            expected: "an HTTP method",
        })?;
        let uri = match shape {
            Shape::V2 => origin_form(
                self.raw_path.as_deref().unwrap_or_default(),
                self.raw_query_string.as_deref().unwrap_or_default(),
            ),
            _ => origin_form(self.path.as_deref().unwrap_or_default(), &self.query(shape)),
        };
        let mut request = Request::new(self.content()?);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        self.fill_headers(request.headers_mut());
        Ok(request)
    }

    /// The query of format 1.0, which has been taken apart; a gateway has decoded it, too, a load balancer has not.
    fn query(&self, shape: Shape) -> String {
        let parameters = self
            .multi_value_query_string_parameters
            .as_ref()
            .or(self.query_string_parameters.as_ref());
        let text = |text: &str| match shape {
            Shape::Balancer { .. } => text.to_owned(),
            _ => encoded(text),
        };
        let pairs: Vec<String> = parameters
            .map(values)
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| format!("{}={}", text(name), text(&value)))
            .collect();
        pairs.join("&")
    }

    /// Headers of the event, without those that belong to a connection or that only a host may set.
    fn fill_headers(&self, headers: &mut HeaderMap) {
        let given = self.multi_value_headers.as_ref().or(self.headers.as_ref());
        for (name, value) in given.map(values).unwrap_or_default() {
            let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(&value),
            ) else {
                continue;
            };
            let of_the_host = name.as_str().starts_with("spin-");
            if !of_the_host && ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
                headers.append(name, value);
            }
        }
        let cookies = self.cookies.as_ref().map(|cookies| cookies.join("; "));
        if let Some(Ok(cookies)) = cookies.as_deref().map(HeaderValue::from_str)
            && !cookies.is_empty()
        {
            headers.insert(COOKIE, cookies);
        }
    }

    /// The body: a text, a text in base64, or (in events written by hand) any other JSON as it stands.
    fn content(&self) -> Result<Bytes, PayloadError> {
        let Some(body) = self.body.as_deref() else {
            return Ok(Bytes::new());
        };
        let Ok(text) = serde_json::from_str::<String>(body.get()) else {
            return Ok(Bytes::copy_from_slice(body.get().as_bytes()));
        };
        if self.is_base64_encoded != Some(true) {
            return Ok(text.into());
        }
        match STANDARD.decode(&text) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => Err(PayloadError::Event {
                member: "body",
                found: format!("no base64 ({error})"),
                expected: "base64, as `isBase64Encoded` says",
            }),
        }
    }
}

/// Names with each of their values, which are texts or lists of texts. Other values are numbers in events written by
/// hand; they are taken as their text.
fn values(members: &Members) -> Vec<(&str, String)> {
    let text = |value: &RawValue| {
        serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
    };
    let mut pairs = Vec::new();
    for (name, value) in &members.0 {
        match serde_json::from_str::<Vec<Box<RawValue>>>(value.get()) {
            Ok(list) => pairs.extend(list.iter().map(|value| (name.as_str(), text(value)))),
            Err(_) if value.get() == "null" => {}
            Err(_) => pairs.push((name, text(value))),
        }
    }
    pairs
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Members>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<Members>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    body: &'a str,
    is_base64_encoded: bool,
}

impl Shape {
    /// The object that describes `response`. A body that is UTF-8 is a text, any other is in base64.
    pub(super) fn document(self, response: Response<Bytes>) -> Bytes {
        let (head, body) = response.into_parts();
        let mut names: Vec<&HeaderName> = head.headers.keys().collect();
        names.sort_unstable_by_key(|name| name.as_str());
        let is_elsewhere = |name: &HeaderName| self == Shape::V2 && *name == SET_COOKIE;
        names.retain(|name| {
            let of_the_connection = [&CONNECTION, &CONTENT_LENGTH, &TRANSFER_ENCODING];
            !of_the_connection.contains(name) && !is_elsewhere(name)
        });
        let all = |name: &HeaderName| -> Vec<String> {
            let values = head.headers.get_all(name).iter();
            values
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect()
        };
        let one = |name: &&HeaderName| (name.to_string(), raw(&all(name).join(",")));
        let list = |name: &&HeaderName| (name.to_string(), raw(&all(name)));
        let singles = |names: &[&HeaderName]| Some(Members(names.iter().map(one).collect()));
        let lists = |names: &[&HeaderName]| Some(Members(names.iter().map(list).collect()));
        let (headers, multi_value_headers) = match self {
            Shape::V2 | Shape::Balancer { lists: false } => (singles(&names), None),
            Shape::Balancer { lists: true } => (None, lists(&names)),
            Shape::V1 => {
                let repeated = |name: &&HeaderName| head.headers.get_all(*name).iter().count() > 1;
                let (several, single): (Vec<_>, Vec<_>) = names.into_iter().partition(repeated);
                let several = if several.is_empty() {
                    None
                } else {
                    lists(&several)
                };
                (singles(&single), several)
            }
        };
        let (text, is_base64_encoded) = match std::str::from_utf8(&body) {
            Ok(text) => (text.to_owned(), false),
            Err(_) => (STANDARD.encode(&body), true),
        };
        let status = head.status;
        let description = || {
            let reason = status.canonical_reason().unwrap_or("Unknown");
            format!("{} {reason}", status.as_u16())
        };
        bytes(&Answer {
            status_code: status.as_u16(),
            status_description: matches!(self, Shape::Balancer { .. }).then(description),
            headers,
            multi_value_headers,
            cookies: match self {
                Shape::V2 => all(&SET_COOKIE),
                _ => Vec::new(),
            },
            body: &text,
            is_base64_encoded,
        })
    }
}
