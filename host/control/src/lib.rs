//! The vocabulary of the control plane: names of things, settings of a function, and the documents of the control API.
//!
//! The host and its clients (`hyaline deploy`, the dashboard) share these types, so a document one side writes is one
//! the other reads. Nothing here does anything: no files, no sockets, no clock. Names are validated when they are made
//! and cannot be malformed afterwards; documents refuse unknown fields, so a misspelled setting is an error.
//!
//! Times are [`jiff::Timestamp`]s, RFC 3339 in JSON. Money is in US dollars. Durations carry their unit in the name.

#![forbid(unsafe_code)]

mod access;
mod event;
mod function;
mod name;
mod problem;
mod settings;
mod traffic;
mod usage;

pub use access::{Access, ApiKey, IssuedKey, Jwt, KeyRequest, KeySource, Period, Quota, Rate};
pub use event::{Event, EventKind};
pub use function::{FunctionDocument, FunctionState, VersionDocument};
pub use name::{AliasName, CallerName, Digest, FunctionName, NameError, Qualifier, VersionNumber};
pub use problem::Problem;
pub use settings::{Budget, Cors, LimitSettings, Mapping, Reuse, Settings};
pub use traffic::{Alias, Share, StickyKey, Traffic, TrafficError};
pub use usage::{UsageFilter, UsageGroup, UsageRow};
