//! A trained model + its explainer → one WebAssembly component, a function.
//!
//! [`pack`] goes the whole way: import → validated model image → `load(image)` inside the guest engine → snapshot →
//! proof → stamp. The proof asks golden rows of the model as it is, of the loaded engine and of the packed component;
//! their predictions and explanations must be equal to the bit, or nothing is packed. [`verify`] asks them again, later
//! and elsewhere.
//!
//! Equal inputs give equal bytes: no clock, path, random seed or order of a hash map enters a component.

#![forbid(unsafe_code)]

pub mod answers;
mod array;
pub mod card;
mod contract;
mod covers;
mod describe;
mod digest;
mod draft;
mod engine;
mod features;
mod held_out;
mod import;
mod json;
pub mod mlflow;
mod npy;
mod pack;
mod proof;
pub mod recipe;
mod reference;
pub mod report;
mod sandbox;
mod snapshot;
mod stamp;
#[cfg(test)]
mod stand_in;
mod table;
mod verify;

pub use describe::DescribeError;
pub use digest::sha256;
pub use engine::{Engine, NEURAL, TABULAR};
pub use features::FeatureError;
pub use held_out::{
    BinCard, CalibrationCard, HeldOutError, Measured, ReliabilityCard, UncertaintyCard,
};
pub use pack::{InputError, Inputs, PackError, Packed, pack};
pub use proof::ProofError;
pub use reference::ReferenceError;
pub use sandbox::Cause;
pub use snapshot::SnapshotError;
pub use stamp::{SECTION, StampError, card_bytes, read_card};
pub use verify::{Verified, VerifyError, verify};
