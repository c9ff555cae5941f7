//! Runs functions: a trained model with its explainer, as one WebAssembly component.
//!
//! Every request gets a fresh instance of the component, made from a pooled slot and a copy-on-write image of its
//! memory, and that instance is gone when the answer is complete. Nothing a request did can be seen by the next one,
//! unless a function's [`Policy`] allows [`Reuse`].
//!
//! ```text
//! Engine ── one per process: compiler, instance pool, clock for deadlines, artefact cache
//!   └─ Function ── one per component: compiled, linked, checked for what it imports; functions packed with the same
//!        │         engine share its machine code
//!        ├─ handle    the HTTP door  (wasi:http/incoming-handler)    async
//!        └─ predict   the typed door (hyaline:function/model)        sync, no host calls at all
//! ```
//!
//! What a function can reach is what `wasi:http/proxy` offers: clocks, random bytes, its request and its response, and
//! outgoing HTTP only to the hosts its [`Policy`] names. A component that imports anything else is refused when it is
//! loaded. What a function can use up is bounded by [`Limits`]; a breach ends that request with a [`Failure`] and
//! touches no other.
//!
//! This crate opens no listening socket. Its only files are the artefact cache.

#![deny(unsafe_code)]

mod artefact;
mod card;
mod compiled;
mod console;
mod core_split;
mod digest;
mod engine;
mod error;
mod failure;
mod function;
mod http_door;
mod idle;
mod imports;
mod invocation;
mod lane;
mod limits;
mod outbound;
mod policy;
mod priority;
mod request;
mod response;
mod run;
mod split;
mod state;
mod ticker;
mod typed_door;

pub use artefact::Origin;
pub use card::read_card;
pub use console::Written;
pub use engine::{Engine, EngineConfig, MOST_TABLE_ELEMENTS};
pub use error::{EngineError, LoadError};
pub use failure::Failure;
pub use function::{Function, Summary};
pub use invocation::{Invocation, Meter, Outcome};
pub use limits::Limits;
pub use outbound::{AllowedHosts, AllowedHostsError};
pub use policy::{Policy, Reuse};
pub use priority::be_prompt;
pub use response::ResponseBody;
pub use typed_door::{CallError, Instance, model};
