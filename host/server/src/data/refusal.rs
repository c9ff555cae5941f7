//! Calls that the host answers itself, because no function does.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use hyaline_doors::{Log, ThrottleCause};
use hyaline_runtime::Failure;

/// Why a call got no answer of a function. The text is fit for the caller.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) cause: Cause,
    pub(crate) text: String,
    /// Besides those that every answer of its cause has.
    headers: Option<Box<HeaderMap>>,
    /// What the invocation that failed left in the log.
    log: Option<Box<Log>>,
    /// Whether there may be room in a second.
    is_brief: bool,
}

/// Kinds of [`Refusal`]s; each has one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// 400: the request is not one.
    Malformed,
    /// 401: who calls is not known.
    Unauthenticated,
    /// 402: what may be spent is spent.
    OutOfBudget,
    /// 403: who calls may not.
    Forbidden,
    /// 404: nothing is there.
    Nowhere,
    /// 405: not with this method.
    Method,
    /// 408: the request did not arrive in time.
    Slow,
    /// 413: the request is too long.
    TooLarge,
    /// 429: the function, or the caller, has too many calls.
    Throttled(ThrottleCause),
    /// 500: the function crashed, or gave no answer.
    Crashed,
    /// 502: what is done to the function's answer cannot be done to this one.
    Unmappable,
    /// 503: an operator has disabled the function.
    Disabled,
    /// 503: the host has no place.
    Full,
    /// 503: the function cannot be loaded.
    Unloadable,
    /// 504: the function was too slow.
    Deadline,
    /// 507: the function asked for more than it may have.
    Resources,
}

impl Cause {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Cause::Malformed => StatusCode::BAD_REQUEST,
            Cause::Unauthenticated => StatusCode::UNAUTHORIZED,
            Cause::OutOfBudget => StatusCode::PAYMENT_REQUIRED,
            Cause::Forbidden => StatusCode::FORBIDDEN,
            Cause::Nowhere => StatusCode::NOT_FOUND,
            Cause::Method => StatusCode::METHOD_NOT_ALLOWED,
            Cause::Slow => StatusCode::REQUEST_TIMEOUT,
            Cause::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Cause::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Cause::Crashed => StatusCode::INTERNAL_SERVER_ERROR,
            Cause::Unmappable => StatusCode::BAD_GATEWAY,
            Cause::Disabled | Cause::Full | Cause::Unloadable => StatusCode::SERVICE_UNAVAILABLE,
            Cause::Deadline => StatusCode::GATEWAY_TIMEOUT,
            Cause::Resources => StatusCode::INSUFFICIENT_STORAGE,
        }
    }
}

impl Refusal {
    pub(crate) fn new(cause: Cause, text: impl Into<String>) -> Self {
        Refusal {
            cause,
            text: text.into(),
            headers: None,
            log: None,
            is_brief: false,
        }
    }

    pub(crate) fn malformed(text: impl Into<String>) -> Self {
        Refusal::new(Cause::Malformed, text)
    }

    /// Whether there was no room, so that nothing ran.
    pub(crate) fn is_overload(&self) -> bool {
        matches!(self.cause, Cause::Full | Cause::Throttled(_))
    }

    /// For want of room that may be there in a second; the answer says so.
    pub(crate) fn brief(cause: Cause, text: impl Into<String>) -> Self {
        Refusal {
            is_brief: true,
            ..Refusal::new(cause, text)
        }
    }

    /// Header fields that the refusal carries, to be added to.
    pub(crate) fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers.get_or_insert_default()
    }

    /// The value of a header field that the refusal carries.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.as_ref()?.get(name)
    }

    pub(crate) fn with_log(mut self, log: Log) -> Self {
        self.log = Some(Box::new(log));
        self
    }

    pub(crate) fn take_log(&mut self) -> Log {
        self.log.take().map(|log| *log).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.cause.status()
    }

    /// The answer to a caller, in the form that clients of model servers read errors in.
    pub(crate) fn into_response(self) -> Response<Bytes> {
        let body = serde_json::json!({ "error": self.text }).to_string();
        let mut response = Response::new(body.into());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.is_brief {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.cause == Cause::Method {
            headers.insert(
                ALLOW,
                HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            );
        }
        for (name, value) in self.headers.into_iter().flat_map(|headers| *headers) {
            if let Some(name) = name {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// The status says whose limit or fault it was: 504 its time, 507 its memory, 503 the host's slots, 500 its own.
impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let cause = match failure {
            Failure::Deadline { .. } => Cause::Deadline,
            Failure::Memory { .. } | Failure::Table { .. } | Failure::Fuel { .. } => {
                Cause::Resources
            }
            Failure::Capacity { .. } => return Refusal::brief(Cause::Full, failure.to_string()),
            Failure::Trap(_)
            | Failure::NoResponse
            | Failure::ErrorCode(_)
            | Failure::NoDoor { .. } => Cause::Crashed,
        };
        Refusal::new(cause, failure.to_string())
    }
}
