//! Decision-tree ensembles: random forests, gradient boosting, single trees.

mod binning;
mod compiled;
mod ensemble;

pub use binning::{Binning, Condition};
pub use ensemble::{Aggregate, EnsembleError, EnsembleParts, Leaf, Node, Split, Test, TreeEnsemble, Weight};
