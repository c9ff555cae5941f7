//! Other platforms' ways to call a function, as pure translations of requests and answers.
//!
//! A client that was written for AWS Lambda, SageMaker, KServe or Azure Functions calls the same functions, by its own paths
//! and in its own shapes. A [`Door`] knows such paths. It says what it [`Wants`] of the host; the host finds the function,
//! admits the call, reads the body, and then runs the conversation: [`Door::open`] gives a [`Call`] and its first [`Step`],
//! and every outcome of an invocation, handed to [`Call::next`], leads to the next step until there is an answer.
//!
//! ```text
//! request ─► Door::find ─► wants ─► (host: find, admit, read) ─► Door::open ─► Step::Invoke ─► (host: invoke) ─► Call::next ─► Step::Answer
//!                            └───── refused by the host ─► Door::refuse ─► the same refusal in the platform's shape
//! ```
//!
//! Nothing here opens a socket, reads a clock or runs a function, so every translation is tested as bytes against bytes.
//!
//! Signatures of AWS (`Authorization: AWS4-HMAC-SHA256 …`) are taken and not looked at: who may call is decided by the
//! host, by an API key in `x-api-key` or a bearer token, the same for every door.

#![forbid(unsafe_code)]

pub mod azure;
pub mod kserve;
pub mod lambda;
pub mod sagemaker;

mod callee;
mod door;
mod json;
mod listen;
mod refusal;
mod uri;

pub use callee::Callee;
pub use door::{Call, Door, Listed, Log, Outcome, Step, Target, Wanted, Wants};
pub use listen::{ListenError, listen_address};
pub use refusal::{FailureKind, Refusal, ThrottleCause};

#[cfg(test)]
mod example;
