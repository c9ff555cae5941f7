//! Why a host does not have a function's answer, before it is put in a platform's shape.

use std::time::Duration;

use http::StatusCode;

/// Why there is no answer of the function. The text is for the caller and names nothing of the host's insides.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such function.
    #[error("there is no function `{function}` here")]
    UnknownFunction {
        /// The name, as the request has it.
        function: String,
    },
    /// The function has no such version or alias.
    #[error("the function `{function}` has no version or alias `{qualifier}`")]
    UnknownVersion {
        /// The function.
        function: String,
        /// The version or alias, as the request has it.
        qualifier: String,
    },
    /// The path means the only function of the host, and the host does not have exactly one.
    #[error("this host has {count} functions; name the one that is meant")]
    NotTheOnly {
        /// Functions there are.
        count: usize,
    },
    /// An operator has disabled the function.
    #[error("the function `{function}` is disabled")]
    Disabled {
        /// The function.
        function: String,
    },
    /// A budget is spent.
    #[error("the budget of {whose} is spent")]
    OutOfBudget {
        /// Whose, e.g. `` the function `credit` ``.
        whose: String,
    },
    /// Too many calls.
    #[error("{}", throttled(*cause, *retry_after))]
    Throttled {
        /// Too many of what.
        cause: ThrottleCause,
        /// When to come again; `None` where waiting does not help.
        retry_after: Option<Duration>,
    },
    /// The call carries no key or token, or one that is not valid.
    #[error(
        "this function needs an API key in `x-api-key` or a bearer token; the call has no valid one"
    )]
    Unauthenticated,
    /// The caller may not call this function.
    #[error("the caller may not call the function `{function}`")]
    Forbidden {
        /// The function.
        function: String,
    },
    /// The client sent what is no request, or not all of it.
    #[error("{reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// The request's body is too long.
    #[error("the request's body is longer than {limit} bytes")]
    TooLarge {
        /// Bytes it may have.
        limit: u64,
    },
    /// The function ran and gave no answer.
    #[error("{message}")]
    Failed {
        /// In which way.
        kind: FailureKind,
        /// What the runtime says.
        message: String,
    },
    /// The host cannot take the call now: it is starting, full or shutting down.
    #[error("the host cannot take the call now: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
}

/// Too many of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleCause {
    /// Calls of the function at once, waiting ones included.
    Concurrency,
    /// Calls of the function per time, all callers together.
    FunctionRate,
    /// Calls of the caller per time, or per period.
    CallerRate,
}

/// How a function failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It ran longer than it may.
    Deadline,
    /// It asked for more memory, or tables, or fuel than it may.
    Resources,
    /// It crashed.
    Crash,
    /// It ended without an answer.
    NoAnswer,
}

fn throttled(cause: ThrottleCause, retry_after: Option<Duration>) -> &'static str {
    match cause {
        ThrottleCause::Concurrency => {
            "as many calls of the function run and wait as may; try again later"
        }
        ThrottleCause::FunctionRate => {
            "the function is called more often than it may be; try again later"
        }
        ThrottleCause::CallerRate if retry_after.is_none() => {
            "the caller has called as often as it ever may; it takes a new key, or a larger quota"
        }
        ThrottleCause::CallerRate => "the caller calls more often than it may; try again later",
    }
}

impl Refusal {
    /// The status that says this in plain HTTP.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::UnknownFunction { .. }
            | Refusal::UnknownVersion { .. }
            | Refusal::NotTheOnly { .. } => StatusCode::NOT_FOUND,
            Refusal::Disabled { .. } | Refusal::Unavailable { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Refusal::OutOfBudget { .. } => StatusCode::PAYMENT_REQUIRED,
            Refusal::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Unauthenticated => StatusCode::UNAUTHORIZED,
            Refusal::Forbidden { .. } => StatusCode::FORBIDDEN,
            Refusal::Malformed { .. } => StatusCode::BAD_REQUEST,
            Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Failed {
                kind: FailureKind::Deadline,
                ..
            } => StatusCode::GATEWAY_TIMEOUT,
            Refusal::Failed { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whole seconds for `Retry-After`, rounded up; `None` where coming again is not said to help.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Refusal::Throttled { retry_after, .. } => {
                let wait = (*retry_after)?;
                Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
            }
            _ => None,
        }
    }
}

/// One of each kind, for the tests of every door.
#[cfg(test)]
pub(crate) fn examples() -> Vec<Refusal> {
    let function = || "credit".to_owned();
    let failed = |kind, message: &str| Refusal::Failed {
        kind,
        message: message.to_owned(),
    };
    vec![
        Refusal::UnknownFunction {
            function: function(),
        },
        Refusal::UnknownVersion {
            function: function(),
            qualifier: "7".into(),
        },
        Refusal::NotTheOnly { count: 2 },
        Refusal::Disabled {
            function: function(),
        },
        Refusal::OutOfBudget {
            whose: "the function `credit`".into(),
        },
        Refusal::Throttled {
            cause: ThrottleCause::Concurrency,
            retry_after: Some(Duration::from_millis(1500)),
        },
        Refusal::Throttled {
            cause: ThrottleCause::FunctionRate,
            retry_after: Some(Duration::from_secs(3)),
        },
        Refusal::Throttled {
            cause: ThrottleCause::CallerRate,
            retry_after: None,
        },
        Refusal::Unauthenticated,
        Refusal::Forbidden {
            function: function(),
        },
        Refusal::Malformed {
            reason: "the request body did not arrive within 1 seconds".into(),
        },
        Refusal::TooLarge { limit: 6 << 20 },
        failed(
            FailureKind::Deadline,
            "the function did not finish within its deadline of 30s",
        ),
        failed(FailureKind::Crash, "the function crashed: unreachable"),
        Refusal::Unavailable {
            reason: "it is shutting down".into(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let throttled = |retry_after| Refusal::Throttled {
            cause: ThrottleCause::CallerRate,
            retry_after,
        };
        for (wait, seconds) in [
            (Some(Duration::ZERO), Some(0)),
            (Some(Duration::from_millis(1)), Some(1)),
            (Some(Duration::from_secs(2)), Some(2)),
            (Some(Duration::from_millis(2001)), Some(3)),
            (None, None),
        ] {
            assert_eq!(throttled(wait).retry_after(), seconds);
        }
        assert_eq!(Refusal::Unauthenticated.retry_after(), None);
    }

    #[test]
    fn the_words_of_refusals() {
        let words: Vec<String> = examples()
            .iter()
            .map(|refusal| format!("{} {refusal}", refusal.status().as_u16()))
            .collect();
        assert_eq!(
            words,
            [
                "404 there is no function `credit` here",
                "404 the function `credit` has no version or alias `7`",
                "404 this host has 2 functions; name the one that is meant",
                "503 the function `credit` is disabled",
                "402 the budget of the function `credit` is spent",
                "429 as many calls of the function run and wait as may; try again later",
                "429 the function is called more often than it may be; try again later",
                "429 the caller has called as often as it ever may; it takes a new key, or a larger quota",
                "401 this function needs an API key in `x-api-key` or a bearer token; the call has no valid one",
                "403 the caller may not call the function `credit`",
                "400 the request body did not arrive within 1 seconds",
                "413 the request's body is longer than 6291456 bytes",
                "504 the function did not finish within its deadline of 30s",
                "500 the function crashed: unreachable",
                "503 the host cannot take the call now: it is shutting down",
            ]
        );
    }
}
