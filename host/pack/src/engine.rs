//! The guest engines that `build.rs` left in the crate.

use hyaline_model::graph::Graph;

/// A guest engine: a component of the function contract that has no model yet.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// Name, e.g. `tabular`.
    pub name: &'static str,
    /// The component.
    pub component: &'static [u8],
}

/// Trees, linear models, SVM, nearest neighbours and the preprocessing around them.
pub const TABULAR: Engine = Engine {
    name: "tabular",
    component: include_bytes!(concat!(env!("OUT_DIR"), "/tabular.wasm")),
};

/// The same and the operators of networks: convolutions, pools, normalisation, recurrence, resizing.
pub const NEURAL: Engine = Engine {
    name: "neural",
    component: include_bytes!(concat!(env!("OUT_DIR"), "/neural.wasm")),
};

/// The smallest engine that runs `graph`, and why it is that one.
pub(crate) fn choose(graph: &Graph) -> (Engine, String) {
    match graph.neural_operator() {
        Some(operator) => (
            NEURAL,
            format!(
                "the operator {operator} is not in the smaller engine `{}`",
                TABULAR.name
            ),
        ),
        None => (
            TABULAR,
            "the smallest engine, and it has every operator".to_owned(),
        ),
    }
}
