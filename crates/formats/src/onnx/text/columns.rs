//! Which columns of the file's inputs are free text: those that an operator on text looks into.

use std::collections::{BTreeMap, BTreeSet};

use hyaline_model::graph::dense::Concat;

use super::super::builder::{Builder, Value};
use super::super::node::Node;
use super::super::proto::{GraphProto, NodeProto, TensorProto};
use super::recognises;
use crate::ImportError;

/// Operators that hand text on as it is.
const CARRIERS: &[&str] = &[
    "Concat",
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// The columns of each input that are free text.
#[derive(Debug, Default)]
pub(in crate::onnx) struct FreeText<'a> {
    /// `None`: all of them.
    columns: BTreeMap<&'a str, Option<BTreeSet<i64>>>,
}

/// An input whose columns are of several kinds: one value `[rows, 1]` for each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Columns {
    /// By position in the input.
    pub(in crate::onnx) values: Vec<Value>,
}

impl<'a> FreeText<'a> {
    /// Follows the operands of operators on text back to the inputs.
    pub(in crate::onnx) fn of(graph: &'a GraphProto) -> FreeText<'a> {
        let makers: BTreeMap<&str, &NodeProto> = graph
            .node
            .iter()
            .flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)))
            .collect();
        let constants: BTreeMap<&str, &TensorProto> = graph
            .initializer
            .iter()
            .map(|tensor| (tensor.name.as_str(), tensor))
            .collect();
        let mut found = FreeText::default();
        let mut seen = BTreeSet::new();
        let mut open: Vec<(&str, Option<Vec<i64>>)> = graph
            .node
            .iter()
            .filter(|node| recognises(&node.op_type) && !counts_integers(node))
            .filter_map(|node| Some((node.input.first()?.as_str(), None)))
            .collect();
        while let Some((name, columns)) = open.pop() {
            if !seen.insert((name, columns.clone())) {
                continue;
            }
            let Some(maker) = makers.get(name) else {
                found.add(name, columns);
                continue;
            };
            let operands = maker.input.iter().map(String::as_str);
            match maker.op_type.as_str() {
                "ArrayFeatureExtractor" | "Gather" => {
                    let positions = maker
                        .input
                        .get(1)
                        .and_then(|name| integers(constants.get(name.as_str())?));
                    let columns = match (columns, positions) {
                        (None, positions) => positions,
                        (Some(columns), Some(positions)) => columns
                            .iter()
                            .map(|&at| positions.get(usize::try_from(at).ok()?).copied())
                            .collect(),
                        (columns, None) => columns,
                    };
                    open.extend(operands.take(1).map(|operand| (operand, columns.clone())));
                }
                op if CARRIERS.contains(&op) => {
                    open.extend(operands.map(|operand| (operand, columns.clone())));
                }
                op if recognises(op) => {
                    open.extend(operands.take(1).map(|operand| (operand, None)))
                }
                _ => {}
            }
        }
        found
    }

    fn add(&mut self, input: &'a str, columns: Option<Vec<i64>>) {
        let entry = self
            .columns
            .entry(input)
            .or_insert_with(|| Some(BTreeSet::new()));
        match (entry, columns) {
            (Some(known), Some(columns)) => known.extend(columns),
            (entry, None) => *entry = None,
            (None, _) => {}
        }
    }

    /// For an input of `width` columns, whether each is free text.
    pub(in crate::onnx) fn kinds(&self, input: &str, width: usize) -> Vec<bool> {
        match self.columns.get(input) {
            None => vec![false; width],
            Some(None) => vec![true; width],
            Some(Some(columns)) => (0..width as i64)
                .map(|column| columns.contains(&column))
                .collect(),
        }
    }
}

impl Columns {
    /// The columns that an `ArrayFeatureExtractor` or `Gather` picks, side by side.
    ///
    /// # Errors
    /// [`ImportError::Unsupported`] when the operator is another, or it picks columns of several kinds.
    pub(in crate::onnx) fn pick(
        &self,
        node: &Node<'_>,
        graph: &mut Builder,
    ) -> Result<Value, ImportError> {
        let positions = match node.op() {
            "ArrayFeatureExtractor" | "Gather" => node
                .optional(1)
                .and_then(|value| graph.constant_of(value))
                .and_then(|tensor| match tensor.data() {
                    hyaline_model::Data::I64(positions) if !tensor.shape().is_empty() => {
                        Some(positions.clone())
                    }
                    _ => None,
                }),
            _ => None,
        };
        let positions = positions.ok_or_else(|| {
            node.unsupported(
                "an input with free text beside categories; give the model each text column as an input of its own",
            )
        })?;
        let picked: Vec<Option<Value>> = positions
            .iter()
            .map(|&at| {
                let value = usize::try_from(at).ok().and_then(|at| self.values.get(at));
                value
                    .copied()
                    .map(Some)
                    .ok_or_else(|| node.invalid(format!("column {at} of {}", self.values.len())))
            })
            .collect::<Result<_, _>>()?;
        Ok(graph.push_many(node, Concat { axis: 1 }, &picked, 1)?[0])
    }
}

fn counts_integers(node: &NodeProto) -> bool {
    node.attribute
        .iter()
        .any(|attribute| attribute.name == "pool_int64s" && !attribute.ints.is_empty())
}

/// The integers of a constant, where they are stored as such.
fn integers(tensor: &TensorProto) -> Option<Vec<i64>> {
    if tensor.data_type != 7 {
        return None;
    }
    if tensor.raw_data.is_empty() {
        return Some(tensor.int64_data.clone());
    }
    let (words, _) = tensor.raw_data.as_chunks::<8>();
    Some(words.iter().map(|&word| i64::from_le_bytes(word)).collect())
}
