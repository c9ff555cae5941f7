//! Answers of the server itself.

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use hyaline_runtime::{Failure, ResponseBody};

/// A request that the server answers itself.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Refusal {
            status,
            text: text.into(),
        }
    }

    pub(crate) fn into_response(self) -> Response<ResponseBody> {
        let body = serde_json::json!({ "error": self.text }).to_string();
        let mut response = Response::new(ResponseBody::from_bytes(body));
        *response.status_mut() = self.status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                response.headers_mut().insert(
                    ALLOW,
                    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
                );
            }
            _ => {}
        }
        response
    }
}

/// The status says whose limit or fault it was: 504 its time, 507 its memory, 503 the host's slots, 500 its own.
impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let status = match failure {
            Failure::Deadline { .. } => StatusCode::GATEWAY_TIMEOUT,
            Failure::Memory { .. } | Failure::Table { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Failure::Capacity { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Trap(_)
            | Failure::NoResponse
            | Failure::ErrorCode(_)
            | Failure::NoDoor { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Refusal::new(status, failure.to_string())
    }
}
