//! A trained model + its explainer → one WebAssembly component.
//!
//! `pack` = import → validated model image → `load(image)` inside the guest engine → snapshot → proof → stamp.

#![forbid(unsafe_code)]

pub mod answers;
pub mod card;
mod contract;
mod digest;
mod engine;
mod json;
pub mod recipe;
mod reference;
mod sandbox;
mod snapshot;
mod stamp;
#[cfg(test)]
mod stand_in;

pub use engine::{Engine, TABULAR};
pub use reference::ReferenceError;
pub use digest::sha256;
pub use sandbox::Cause;
pub use snapshot::SnapshotError;
pub use stamp::{SECTION, StampError, card_bytes};
