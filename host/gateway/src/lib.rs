//! Who may call a function and how often: API keys, tokens, rates, quotas, CORS, mappings.
//!
//! Decisions only. Nothing here listens, connects or looks at a clock: requests come in as their headers, the time is
//! passed in, and answers go out as header fields and words. The one file is the one of the API keys.
//!
//! A server asks in this order:
//!
//! 1. [`RequestId::of`] names the request.
//! 2. [`CrossOrigin::preflight`] answers a browser's question about a function, which has no credentials.
//! 3. [`Gate::admit`] says who calls, [`ControlDoor::admit`] for the control plane.
//! 4. [`spend`] charges the call to the rates and quotas.
//! 5. [`Caller::conceal_credential`] takes the credential out of what the function gets.
//! 6. [`Mappings`] change the body on the way in and out, and [`CrossOrigin::write`] and [`Allowance::write`] add to
//!    the answer.

#![forbid(unsafe_code)]

mod caller;
mod control_door;
mod cors;
mod credential;
mod expression;
mod gate;
mod key;
mod limit;
mod mapping;
mod request_id;
mod token;

pub use caller::{Caller, CallerKind};
pub use control_door::{ControlDoor, Exposed};
pub use cors::{CorsError, CrossOrigin};
pub use credential::{LONGEST_CREDENTIAL, Malformed};
pub use expression::{EvaluationError, Expression, ExpressionError};
pub use gate::{Denied, Gate, Refused};
pub use key::{Key, KeyError, Keys, SECRET_LENGTH, is_secret};
pub use limit::{Allowance, FunctionLimit, QuotaError, RateError, Throttled, spend};
pub use mapping::{MappingError, MappingRefusal, Mappings};
pub use request_id::RequestId;
pub use token::{AccessError, Issuers, JwkError, JwkSet, LONGEST_SET, TokenError};
