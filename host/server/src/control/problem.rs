//! Refusals of the control API, as RFC 9457 documents.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use hyaline_control::Problem;
use hyaline_registry::{ChangeError, StoreError};

use crate::platform::{PlatformError, PrepareError};

/// A refusal on its way to the client.
#[derive(Debug)]
pub(super) struct Denied {
    problem: Problem,
    allow: Option<&'static str>,
}

/// Kinds of refusals: the last part of the `type`, the title, the status.
type Kind = (&'static str, &'static str, StatusCode);

pub(super) const MALFORMED: Kind = (
    "malformed",
    "The request is not understood",
    StatusCode::BAD_REQUEST,
);
pub(super) const UNAUTHENTICATED: Kind = (
    "unauthenticated",
    "A control key is needed",
    StatusCode::UNAUTHORIZED,
);
pub(super) const FORBIDDEN: Kind = ("forbidden", "Not from here", StatusCode::FORBIDDEN);
pub(super) const NOT_FOUND: Kind = ("not-found", "There is no such thing", StatusCode::NOT_FOUND);
pub(super) const METHOD: Kind = (
    "method",
    "Not with this method",
    StatusCode::METHOD_NOT_ALLOWED,
);
pub(super) const SLOW: Kind = (
    "slow",
    "The request did not arrive in time",
    StatusCode::REQUEST_TIMEOUT,
);
pub(super) const CONFLICT: Kind = ("conflict", "Something is in the way", StatusCode::CONFLICT);
pub(super) const CHANGED: Kind = (
    "changed",
    "It was changed by someone else",
    StatusCode::PRECONDITION_FAILED,
);
pub(super) const TOO_LARGE: Kind = (
    "too-large",
    "The request is too long",
    StatusCode::PAYLOAD_TOO_LARGE,
);
pub(super) const REFUSED: Kind = (
    "refused",
    "What was sent cannot be used",
    StatusCode::UNPROCESSABLE_ENTITY,
);
pub(super) const STORAGE: Kind = (
    "storage",
    "The state could not be written",
    StatusCode::INSUFFICIENT_STORAGE,
);
pub(super) const INTERNAL: Kind = (
    "internal",
    "The host failed",
    StatusCode::INTERNAL_SERVER_ERROR,
);

impl Denied {
    pub(super) fn new((kind, title, status): Kind, detail: impl Into<String>) -> Self {
        Denied {
            problem: Problem {
                kind: format!("urn:hyaline:problem:{kind}"),
                title: title.into(),
                status: status.as_u16(),
                detail: detail.into(),
            },
            allow: None,
        }
    }

    /// The path is there, but only for these methods.
    pub(super) fn method(allow: &'static str) -> Self {
        let mut denied = Denied::new(METHOD, format!("this path takes {allow}"));
        denied.allow = Some(allow);
        denied
    }

    /// An error with all its causes as the detail.
    pub(super) fn caused(kind: Kind, error: &dyn std::error::Error) -> Self {
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Some libraries repeat their cause in their own text.
            if !detail.contains(&text) {
                detail.push_str(": ");
                detail.push_str(&text);
            }
            source = cause.source();
        }
        Denied::new(kind, detail)
    }

    /// Whoever asks may not.
    pub(super) fn unauthorised(denied: hyaline_gateway::Denied) -> Self {
        let kind = match denied.status() {
            StatusCode::UNAUTHORIZED => UNAUTHENTICATED,
            StatusCode::FORBIDDEN => FORBIDDEN,
            _ => MALFORMED,
        };
        Denied::new(kind, denied.to_string())
    }

    pub(super) fn into_response(self) -> Response<Bytes> {
        let body = serde_json::to_vec(&self.problem).expect("a problem is JSON");
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.problem.status).expect("it was made of a status");
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.problem.status == 401 {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"hyaline control\""),
            );
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

impl From<ChangeError> for Denied {
    fn from(error: ChangeError) -> Self {
        let kind = match &error {
            ChangeError::UnknownFunction { .. }
            | ChangeError::UnknownVersion { .. }
            | ChangeError::UnknownAlias { .. } => NOT_FOUND,
            ChangeError::Refused { .. } | ChangeError::Uncertain { .. } | ChangeError::Store(_) => {
                STORAGE
            }
            ChangeError::Changed { .. } => CHANGED,
            ChangeError::Stopped => INTERNAL,
            ChangeError::Unwritable { .. } => REFUSED,
            _ => CONFLICT,
        };
        Denied::caused(kind, &error)
    }
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Denied::caused(STORAGE, &error)
    }
}

impl From<PlatformError> for Denied {
    fn from(error: PlatformError) -> Self {
        let kind = match error {
            PlatformError::Change(change) => return change.into(),
            PlatformError::Store(_) => STORAGE,
            PlatformError::RouteTaken { .. } => CONFLICT,
            PlatformError::Component(PrepareError::Engine(_)) => INTERNAL,
            PlatformError::Component(_)
            | PlatformError::NoHttpDoor
            | PlatformError::Settings(_)
            | PlatformError::Budget(_) => REFUSED,
        };
        Denied::caused(kind, &error)
    }
}
