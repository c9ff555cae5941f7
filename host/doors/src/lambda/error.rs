//! Errors of Lambda's service: not the function's.

use bytes::Bytes;
use http::header::{HeaderName, RETRY_AFTER};
use http::{Response, StatusCode};

use super::payload::PayloadError;
use crate::json::{Members, answer, raw, set_header};
use crate::refusal::{Refusal, ThrottleCause};

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// An error as the service model of Lambda (2015-03-31) has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    reason: Option<&'static str>,
    retry_after: Option<u64>,
}

impl ServiceError {
    pub(super) fn new(status: StatusCode, kind: &'static str, message: String) -> Self {
        ServiceError {
            status,
            kind,
            message,
            reason: None,
            retry_after: None,
        }
    }

    pub(super) fn invalid_parameter(message: String) -> Self {
        ServiceError::new(
            StatusCode::BAD_REQUEST,
            "InvalidParameterValueException",
            message,
        )
    }

    /// `name` is the function's, as the request has it. Failures of a function are no errors of the service; one that
    /// comes here is a `ServiceException`.
    pub(super) fn of(refusal: &Refusal, name: &str) -> Self {
        let new = |status, kind| ServiceError::new(status, kind, refusal.to_string());
        match refusal {
            Refusal::UnknownFunction { .. } | Refusal::UnknownVersion { .. } => ServiceError::new(
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                format!("Function not found: {name}"),
            ),
            Refusal::NotTheOnly { .. } => new(StatusCode::NOT_FOUND, "ResourceNotFoundException"),
            Refusal::Disabled { .. } => new(StatusCode::CONFLICT, "ResourceConflictException"),
            Refusal::OutOfBudget { .. } => new(
                StatusCode::PAYMENT_REQUIRED,
                "ServiceQuotaExceededException",
            ),
            Refusal::Throttled { cause, .. } => ServiceError {
                reason: Some(match cause {
                    ThrottleCause::Concurrency => {
                        "ReservedFunctionConcurrentInvocationLimitExceeded"
                    }
                    ThrottleCause::FunctionRate => "FunctionInvocationRateLimitExceeded",
                    ThrottleCause::CallerRate => "CallerRateLimitExceeded",
                }),
                retry_after: refusal.retry_after(),
                ..new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException")
            },
            Refusal::Unauthenticated => new(StatusCode::FORBIDDEN, "UnrecognizedClientException"),
            Refusal::Forbidden { .. } => new(StatusCode::FORBIDDEN, "AccessDeniedException"),
            Refusal::Malformed { .. } => {
                new(StatusCode::BAD_REQUEST, "InvalidRequestContentException")
            }
            Refusal::TooLarge { .. } => {
                new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException")
            }
            Refusal::Failed { .. } | Refusal::Unavailable { .. } => {
                new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException")
            }
        }
    }

    /// The members of the error's shape. The service model writes `message` in some shapes and `Message` in others.
    pub(super) fn answer(&self, request_id: &str) -> Response<Bytes> {
        let side = if self.status.is_server_error() {
            "Service"
        } else {
            "User"
        };
        let key = match self.kind {
            "ResourceNotFoundException" | "ServiceQuotaExceededException" | "ServiceException" => {
                "Message"
            }
            _ => "message",
        };
        let members = [
            ("Type", Some(side)),
            ("Reason", self.reason),
            (key, Some(&*self.message)),
        ];
        let body = Members(
            members
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), raw(&value?))))
                .collect(),
        );
        let mut answer = answer(self.status, &body);
        let headers = answer.headers_mut();
        set_header(headers, ERROR_TYPE, self.kind);
        if !request_id.is_empty() {
            set_header(headers, super::REQUEST_ID, request_id);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        answer
    }
}

impl From<PayloadError> for ServiceError {
    fn from(error: PayloadError) -> Self {
        ServiceError::new(
            StatusCode::BAD_REQUEST,
            "InvalidRequestContentException",
            error.to_string(),
        )
    }
}
