//! The control API, the dashboard and what monitoring asks: a listener of its own.
//!
//! Open without a key only on a loopback address, and only until the first control key is made; see
//! [`hyaline_gateway::ControlDoor`].

mod aliases;
mod dashboard;
mod functions;
mod keys;
mod merge_patch;
mod monitoring;
mod overview;
mod problem;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyaline_gateway::ControlDoor;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::data::{Cause, read_body};
use crate::net::{Door, Peer, RequestBody};
use crate::platform::Platform;
use problem::Denied;

/// Bytes of the largest component, and of any other body.
const COMPONENT_LIMIT: usize = 512 << 20;
const DOCUMENT_LIMIT: usize = 1 << 20;

/// Answers the requests of the control listener.
pub(crate) struct Control {
    platform: Arc<Platform>,
    door: ControlDoor,
    body_wait: Duration,
}

type Answer = Result<Response<Bytes>, Denied>;

impl Control {
    pub(crate) fn new(platform: Arc<Platform>, door: ControlDoor) -> Self {
        let body_wait = Duration::from_millis(platform.document().connections.body_wait_ms);
        Control {
            platform,
            door,
            body_wait,
        }
    }

    async fn try_answer(&self, request: Request<RequestBody>) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        // What anybody may know, so that probes and browsers need no key for it.
        match segments.as_slice() {
            ["healthz"] => return monitoring::health(&head),
            ["readyz"] => return monitoring::readiness(&self.platform, &head),
            [""] => return dashboard::page(&head),
            _ => {}
        }
        self.door
            .admit(
                self.platform.keys(),
                &head.uri,
                &head.headers,
                Timestamp::now(),
            )
            .map_err(Denied::unauthorised)?;
        let platform = &self.platform;
        match segments.as_slice() {
            ["metrics"] => monitoring::metrics(platform, &head).await,
            ["api", "overview"] => {
                only(&head, Method::GET, empty)?;
                overview::overview(platform).await
            }
            ["api", "events"] => only(&head, Method::GET, || overview::events(platform, &head)),
            ["api", "usage"] => usage::usage(platform, &head).await,
            ["api", "budgets"] => only(&head, Method::GET, || usage::budgets(platform)),
            ["api", "callers", name, "resume"] => usage::resume_caller(platform, &head, name).await,
            ["api", "keys"] => {
                let body = self.body(body, DOCUMENT_LIMIT).await?;
                keys::keys(platform, &head, &body).await
            }
            ["api", "keys", name] => keys::revoke(platform, &head, name).await,
            ["api", "functions"] => only(&head, Method::GET, || functions::list(platform)),
            ["api", "functions", name, rest @ ..] => {
                let name = functions::name(name)?;
                let limit = if *rest == ["versions"] {
                    COMPONENT_LIMIT
                } else {
                    DOCUMENT_LIMIT
                };
                let body = self.body(body, limit).await?;
                match rest {
                    [] => functions::function(platform, &head, &name).await,
                    ["versions"] => functions::versions(platform, &head, &name, body).await,
                    ["versions", version] => {
                        functions::version(platform, &head, &name, version).await
                    }
                    ["settings"] => functions::settings(platform, &head, &name, &body).await,
                    [action @ ("disable" | "enable" | "resume")] => {
                        functions::act(platform, &head, &name, action).await
                    }
                    ["aliases"] => aliases::list(platform, &head, &name),
                    ["aliases", alias] => {
                        aliases::alias(platform, &head, &name, alias, &body).await
                    }
                    ["aliases", alias, "rollback"] => {
                        aliases::rollback(platform, &head, &name, alias).await
                    }
                    _ => Err(nowhere(&path)),
                }
            }
            _ => Err(nowhere(&path)),
        }
    }

    async fn body(&self, body: RequestBody, limit: usize) -> Result<Bytes, Denied> {
        read_body(body, limit, self.body_wait)
            .await
            .map_err(|refusal| {
                let kind = match refusal.cause {
                    Cause::TooLarge => problem::TOO_LARGE,
                    Cause::Slow => problem::SLOW,
                    _ => problem::MALFORMED,
                };
                Denied::new(kind, refusal.text)
            })
    }
}

impl Door for Control {
    type Body = Full<Bytes>;

    async fn answer(&self, request: Request<RequestBody>, _peer: Peer) -> Response<Full<Bytes>> {
        let mut response = match self.try_answer(request).await {
            Ok(response) => response,
            Err(denied) => denied.into_response(),
        };
        let headers = response.headers_mut();
        let fixed = |name: &'static str, value: &'static str| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        for (name, value) in [
            fixed("x-content-type-options", "nosniff"),
            fixed("x-frame-options", "DENY"),
            fixed("referrer-policy", "no-referrer"),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ] {
            headers.entry(name).or_insert(value);
        }
        response.map(Full::new)
    }
}

fn nowhere(path: &str) -> Denied {
    Denied::new(
        problem::NOT_FOUND,
        format!("the control API has no `{path}`"),
    )
}

/// Answers one method and refuses the others.
fn only(head: &Parts, method: Method, answer: impl FnOnce() -> Answer) -> Answer {
    if head.method == method || (method == Method::GET && head.method == Method::HEAD) {
        answer()
    } else if method == Method::GET {
        Err(Denied::method("GET, HEAD"))
    } else {
        Err(Denied::method("POST"))
    }
}

fn json(status: StatusCode, document: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(document)
        .map_err(|error| Denied::new(problem::INTERNAL, error.to_string()))?;
    Ok(of_type(status, "application/json", body.into()))
}

fn of_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn empty() -> Answer {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// A JSON body as a document. The content type must say JSON: a form of a web page cannot send that.
fn document<T: DeserializeOwned>(head: &Parts, body: &[u8]) -> Result<T, Denied> {
    let content_type = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type.map(|text| text.split(';').next().unwrap_or_default().trim());
    let is_json = essence.is_some_and(|essence| {
        essence.eq_ignore_ascii_case("application/json")
            || essence.eq_ignore_ascii_case("application/merge-patch+json")
    });
    if !is_json {
        return Err(Denied::new(
            problem::MALFORMED,
            "the body must be JSON, with the header `content-type: application/json`",
        ));
    }
    serde_json::from_slice(body).map_err(|error| Denied::new(problem::MALFORMED, error.to_string()))
}

/// The value of a query parameter, decoded; the last one counts.
fn parameter(head: &Parts, name: &str) -> Result<Option<String>, Denied> {
    let mut found = None;
    for pair in head.uri.query().unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if key == name {
            let value = percent_decoded(value).ok_or_else(|| {
                Denied::new(
                    problem::MALFORMED,
                    format!("the parameter `{name}` is not well encoded"),
                )
            })?;
            found = Some(value);
        }
    }
    Ok(found)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| (byte as char).to_digit(16);
                (digit(rest.next()?)? << 4 | digit(rest.next()?)?) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Runs what waits for the disk where it keeps nobody else waiting.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Denied> + Send + 'static,
) -> Result<T, Denied> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Denied::new(
            problem::INTERNAL,
            "the host failed while it changed its state",
        ))
    })
}
