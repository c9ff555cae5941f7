//! Decision-tree ensembles: random forests, gradient boosting, single trees.
//!
//! A crate of its own because the guest engines compile it for speed and most of what surrounds it for size; everyone
//! else knows it as `hyaline_model::trees`.

#![forbid(unsafe_code)]

mod binning;
mod compiled;
mod ensemble;

pub use binning::{Binning, Condition};
pub use ensemble::{
    Aggregate, EnsembleError, EnsembleParts, Leaf, Node, Split, Test, TreeEnsemble, Weight,
};
