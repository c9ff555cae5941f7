//! What importers are asked and what they answer.

use hyaline_model::graph::GraphParts;
use hyaline_model::{Core, Head, Schema, Symbols};

/// What the recipe says and the file may not. An empty list leaves the file's own names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Names of the raw features, in the model's order.
    pub feature_names: Vec<String>,
    /// Texts for the classes, in the model's order.
    pub labels: Vec<String>,
    /// Names of a regressor's outputs.
    pub target_names: Vec<String>,
    /// Texts that can stand in each column of the data, by the column's name, for files that hold hashes of categories
    /// instead. Columns stand in the order of a row.
    pub categories: Vec<(String, Vec<String>)>,
}

/// A model without name, reference rows and card: what a file has to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// What a row looks like.
    pub schema: Schema,
    /// All texts the graph, the schema and the labels mention.
    pub symbols: Symbols,
    /// The operators.
    pub graph: GraphParts,
    /// The answer.
    pub head: Head,
    /// The explainable part.
    pub core: Core,
    /// What a user should know: why the core is opaque, whether covers are real, what was left out.
    pub notes: Vec<String>,
}
