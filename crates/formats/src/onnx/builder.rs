//! Grows the evaluation graph node by node: types are checked, constants folded and no-ops left out on the way.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hyaline_model::graph::dense::{Cast, Identity};
use hyaline_model::graph::{GraphInput, GraphNode, GraphParts, Op, ValueId};
use hyaline_model::{Data, ElementType, Label, Symbol, Symbols, Tensor};

use super::node::Node;
use super::proto::NodeProto;
use crate::ImportError;

/// A value of the graph under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    /// An input, by position.
    Input(u32),
    /// A constant, by position.
    Constant(u32),
    /// An output of a node: node, output.
    Made(u32, u32),
}

#[derive(Debug)]
struct Made {
    name: String,
    op: Op,
    operands: Vec<Option<Value>>,
    types: Vec<ElementType>,
    samples: Vec<Option<Tensor>>,
}

/// Most elements that all constants and samples of one file may have together.
const MAX_ELEMENTS: usize = 1 << 25;

/// Rows of a sample.
pub(super) const SAMPLE_ROWS: usize = 2;

/// The graph under construction.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    inputs: Vec<GraphInput>,
    input_samples: Vec<Tensor>,
    elements: usize,
    constants: Vec<Tensor>,
    nodes: Vec<Made>,
    labels: BTreeMap<Value, Vec<Label>>,
    limits: BTreeMap<Value, (i64, i64)>,
    /// Whether the file was made for exactly one row.
    pub(super) one_row: bool,
}

impl Builder {
    /// A further input.
    pub(crate) fn input(&mut self, input: GraphInput) -> Value {
        let width = input.features as usize;
        let mut shape = vec![SAMPLE_ROWS];
        match &input.extents {
            Some(extents) => shape.extend(extents.iter().map(|&extent| extent as usize)),
            None if input.flat => {}
            None => shape.push(width),
        }
        let elements = shape.iter().product();
        let data = match input.element_type {
            ElementType::F32 => Data::F32(vec![1.0; elements]),
            ElementType::F64 => Data::F64(vec![1.0; elements]),
            ElementType::I64 => Data::I64(vec![1; elements]),
            ElementType::Bool => Data::Bool(vec![true; elements]),
            ElementType::Symbol => Data::Symbol(vec![Symbol::UNKNOWN; elements]),
            ElementType::Text => Data::Text(vec!["text".to_owned(); elements]),
        };
        self.input_samples
            .push(Tensor::new(shape, data).expect("one element per row and feature"));
        self.inputs.push(input);
        Value::Input((self.inputs.len() - 1) as u32)
    }

    /// A constant.
    pub(crate) fn constant(&mut self, tensor: Tensor) -> Value {
        self.constants.push(tensor);
        Value::Constant((self.constants.len() - 1) as u32)
    }

    /// The tensor of a constant; `None` when the value depends on an input.
    pub(crate) fn constant_of(&self, value: Value) -> Option<&Tensor> {
        match value {
            Value::Constant(index) => Some(&self.constants[index as usize]),
            _ => None,
        }
    }

    /// What the value is for two rows of no meaning: tells its shape. `None` when the graph does not take such rows.
    pub(crate) fn sample(&self, value: Value) -> Option<&Tensor> {
        match value {
            Value::Input(index) => self.input_samples.get(index as usize),
            Value::Constant(index) => self.constants.get(index as usize),
            Value::Made(node, output) => self.nodes[node as usize]
                .samples
                .get(output as usize)?
                .as_ref(),
        }
    }

    /// Columns of a `[rows, columns]` value.
    ///
    /// # Errors
    /// [`ImportError::Unsupported`] when the value has another shape, or its shape is not known.
    pub(crate) fn columns(&self, node: &Node<'_>, value: Value) -> Result<u32, ImportError> {
        match self.sample(value).map(Tensor::shape) {
            Some(&[_, columns]) => Ok(columns as u32),
            Some(shape) => Err(node.unsupported(format!(
                "an operand of shape {shape:?} for two rows, expected a matrix"
            ))),
            None => {
                Err(node
                    .unsupported("an operand whose number of columns depends on the row's values"))
            }
        }
    }

    /// Type of a value's elements.
    pub(crate) fn element_type(&self, value: Value) -> ElementType {
        match value {
            Value::Input(index) => self.inputs[index as usize].element_type,
            Value::Constant(index) => self.constants[index as usize].element_type(),
            Value::Made(node, output) => self.nodes[node as usize].types[output as usize],
        }
    }

    /// Remembers the smallest and largest integer of a constant's type, which is held as wider integers.
    pub(crate) fn set_limits(&mut self, constant: Value, data_type: i32) {
        let limits = match data_type {
            2 => (0, 255),
            3 => (-128, 127),
            4 => (0, 65_535),
            5 => (-32_768, 32_767),
            _ => return,
        };
        self.limits.insert(constant, limits);
    }

    /// What [`Builder::set_limits`] remembers.
    pub(crate) fn limits(&self, constant: Value) -> Option<(i64, i64)> {
        self.limits.get(&constant).copied()
    }

    /// Says which labels `value` takes, in score order: what a classifier operator knows of its label output.
    pub(crate) fn set_labels(&mut self, value: Value, labels: Vec<Label>) {
        self.labels.insert(value, labels);
    }

    /// What [`Builder::set_labels`] said.
    pub(crate) fn labels(&self, value: Value) -> Option<&[Label]> {
        self.labels.get(&value).map(Vec::as_slice)
    }

    /// The operator that makes `value` and its operands; `None` for inputs and constants.
    pub(crate) fn maker(&self, value: Value) -> Option<(&Op, &[Option<Value>])> {
        match value {
            Value::Made(node, _) => {
                let node = &self.nodes[node as usize];
                Some((&node.op, &node.operands))
            }
            _ => None,
        }
    }

    /// Adds an operator with one output.
    ///
    /// # Errors
    /// As [`Builder::push_many`].
    pub(crate) fn push(
        &mut self,
        node: &Node<'_>,
        op: impl Into<Op>,
        operands: &[Value],
    ) -> Result<Value, ImportError> {
        let operands: Vec<Option<Value>> = operands.iter().copied().map(Some).collect();
        Ok(self.push_many(node, op, &operands, 1)?[0])
    }

    /// Adds an operator, or what comes to the same: nothing for a no-op, a constant for constant operands.
    ///
    /// # Errors
    /// [`ImportError::Unsupported`] when the operator does not take operands of these types,
    /// [`ImportError::Invalid`] when it does not take these constants.
    pub(crate) fn push_many(
        &mut self,
        node: &Node<'_>,
        op: impl Into<Op>,
        operands: &[Option<Value>],
        outputs: u32,
    ) -> Result<Vec<Value>, ImportError> {
        let op = op.into();
        let operand_types: Vec<Option<ElementType>> = operands
            .iter()
            .map(|operand| operand.map(|value| self.element_type(value)))
            .collect();
        let types = op
            .element_types(&operand_types, outputs)
            .map_err(|reason| node.unsupported(reason))?;
        if let Some(Some(same)) = operands.first() {
            let nothing_to_do = match &op {
                Op::Identity(Identity) => true,
                Op::Cast(Cast { to }) => Some(Some(*to)) == operand_types.first().copied(),
                Op::Concat(_) => operands.len() == 1,
                op => {
                    operand_types[0].is_some()
                        && self.leaves_alone(op, *same, operands.get(1).copied().flatten())
                }
            };
            if nothing_to_do {
                return Ok(vec![*same]);
            }
        }
        let constants: Option<Vec<Option<&Tensor>>> = operands
            .iter()
            .map(|operand| match operand {
                None => Some(None),
                Some(value) => self.constant_of(*value).map(Some),
            })
            .collect();
        if let Some(constants) = constants.filter(|_| !operands.is_empty()) {
            let made = op
                .apply(&constants, outputs)
                .map_err(|reason| node.invalid(reason))?;
            made.iter()
                .try_for_each(|tensor| self.account(node, tensor))?;
            return Ok(made
                .into_iter()
                .map(|tensor| self.constant(tensor))
                .collect());
        }
        let samples = self.try_out(node, &op, operands, outputs)?;
        let name = if node.proto.name.is_empty() {
            node.proto.output.first()
        } else {
            Some(&node.proto.name)
        };
        self.nodes.push(Made {
            name: name.cloned().unwrap_or_default(),
            op,
            operands: operands.to_vec(),
            types,
            samples,
        });
        let index = (self.nodes.len() - 1) as u32;
        Ok((0..outputs)
            .map(|output| Value::Made(index, output))
            .collect())
    }

    /// Whether a change of shape changes nothing, however many rows there are.
    fn leaves_alone(&self, op: &Op, operand: Value, other: Option<Value>) -> bool {
        let Some(&[rows, ref per_row @ ..]) = self.sample(operand).map(Tensor::shape) else {
            return false;
        };
        let constant = other.and_then(|value| self.constant_of(value));
        match (
            op,
            constant.map(|constant| (constant.shape(), constant.data())),
        ) {
            (Op::Reshape(_), Some((_, Data::I64(shape)))) => {
                let same = shape
                    .iter()
                    .skip(1)
                    .map(|&extent| usize::try_from(extent).ok())
                    .eq(per_row.iter().map(|&extent| Some(extent)));
                rows == SAMPLE_ROWS && shape.first() == Some(&-1) && same
            }
            (Op::Flatten(flatten), None) => flatten.axis == 1 && per_row.len() == 1,
            (Op::Gather(gather), Some(([_], Data::I64(indices)))) => {
                matches!(gather.axis, 1 | -1)
                    && matches!(*per_row, [width] if indices.iter().copied().eq(0..width as i64))
            }
            _ => false,
        }
    }

    /// Adds an operator that is not in the file, behind its answer.
    ///
    /// # Errors
    /// When the operator does not take the operand.
    pub(crate) fn answer(
        &mut self,
        name: &str,
        op: impl Into<Op>,
        operands: &[Value],
    ) -> Result<Value, String> {
        let proto = NodeProto {
            name: name.to_owned(),
            op_type: name.to_owned(),
            ..NodeProto::default()
        };
        let node = Node {
            proto: &proto,
            version: 1,
            operands: Vec::new(),
            symbols: &Symbols::default(),
        };
        self.push(&node, op, operands)
            .map_err(|error| error.to_string())
    }

    /// Runs the operator on its operands' samples.
    fn try_out(
        &mut self,
        node: &Node<'_>,
        op: &Op,
        operands: &[Option<Value>],
        outputs: u32,
    ) -> Result<Vec<Option<Tensor>>, ImportError> {
        let mut samples = Vec::with_capacity(operands.len());
        for operand in operands {
            samples.push(match operand {
                None => None,
                Some(value) => match self.sample(*value) {
                    Some(sample) => Some(known_values(op, sample)),
                    None => return Ok(vec![None; outputs as usize]),
                },
            });
        }
        let borrowed: Vec<Option<&Tensor>> = samples.iter().map(Option::as_deref).collect();
        match op.apply(&borrowed, outputs) {
            Ok(made) => {
                made.iter()
                    .try_for_each(|tensor| self.account(node, tensor))?;
                Ok(made.into_iter().map(Some).collect())
            }
            Err(_) => Ok(vec![None; outputs as usize]),
        }
    }

    /// Counts the elements of a tensor that import itself made.
    fn account(&mut self, node: &Node<'_>, tensor: &Tensor) -> Result<(), ImportError> {
        self.elements = self.elements.saturating_add(tensor.data().len());
        if self.elements > MAX_ELEMENTS {
            return Err(node.unsupported(format!(
                "values of more than {MAX_ELEMENTS} elements for two rows"
            )));
        }
        Ok(())
    }

    /// The graph of what `wanted` needs (inputs are all kept), and the identifiers of the wanted values in it.
    pub(crate) fn finish(self, wanted: &[Value]) -> (GraphParts, Vec<ValueId>) {
        let mut live_nodes = vec![false; self.nodes.len()];
        let mut live_constants = vec![false; self.constants.len()];
        let mut stack: Vec<Value> = wanted.to_vec();
        while let Some(value) = stack.pop() {
            match value {
                Value::Input(_) => {}
                Value::Constant(index) => live_constants[index as usize] = true,
                Value::Made(node, _) if live_nodes[node as usize] => {}
                Value::Made(node, _) => {
                    live_nodes[node as usize] = true;
                    stack.extend(self.nodes[node as usize].operands.iter().flatten());
                }
            }
        }
        let mut next = self.inputs.len() as u32;
        let mut constant_ids = vec![0; self.constants.len()];
        let mut constants = Vec::new();
        for (index, tensor) in self.constants.into_iter().enumerate() {
            if live_constants[index] {
                constant_ids[index] = next;
                next += 1;
                constants.push(tensor);
            }
        }
        let mut node_ids = vec![0; self.nodes.len()];
        let id = |value: Value, node_ids: &[u32]| match value {
            Value::Input(index) => ValueId(index),
            Value::Constant(index) => ValueId(constant_ids[index as usize]),
            Value::Made(node, output) => ValueId(node_ids[node as usize] + output),
        };
        let mut nodes = Vec::new();
        for (index, node) in self.nodes.into_iter().enumerate() {
            if live_nodes[index] {
                let inputs = node
                    .operands
                    .iter()
                    .map(|operand| operand.map(|value| id(value, &node_ids)))
                    .collect();
                node_ids[index] = next;
                let outputs = node.types.len() as u32;
                next += outputs;
                nodes.push(GraphNode {
                    name: node.name,
                    op: node.op,
                    inputs,
                    outputs,
                });
            }
        }
        let ids = wanted.iter().map(|&value| id(value, &node_ids)).collect();
        (
            GraphParts {
                inputs: self.inputs,
                constants,
                nodes,
            },
            ids,
        )
    }
}

/// The sample with values that the operator knows, so that a strict encoder takes it.
fn known_values<'a>(op: &Op, sample: &'a Tensor) -> Cow<'a, Tensor> {
    let (symbol, integer) = match op {
        Op::OneHotEncoder(encoder) => (
            encoder.known_symbols().first().copied(),
            encoder.known_integers().first().copied(),
        ),
        Op::LabelEncoder(encoder) => (encoder.known_symbols().next(), None),
        _ => (None, None),
    };
    let data = match (sample.data(), symbol, integer) {
        (Data::Symbol(values), Some(known), _) => Data::Symbol(vec![known; values.len()]),
        (Data::I64(values), _, Some(known)) => Data::I64(vec![known; values.len()]),
        (Data::F32(values), _, Some(known)) => Data::F32(vec![known as f32; values.len()]),
        (Data::F64(values), _, Some(known)) => Data::F64(vec![known as f64; values.len()]),
        _ => return Cow::Borrowed(sample),
    };
    Cow::Owned(Tensor::new(sample.shape().to_vec(), data).expect("the shape is kept"))
}
