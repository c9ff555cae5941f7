//! Functions, versions and aliases of a host, in one directory that a crash cannot damage.
//!
//! ```text
//! <directory>/
//!   lock            held by the host that uses the directory; says its process id
//!   state.redb      functions, versions, aliases, settings: one durable transaction per batch of changes
//!   blobs/sha256/   components, each under the SHA-256 of its bytes
//!   partial/        components that are being written; emptied when the registry is opened
//! ```
//!
//! A [`Registry`] answers every question from an immutable [`Catalog`] in memory, which a reader gets without a lock.
//! Changes go to one thread, which writes what has been asked for meanwhile in one transaction, replaces the catalog
//! and then answers; so what was acknowledged is on disk, and many changes at once share the wait for the disk.
//!
//! A component is on disk before a version can name it, and [`Registry::collect_garbage`] removes only what no version
//! names and no call is about to name. After an error of the disk (a full one, above all) a change is refused and the
//! database is opened anew, so that the registry works again once there is room, without a restart.

#![forbid(unsafe_code)]

mod catalog;
mod change;
mod components;
mod database;
mod directory;
mod error;
mod function;
mod garbage;
mod load;
mod record;
mod registry;
mod target;
mod writer;

pub use catalog::Catalog;
pub use change::{Deployed, Deployment, EARLIER, Promote};
pub use components::Component;
pub use error::{ChangeError, OpenError, StoreError};
pub use function::{Function, Version};
pub use garbage::Collected;
pub use registry::Registry;
pub use target::Target;
pub use writer::Committed;
