//! Decision-tree ensembles: random forests, gradient boosting, single trees.

mod ensemble;

pub use ensemble::{Aggregate, EnsembleError, EnsembleParts, Leaf, Node, Split, Test, TreeEnsemble, Weight};
