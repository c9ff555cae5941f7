//! One event: from the payload to the function and back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyaline_doors::lambda::{FunctionError, Payload, Reply};
use hyaline_doors::{FailureKind, Refusal};
use hyaline_runtime::{Failure, Function, Invocation};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde_json::value::RawValue;

/// Bytes of the longest payload that Lambda takes back.
const LONGEST_ANSWER: usize = 6 << 20;

/// Time before the deadline at which a function is stopped, so that its failure can still be reported; of a short time
/// it is a tenth.
const MARGIN: Duration = Duration::from_millis(50);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Answers an event. Payloads keep the text of their numbers on both ways.
pub(crate) async fn handle(
    function: &Function,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Box<RawValue>, Diagnostic> {
    let LambdaEvent { payload, context } = event;
    let bytes = Bytes::from(String::from(Box::<str>::from(payload)));
    let (payload, mut request) =
        Payload::read(&bytes).map_err(|error| diagnostic("Runtime.UnmarshalError", error))?;
    add_context(&mut request, &context);
    match invoke(function, request, &context).await {
        Ok(response) => match payload.reply(response) {
            Reply::Payload(bytes) => answer(bytes),
            Reply::Error(error) => Err(error_document(error)),
        },
        Err(refusal) => match FunctionError::of(&refusal, &context.request_id) {
            Some(error) => Err(error_document(error)),
            None => Err(diagnostic("Runtime.ExitError", refusal)),
        },
    }
}

/// Tells the function what Lambda says of the event, where the event does not say it itself.
fn add_context(request: &mut Request<Bytes>, context: &Context) {
    let facts = [
        (REQUEST_ID, Some(context.request_id.as_str())),
        (TRACE_ID, context.xray_trace_id.as_deref()),
    ];
    for (name, value) in facts {
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            request.headers_mut().entry(name).or_insert(value);
        }
    }
}

async fn invoke(
    function: &Function,
    request: Request<Bytes>,
    context: &Context,
) -> Result<Response<Bytes>, Refusal> {
    let whole = async {
        let request = request.map(Full::new);
        let response = function.handle_metered(request, log).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok::<_, Failure>(Response::from_parts(head, body))
    };
    let remaining = remaining(context.deadline, SystemTime::now());
    let result = match remaining {
        None => whole.await,
        Some(remaining) => {
            let allowed = remaining - MARGIN.min(remaining / 10);
            match tokio::time::timeout(allowed, whole).await {
                Ok(result) => result,
                Err(_elapsed) => Err(Failure::Deadline { limit: allowed }),
            }
        }
    };
    result.map_err(|failure| Refusal::Failed {
        kind: kind(&failure),
        message: failure.to_string(),
    })
}

/// The time until `deadline`, in milliseconds of the Unix epoch. `None` when there is none or it has passed, which says
/// more of the clock than of the event: then Lambda alone keeps the time.
fn remaining(deadline: u64, now: SystemTime) -> Option<Duration> {
    let deadline = UNIX_EPOCH.checked_add(Duration::from_millis(deadline))?;
    let remaining = deadline.duration_since(now).ok()?;
    (!remaining.is_zero()).then_some(remaining)
}

/// What the function wrote goes to the log that Lambda makes of this process's.
fn log(invocation: Invocation) {
    for (output, written) in [("stdout", invocation.stdout), ("stderr", invocation.stderr)] {
        if let Some(written) = written {
            tracing::info!(function = %invocation.function, output, "{}", written.text().trim_end());
        }
    }
}

fn kind(failure: &Failure) -> FailureKind {
    match failure {
        Failure::Deadline { .. } => FailureKind::Deadline,
        Failure::Memory { .. } | Failure::Table { .. } | Failure::Fuel { .. } => {
            FailureKind::Resources
        }
        Failure::Trap(_) => FailureKind::Crash,
        Failure::NoResponse
        | Failure::ErrorCode(_)
        | Failure::Capacity { .. }
        | Failure::NoDoor { .. } => FailureKind::NoAnswer,
    }
}

fn answer(bytes: Bytes) -> Result<Box<RawValue>, Diagnostic> {
    if bytes.len() > LONGEST_ANSWER {
        return Err(diagnostic(
            "Function.ResponseSizeTooLarge",
            format!(
                "the answer has {} bytes; Lambda takes {LONGEST_ANSWER}, send the rows in several requests",
                bytes.len()
            ),
        ));
    }
    let text = String::from_utf8(bytes.into())
        .map_err(|error| diagnostic("Runtime.MarshalError", error))?;
    RawValue::from_string(text).map_err(|error| diagnostic("Runtime.MarshalError", error))
}

fn error_document(error: FunctionError) -> Diagnostic {
    Diagnostic {
        error_type: error.error_type,
        error_message: error.message,
    }
}

fn diagnostic(error_type: &str, error: impl ToString) -> Diagnostic {
    Diagnostic {
        error_type: error_type.to_owned(),
        error_message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_has_passed_is_no_deadline() {
        let now = UNIX_EPOCH + Duration::from_millis(1000);
        assert_eq!(remaining(1250, now), Some(Duration::from_millis(250)));
        for deadline in [0, 999, 1000] {
            assert_eq!(remaining(deadline, now), None, "{deadline}");
        }
        let far = remaining(u64::MAX, now);
        assert!(far.is_none_or(|far| far > Duration::from_secs(1 << 40)));
    }

    #[test]
    fn an_answer_that_lambda_would_not_take_is_an_error_in_words() {
        let longest = format!("\"{}\"", "x".repeat(LONGEST_ANSWER - 2));
        assert!(answer(longest.into()).is_ok());
        let longer = answer(format!("\"{}\"", "x".repeat(LONGEST_ANSWER)).into()).unwrap_err();
        assert_eq!(longer.error_type, "Function.ResponseSizeTooLarge");
        assert_eq!(
            longer.error_message,
            "the answer has 6291458 bytes; Lambda takes 6291456, send the rows in several requests"
        );
    }
}
