//! JSON as requests carry it: strict, bounded, and with errors that say what was seen where.

mod read;
mod write;

pub(crate) use read::{Json, Quoted, parse, utf8};
pub(crate) use write::JsonWriter;
