//! Which raw features a value depends on, column by column: what decides whether an estimator behind preprocessing can
//! be explained exactly per raw feature.

use std::collections::BTreeSet;

/// A set of raw features (positions in the schema).
pub type FeatureSet = BTreeSet<u32>;

/// What a value of the graph depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// The same for every row.
    Constant,
    /// A `[rows]` or `[rows, columns]` value, each row from the same row of the batch: the features of each column.
    Columns(Vec<FeatureSet>),
    /// Anything else: all features it may depend on.
    Mixed(FeatureSet),
}

impl Dependence {
    /// All features the value may depend on.
    pub fn features(&self) -> FeatureSet {
        match self {
            Dependence::Constant => FeatureSet::new(),
            Dependence::Columns(columns) => columns.iter().flatten().copied().collect(),
            Dependence::Mixed(features) => features.clone(),
        }
    }
}
