//! The host's refusals in the doors' terms.

use std::time::Duration;

use http::HeaderValue;
use http::header::RETRY_AFTER;
use hyaline_control::Qualifier;
use hyaline_doors::{FailureKind, Refusal as ForeignRefusal, ThrottleCause};

use crate::data::{Cause, Refusal};
use crate::platform::Live;

/// A refusal, in the doors' terms.
pub(super) struct Refused {
    pub(super) foreign: ForeignRefusal,
    pub(super) retry_after: Option<HeaderValue>,
}

impl From<ForeignRefusal> for Refused {
    fn from(foreign: ForeignRefusal) -> Self {
        Refused {
            foreign,
            retry_after: None,
        }
    }
}

impl Refused {
    /// Of a call of `live`, of the version or alias that the caller named.
    pub(super) fn of(refusal: Refusal, live: &Live, qualifier: &Qualifier) -> Self {
        let function = || live.name().to_string();
        let retry_after = refusal.header(&RETRY_AFTER).cloned();
        let wait = || {
            let seconds = retry_after.as_ref()?.to_str().ok()?.parse().ok()?;
            Some(Duration::from_secs(seconds))
        };
        let message = refusal.text;
        let failed = |kind, message| ForeignRefusal::Failed { kind, message };
        let foreign = match refusal.cause {
            Cause::Nowhere => ForeignRefusal::UnknownVersion {
                function: function(),
                qualifier: qualifier.to_string(),
            },
            Cause::Disabled => ForeignRefusal::Disabled {
                function: function(),
            },
            Cause::OutOfBudget => ForeignRefusal::OutOfBudget {
                whose: format!("the function `{}` or of its caller", live.name()),
            },
            Cause::Throttled(cause) => ForeignRefusal::Throttled {
                cause,
                retry_after: match cause {
                    ThrottleCause::Concurrency => Some(Duration::from_secs(1)),
                    ThrottleCause::FunctionRate | ThrottleCause::CallerRate => wait(),
                },
            },
            Cause::Unauthenticated => ForeignRefusal::Unauthenticated,
            Cause::Forbidden => ForeignRefusal::Forbidden {
                function: function(),
            },
            Cause::TooLarge => ForeignRefusal::TooLarge {
                limit: live.rules.body_limit as u64,
            },
            Cause::Malformed | Cause::Method | Cause::Slow => {
                ForeignRefusal::Malformed { reason: message }
            }
            Cause::Deadline => failed(FailureKind::Deadline, message),
            Cause::Resources => failed(FailureKind::Resources, message),
            Cause::Crashed => failed(FailureKind::Crash, message),
            Cause::Full | Cause::Unloadable | Cause::Unmappable => {
                ForeignRefusal::Unavailable { reason: message }
            }
        };
        Refused {
            foreign,
            retry_after,
        }
    }

    /// Of a question that is for no function in particular, whose body may have `limit` bytes.
    pub(super) fn of_question(refusal: Refusal, limit: usize) -> Self {
        Refused::from(match refusal.cause {
            Cause::TooLarge => ForeignRefusal::TooLarge {
                limit: limit as u64,
            },
            _ => ForeignRefusal::Malformed {
                reason: refusal.text,
            },
        })
    }
}
