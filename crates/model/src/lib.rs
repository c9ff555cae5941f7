//! What a packed function knows of its model: the schema of a row, batches of rows, the evaluation graph with its
//! estimators, and the model image that carries them from the packer into the sandbox.
//!
//! The crate is pure: bytes and rows in, numbers out. It knows no files, sockets, clocks, threads or wasm, and uses
//! `libm` for transcendental functions, so native and sandboxed evaluation agree to the bit.
//!
//! Order of use: an importer (in `hyaline-formats`, pack time only) makes [`ModelParts`]; [`Model::new`] validates them
//! once; [`Model::to_image`] / [`Model::from_image`] carry the model; [`Model::predict`] answers.

#![forbid(unsafe_code)]

mod batch;
mod explainer_settings;
mod floats;
pub mod graph;
mod model;
mod order;
mod reference;
mod schema;
mod symbols;
mod tensor;

pub use batch::{Batch, BatchError, Column, Tensors};
pub use explainer_settings::{ExplainerSettings, Method};
pub use hyaline_trees as trees;
pub use model::{Background, Core, Head, ImageError, Label, Link, Model, ModelParts, Predictions};
pub use order::sorted_positions;
pub use reference::{Conformity, ConformityScore, FeatureGroup, Reference};
pub use schema::{
    Categories, Direction, Feature, FeatureKind, ImageKind, Missing, Recourse, Schema, SchemaError,
    TensorKind, Unseen,
};
pub use symbols::{Symbol, Symbols};
pub use tensor::{Data, ElementType, Tensor};
