//! Commands that are a host, or prepare one.

mod config;
mod export;
mod flags;
mod lambda;
mod serve;
mod watch;

pub(crate) use config::{Config, config};
pub(crate) use export::{Export, export};
pub(crate) use lambda::{Lambda, lambda};
pub(crate) use serve::{Serve, Up, cache_folder, serve, up};
