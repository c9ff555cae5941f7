//! All texts of a file that a row or a label can hold.

use hyaline_model::Symbols;

use super::constants::text;
use super::proto::{AttributeProto, GraphProto, TensorProto};
use crate::{ImportError, ImportOptions};

/// Attributes whose texts name variants of an operator and never meet a row.
const VARIANTS: &[&str] = &[
    "activations",
    "aggregate_function",
    "body",
    "direction",
    "kernel_type",
    "metric",
    "mode",
    "nodes_modes",
    "norm",
    "post_transform",
    "reduction",
];

/// Every text of constants, keys, categories and labels, and the empty text, which stands for a missing one.
///
/// # Errors
/// [`ImportError::Invalid`] when one is not UTF-8.
pub(super) fn collect(graph: &GraphProto, options: &ImportOptions) -> Result<Symbols, ImportError> {
    let mut texts = vec![String::new()];
    texts.extend(options.labels.iter().cloned());
    for tensor in &graph.initializer {
        of_tensor(tensor, &mut texts).map_err(|reason| {
            ImportError::invalid(format!("ONNX initializer `{}`", tensor.name), reason)
        })?;
    }
    for node in &graph.node {
        if matches!(node.op_type.as_str(), "LabelEncoder" | "CategoryMapper") {
            texts.push(super::ml::DEFAULT_TEXT.to_owned());
        }
        for attribute in node
            .attribute
            .iter()
            .filter(|attribute| !VARIANTS.contains(&attribute.name.as_str()))
        {
            of_attribute(attribute, &mut texts).map_err(|reason| {
                ImportError::invalid(
                    super::node::place(node, 0),
                    format!("attribute `{}`: {reason}", attribute.name),
                )
            })?;
        }
    }
    Ok(Symbols::new(texts))
}

fn of_attribute(attribute: &AttributeProto, texts: &mut Vec<String>) -> Result<(), String> {
    if let Some(tensor) = &attribute.t {
        of_tensor(tensor, texts)?;
    }
    if !attribute.s.is_empty() {
        texts.push(text(&attribute.s)?.to_owned());
    }
    for bytes in &attribute.strings {
        texts.push(text(bytes)?.to_owned());
    }
    Ok(())
}

fn of_tensor(tensor: &TensorProto, texts: &mut Vec<String>) -> Result<(), String> {
    for bytes in &tensor.string_data {
        texts.push(text(bytes)?.to_owned());
    }
    Ok(())
}
