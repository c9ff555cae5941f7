//! Errors of SageMaker's runtime.

use bytes::Bytes;
use http::header::{HeaderName, RETRY_AFTER};
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::json::{answer, set_header};
use crate::refusal::Refusal;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Characters of a message, as the service model bounds them.
const MESSAGE: usize = 2048;

/// An error as the service model of the runtime (2017-05-13) has it. Those the model does not list (a spent budget, a
/// missing key) have the names they have elsewhere in AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    original: Option<(u16, String)>,
    retry_after: Option<u64>,
}

/// A refusal of the host as the runtime says it.
pub(crate) fn refuse(refusal: &Refusal, request_id: &str) -> Response<Bytes> {
    ServiceError::of(refusal).answer(request_id)
}

impl ServiceError {
    pub(super) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        ServiceError {
            status,
            kind,
            message: message.into(),
            original: None,
            retry_after: None,
        }
    }

    /// The request is not what the endpoint takes.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        ServiceError::new(StatusCode::BAD_REQUEST, "ValidationError", message)
    }

    /// The function's answer is not what its own contract says.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        ServiceError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalFailure",
            message,
        )
    }

    pub(super) fn of(refusal: &Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::UnknownFunction { function } => {
                ServiceError::validation(format!("Endpoint {function} not found"))
            }
            Refusal::UnknownVersion {
                function,
                qualifier,
            } => ServiceError::validation(format!(
                "Endpoint {function} has no variant {qualifier}; a variant is a version or an alias"
            )),
            Refusal::NotTheOnly { .. } | Refusal::Disabled { .. } | Refusal::Malformed { .. } => {
                ServiceError::validation(text)
            }
            Refusal::OutOfBudget { .. } => ServiceError::new(
                StatusCode::PAYMENT_REQUIRED,
                "ServiceQuotaExceededException",
                text,
            ),
            Refusal::Throttled { .. } => ServiceError {
                retry_after: refusal.retry_after(),
                ..ServiceError::new(StatusCode::TOO_MANY_REQUESTS, "ThrottlingException", text)
            },
            Refusal::Unauthenticated => {
                ServiceError::new(StatusCode::FORBIDDEN, "UnrecognizedClientException", text)
            }
            Refusal::Forbidden { .. } => {
                ServiceError::new(StatusCode::FORBIDDEN, "AccessDeniedException", text)
            }
            Refusal::TooLarge { .. } => {
                ServiceError::new(StatusCode::PAYLOAD_TOO_LARGE, "ValidationError", text)
            }
            Refusal::Failed { .. } => ServiceError::model(refusal.status().as_u16(), text),
            Refusal::Unavailable { .. } => {
                ServiceError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", text)
            }
        }
    }

    /// The function has refused, in its own words.
    pub(super) fn of_model(response: &Response<Bytes>) -> Self {
        #[derive(Deserialize)]
        struct Words {
            error: Option<String>,
            message: Option<String>,
        }
        let words: Option<Words> = serde_json::from_slice(response.body()).ok();
        let words = words
            .and_then(|words| words.error.or(words.message))
            .unwrap_or_else(|| String::from_utf8_lossy(response.body()).into_owned());
        ServiceError::model(response.status().as_u16(), words)
    }

    fn model(status: u16, words: String) -> Self {
        let message = format!("the model answered with status {status}: {words}");
        ServiceError {
            original: Some((status, words)),
            ..ServiceError::new(StatusCode::FAILED_DEPENDENCY, "ModelError", message)
        }
    }

    pub(super) fn answer(&self, request_id: &str) -> Response<Bytes> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'e> {
            message: &'e str,
            #[serde(skip_serializing_if = "Option::is_none")]
            original_message: Option<&'e str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            original_status_code: Option<u16>,
        }
        let original = self.original.as_ref();
        let mut answer = answer(
            self.status,
            &Body {
                message: cut(&self.message),
                original_message: original.map(|(_, words)| cut(words)),
                original_status_code: original.map(|(status, _)| *status),
            },
        );
        let headers = answer.headers_mut();
        set_header(headers, ERROR_TYPE, self.kind);
        if !request_id.is_empty() {
            set_header(headers, REQUEST_ID, request_id);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        answer
    }
}

fn cut(text: &str) -> &str {
    match text.char_indices().nth(MESSAGE) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_long_as_the_service_model_lets_them_be() {
        let long = "é".repeat(3000);
        assert_eq!(cut(&long).chars().count(), MESSAGE);
        assert_eq!(cut("short"), "short");
    }
}
