//! Calls: from a request to the answer of a function, and the record of it.

mod admission;
mod answer;
mod body;
mod call;
mod doors;
mod forward;
mod refusal;
mod route;
mod routes;
mod service;
mod shadow;

pub(crate) use admission::{Admission, Capacity};
pub(crate) use body::{Room, read as read_body};
pub(crate) use refusal::{Cause, Refusal};
pub use route::{Route, RouteError};
pub(crate) use routes::Routes;
pub(crate) use service::Service;
