//! Covers for path-dependent explanations of trees whose file does not carry them (ONNX converters leave them out).

use hyaline_model::graph::{EvalError, Op};
use hyaline_model::{Batch, Core, Method, Model, ModelParts};

/// Where the covers behind a path-dependent explanation come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covers {
    /// The model file.
    File,
    /// This many reference rows, counted.
    Counted(usize),
}

/// Counts how many of `rows` reach each node, when the recipe asks for the path-dependent method and the model's trees
/// have no covers; `parts` then carries them. Otherwise changes nothing.
///
/// # Errors
/// [`EvalError`] when the model's preprocessing refuses a row.
pub(crate) fn count(
    parts: &mut ModelParts,
    model: &Model,
    rows: Option<&Batch>,
) -> Result<Covers, EvalError> {
    let (Some(trees), Some(rows), Core::Additive { node, .. }) =
        (model.core_trees(), rows, &parts.core)
    else {
        return Ok(Covers::File);
    };
    if parts.explainer.method != Some(Method::PathDependent) || trees.parts().covers.is_some() {
        return Ok(Covers::File);
    }
    let counted = trees.with_covers_from(&model.encode(rows)?);
    parts.graph.nodes[*node as usize].op = Op::Trees(counted);
    Ok(Covers::Counted(rows.rows()))
}
