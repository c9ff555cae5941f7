//! ONNX: protobuf, operators of ai.onnx and ai.onnx.ml, inputs and outputs.
//!
//! [`read`] goes through the nodes in file order. To add an operator: give `hyaline-model` the operator, then add an arm
//! to the `lower` of its domain (`dense` for ai.onnx, `ml` and `trees` for ai.onnx.ml) that reads the attributes from
//! the [`node::Node`] and pushes operators into the [`builder::Builder`], which checks types and folds constants.

mod affine;
mod builder;
mod constants;
mod core;
mod dense;
mod exponential;
mod fuse;
mod head;
mod inputs;
mod link;
mod merge;
mod ml;
mod neural;
mod node;
mod pairwise;
mod proto;
mod rewrite;
mod text;
mod texts;
mod trees;

use std::collections::BTreeMap;

use hyaline_model::Symbols;
use prost::Message;

use crate::{ImportError, ImportOptions, Imported};
use builder::{Builder, Value};
use head::Bound;
use node::Node;
use proto::{GraphProto, ModelProto, NodeProto};

/// Whether `bytes` may be an ONNX file: a protobuf that starts with the IR version or another field of a `ModelProto`.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    // Fields 1 to 8, 14, 20 and 25 as varint or length-delimited.
    matches!(
        bytes.first(),
        Some(0x08 | 0x28 | 0x12 | 0x1a | 0x22 | 0x32 | 0x3a | 0x42 | 0x72)
    )
}

/// Reads an ONNX file.
///
/// # Errors
/// [`ImportError`] naming the operator, its domain, version and node.
pub(crate) fn read(bytes: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    let model = ModelProto::decode(bytes)
        .map_err(|error| ImportError::invalid("ONNX file", format!("damaged protobuf: {error}")))?;
    let graph = model
        .graph
        .as_ref()
        .ok_or_else(|| ImportError::invalid("ONNX file", "it has no graph"))?;
    let symbols = texts::collect(graph, options)?;
    let mut builder = Builder::default();
    let mut bound = BTreeMap::new();
    let inputs = inputs::read(&model, graph, options, &mut builder, &mut bound)?;
    initializers(graph, &symbols, &mut builder, &mut bound)?;
    for proto in &graph.node {
        lower(proto, &model, &symbols, &mut builder, &mut bound)?;
    }
    let (answer, mut notes) = head::read(graph, &bound, &mut builder, &symbols, options)?;
    notes.splice(0..0, inputs.notes.iter().cloned());
    core::finish(builder, inputs, answer, symbols, notes)
}

fn initializers(
    graph: &GraphProto,
    symbols: &Symbols,
    builder: &mut Builder,
    bound: &mut BTreeMap<String, Bound>,
) -> Result<(), ImportError> {
    for proto in &graph.initializer {
        let tensor = constants::tensor(proto, symbols).map_err(|reason| {
            ImportError::unsupported(
                format!("ONNX initializer `{}`", shorten(&proto.name)),
                reason,
            )
        })?;
        let value = builder.constant(tensor);
        builder.set_limits(value, proto.data_type);
        bound.insert(proto.name.clone(), Bound::Value(value));
    }
    Ok(())
}

/// Adds what `proto` does and binds its outputs' names.
fn lower(
    proto: &NodeProto,
    model: &ModelProto,
    symbols: &Symbols,
    builder: &mut Builder,
    bound: &mut BTreeMap<String, Bound>,
) -> Result<(), ImportError> {
    let domain = if proto.domain == "ai.onnx" {
        ""
    } else {
        proto.domain.as_str()
    };
    let version = model
        .opset_import
        .iter()
        .find(|set| set.domain == domain || (domain.is_empty() && set.domain == "ai.onnx"))
        .map_or(1, |set| set.version);
    let mut operands = Vec::with_capacity(proto.input.len());
    let mut structured = None;
    for name in &proto.input {
        operands.push(match bound.get(name) {
            _ if name.is_empty() => None,
            Some(Bound::Value(value)) => Some(*value),
            Some(other) => {
                structured = Some(other.clone());
                None
            }
            None => {
                return Err(ImportError::invalid(
                    node::place(proto, version),
                    format!(
                        "it uses `{}`, which no input, constant or earlier operator makes",
                        shorten(name)
                    ),
                ));
            }
        });
    }
    let node = Node {
        proto,
        version,
        operands,
        symbols,
    };
    let made: Vec<Bound> = match (domain, node.op(), structured) {
        ("ai.onnx.ml", "ZipMap", None) => vec![head::zip_map(&node)?],
        ("ai.onnx.ml", "DictVectorizer", Some(Bound::Dictionary(keys))) => {
            vec![Bound::Value(inputs::vectorize(&node, &keys)?)]
        }
        ("", "Identity", Some(other)) => vec![other],
        ("ai.onnx.ml" | "", _, Some(Bound::Columns(columns))) => {
            vec![Bound::Value(columns.pick(&node, builder)?)]
        }
        (_, _, Some(_)) => return Err(node.unsupported("an operand that is a map or a sequence")),
        ("", "SequenceConstruct", None) => {
            return Err(node.unsupported("several answers per row; export one model per answer"));
        }
        ("", ..) => values(dense::lower(&node, builder)?),
        (
            "ai.onnx.ml",
            "TreeEnsemble" | "TreeEnsembleClassifier" | "TreeEnsembleRegressor",
            None,
        ) => values(trees::lower(&node, builder)?),
        ("ai.onnx.ml", ..) => values(ml::lower(&node, builder)?),
        ("com.microsoft", "Tokenizer", None) => values(text::lower(&node, builder)?),
        ("com.microsoft", "CDist", None) => values(pairwise::lower_cdist(&node, builder)?),
        _ => return Err(node.unsupported("an operator of a domain that is not known here")),
    };
    for (name, made) in proto.output.iter().zip(made) {
        if !name.is_empty() && bound.insert(name.clone(), made).is_some() {
            return Err(node.invalid(format!("`{}` is made twice", shorten(name))));
        }
    }
    Ok(())
}

fn values(values: Vec<Value>) -> Vec<Bound> {
    values.into_iter().map(Bound::Value).collect()
}

/// A name out of the file, short enough for an error text.
fn shorten(name: &str) -> String {
    if name.chars().count() <= 80 {
        name.to_owned()
    } else {
        name.chars().take(77).chain("...".chars()).collect()
    }
}
