//! The evaluation graph: the model's operators in topological order, run on a whole batch at a time.
//!
//! Importers translate their format's operators into [`Op`]s. Strings are [`crate::Symbol`]s, sequences and maps are
//! gone (`ZipMap` is the head's business), and every attribute has been checked when the operator was built.

pub mod dense;
mod dependence;
mod gradient;
mod linear;
pub mod ml;
#[cfg(feature = "neural")]
pub mod neural;
mod op;
pub(crate) mod operator;
pub mod text;

use borsh::{BorshDeserialize, BorshSerialize};

pub use dependence::{Dependence, FeatureSet, dependences};
pub use gradient::{Gradient, GradientError};
pub use linear::Linear;
pub use op::Op;

use crate::{Batch, Column, Data, ElementType, Tensor, Tensors};

/// A value of a graph: inputs come first, then constants, then the nodes' outputs in node order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct ValueId(pub u32);

/// An input tensor `[rows, features]` made from consecutive features of the batch.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GraphInput {
    /// The importer's name for it.
    pub name: String,
    /// Element type; [`ElementType::Symbol`] takes category features, all others take numbers.
    pub element_type: ElementType,
    /// First feature of the batch.
    pub first_feature: u32,
    /// How many features.
    pub features: u32,
    /// Whether the tensor is `[rows]` instead of `[rows, 1]`; only with one feature.
    pub flat: bool,
    /// Extents of one row of a tensor feature: the tensor is `[rows, extents…]`. Only with one feature; `None` for all
    /// other features.
    pub extents: Option<Vec<u32>>,
}

/// One operator and its place in the graph.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct GraphNode {
    /// The importer's name for it, for error texts.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// Its operands; `None` where an optional one is absent.
    pub inputs: Vec<Option<ValueId>>,
    /// How many values it makes.
    pub outputs: u32,
}

/// A graph as an importer made it, not yet checked.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct GraphParts {
    /// Inputs, covering the features in order.
    pub inputs: Vec<GraphInput>,
    /// Constants.
    pub constants: Vec<Tensor>,
    /// Operators, each after those it uses.
    pub nodes: Vec<GraphNode>,
}

/// Most values of one graph.
const MAX_VALUES: u32 = 1 << 20;

/// Why parts are no graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("graph: {0}")]
pub struct GraphError(pub String);

/// Why a graph refused the rows it was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("operator `{node}`: {reason}")]
pub struct EvalError {
    /// The node's name.
    pub node: String,
    /// What it could not take, with the value seen and what was expected.
    pub reason: String,
}

/// A checked graph: operands exist before they are used, and every operator has the number of them it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    parts: GraphParts,
    /// First value of each node, and one past the last value of all.
    first_output: Vec<u32>,
    /// The last node that reads each value; 0 where none does.
    last_reader: Vec<u32>,
}

impl Graph {
    /// Checks order and arity.
    ///
    /// # Errors
    /// [`GraphError`] naming the first input or node that breaks a rule.
    pub fn new(parts: GraphParts) -> Result<Graph, GraphError> {
        let mut feature = 0u32;
        for input in &parts.inputs {
            if input.first_feature != feature
                || input.features == 0
                || ((input.flat || input.extents.is_some()) && input.features != 1)
            {
                return Err(GraphError(format!(
                    "input `{}` takes {} features from {}, expected to start at {feature}",
                    input.name, input.features, input.first_feature
                )));
            }
            feature = feature
                .checked_add(input.features)
                .ok_or_else(|| GraphError("more features than fit 32 bits".to_owned()))?;
        }
        let mut next = (parts.inputs.len() + parts.constants.len()) as u32;
        let mut first_output = Vec::with_capacity(parts.nodes.len() + 1);
        for node in &parts.nodes {
            if let Some(operand) = node
                .inputs
                .iter()
                .flatten()
                .find(|operand| operand.0 >= next)
            {
                return Err(GraphError(format!(
                    "node `{}` uses value {} before it exists",
                    node.name, operand.0
                )));
            }
            let present: Vec<bool> = node.inputs.iter().map(Option::is_some).collect();
            node.op
                .check_arity(&present, node.outputs)
                .map_err(|reason| {
                    GraphError(format!(
                        "node `{}` ({}): {reason}",
                        node.name,
                        node.op.name()
                    ))
                })?;
            first_output.push(next);
            next = next
                .checked_add(node.outputs)
                .ok_or_else(|| GraphError("more values than fit 32 bits".to_owned()))?;
        }
        first_output.push(next);
        if next > MAX_VALUES {
            return Err(GraphError(format!("{next} values exceed {MAX_VALUES}")));
        }
        let mut last_reader = vec![0; next as usize];
        for (index, node) in parts.nodes.iter().enumerate() {
            for id in node.inputs.iter().flatten() {
                last_reader[id.0 as usize] = index as u32;
            }
        }
        Ok(Graph {
            parts,
            first_output,
            last_reader,
        })
    }

    /// The checked parts.
    pub fn parts(&self) -> &GraphParts {
        &self.parts
    }

    /// Gives the parts back.
    pub fn into_parts(self) -> GraphParts {
        self.parts
    }

    /// The name of the first operator that only the neural engine has; `None` when the tabular engine runs the graph.
    pub fn neural_operator(&self) -> Option<&'static str> {
        let mut nodes = self.parts.nodes.iter();
        nodes
            .find(|node| node.op.is_neural())
            .map(|node| node.op.name())
    }

    /// How many values there are.
    pub fn values(&self) -> usize {
        self.first_output[self.parts.nodes.len()] as usize
    }

    /// How many features of a batch the inputs take.
    pub fn features(&self) -> usize {
        self.parts
            .inputs
            .iter()
            .map(|input| input.features as usize)
            .sum()
    }

    /// The values that node `node` makes.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn outputs_of(&self, node: usize) -> impl Iterator<Item = ValueId> + use<> {
        (self.first_output[node]..self.first_output[node + 1]).map(ValueId)
    }

    /// Computes the values `wanted`, running only the nodes they need.
    ///
    /// # Errors
    /// [`EvalError`] when an operator refuses its operands (an unseen category under a strict encoder, say).
    ///
    /// # Panics
    /// If `batch` is of another schema or a wanted value does not exist.
    pub fn run(&self, batch: &Batch, wanted: &[ValueId]) -> Result<Vec<Tensor>, EvalError> {
        let mut values: Vec<Option<Tensor>> = vec![None; self.values()];
        let needed = self.needed(wanted);
        for (index, input) in self.parts.inputs.iter().enumerate() {
            if needed[index] {
                values[index] = Some(assemble(input, batch));
            }
        }
        self.complete(values, wanted)
    }

    /// Computes the values `wanted` from `given` ones, running only the nodes between them.
    ///
    /// # Errors
    /// [`EvalError`] when an operator refuses its operands, or something wanted depends on an input that is not given.
    ///
    /// # Panics
    /// If a given or wanted value does not exist.
    pub fn run_from(
        &self,
        given: &[(ValueId, Tensor)],
        wanted: &[ValueId],
    ) -> Result<Vec<Tensor>, EvalError> {
        let mut values: Vec<Option<Tensor>> = vec![None; self.values()];
        for (id, tensor) in given {
            values[id.0 as usize] = Some(tensor.clone());
        }
        self.complete(values, wanted)
    }

    /// Runs the nodes whose values are wanted and not there yet.
    fn complete(
        &self,
        mut values: Vec<Option<Tensor>>,
        wanted: &[ValueId],
    ) -> Result<Vec<Tensor>, EvalError> {
        let needed = self.needed_beyond(wanted, |index| values[index].is_some());
        let mut kept = vec![false; self.values()];
        for id in wanted {
            kept[id.0 as usize] = true;
        }
        self.fill(&mut values, &needed, &kept)?;
        let mut results = Vec::with_capacity(wanted.len());
        for (position, id) in wanted.iter().enumerate() {
            // Moved out where nobody asks for it again.
            let again = wanted[position + 1..].contains(id);
            let found = if again {
                None
            } else {
                values[id.0 as usize].take()
            };
            let found = found.or_else(|| self.value(*id, &values).cloned());
            results.push(found.ok_or_else(|| EvalError {
                node: format!("value {}", id.0),
                reason: "it is an input that is not given".to_owned(),
            })?);
        }
        Ok(results)
    }

    /// All needed values of a batch.
    fn run_all(&self, batch: &Batch, needed: &[bool]) -> Result<Vec<Option<Tensor>>, EvalError> {
        let mut values: Vec<Option<Tensor>> = vec![None; self.values()];
        for (index, input) in self.parts.inputs.iter().enumerate() {
            if needed[index] {
                values[index] = Some(assemble(input, batch));
            }
        }
        self.fill(&mut values, needed, needed)?;
        Ok(values)
    }

    /// Runs the nodes that make a needed value which is not there yet. A value that is not `kept` goes when the last node
    /// that reads it has run.
    fn fill(
        &self,
        values: &mut [Option<Tensor>],
        needed: &[bool],
        kept: &[bool],
    ) -> Result<(), EvalError> {
        let mut operands: Vec<Option<&Tensor>> = Vec::new();
        for (index, node) in self.parts.nodes.iter().enumerate() {
            let outputs = self.first_output[index] as usize..self.first_output[index + 1] as usize;
            if !outputs
                .clone()
                .any(|output| needed[output] && values[output].is_none())
            {
                continue;
            }
            let fail = |reason: String| EvalError {
                node: node.name.clone(),
                reason,
            };
            operands.clear();
            for input in &node.inputs {
                operands.push(match input {
                    None => None,
                    Some(id) => Some(
                        self.value(*id, values)
                            .ok_or_else(|| fail(format!("value {} is not given", id.0)))?,
                    ),
                });
            }
            let made = node.op.evaluate(&operands).map_err(fail)?;
            if made.len() != outputs.len() {
                return Err(fail(format!(
                    "{} values came out, expected {}",
                    made.len(),
                    outputs.len()
                )));
            }
            operands = recycle(operands);
            for (slot, tensor) in outputs.zip(made) {
                if values[slot].is_none() {
                    values[slot] = Some(tensor);
                }
            }
            for id in node.inputs.iter().flatten().map(|id| id.0 as usize) {
                if self.last_reader[id] == index as u32 && !kept[id] {
                    values[id] = None;
                }
            }
        }
        Ok(())
    }

    fn value<'a>(&'a self, id: ValueId, values: &'a [Option<Tensor>]) -> Option<&'a Tensor> {
        let index = id.0 as usize;
        match index.checked_sub(self.parts.inputs.len()) {
            Some(constant) if constant < self.parts.constants.len() => {
                Some(&self.parts.constants[constant])
            }
            _ => values[index].as_ref(),
        }
    }

    /// Which values have to be computed for `wanted`.
    pub(crate) fn needed(&self, wanted: &[ValueId]) -> Vec<bool> {
        self.needed_beyond(wanted, |_| false)
    }

    /// Which values have to be computed for `wanted` when some are there already.
    fn needed_beyond(&self, wanted: &[ValueId], there: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut needed = vec![false; self.values()];
        for id in wanted {
            needed[id.0 as usize] = true;
        }
        for (index, node) in self.parts.nodes.iter().enumerate().rev() {
            let mut outputs =
                self.first_output[index] as usize..self.first_output[index + 1] as usize;
            if outputs.any(|output| needed[output] && !there(output)) {
                for operand in node.inputs.iter().flatten() {
                    needed[operand.0 as usize] = true;
                }
            }
        }
        needed
    }
}

/// The emptied list, so that one allocation serves all nodes.
fn recycle<'a>(mut operands: Vec<Option<&Tensor>>) -> Vec<Option<&'a Tensor>> {
    operands.clear();
    operands.into_iter().map(|_| None).collect()
}

/// The input tensor `input` of a batch.
fn assemble(input: &GraphInput, batch: &Batch) -> Tensor {
    let width = input.features as usize;
    let first = input.first_feature as usize;
    let columns = &batch.columns()[first..first + width];
    if let [Column::Tensors(tensors)] = columns {
        return assemble_tensors(input, tensors);
    }
    let shape = if input.flat {
        vec![batch.rows()]
    } else {
        vec![batch.rows(), width]
    };
    let data = match input.element_type {
        ElementType::F32 => {
            let columns: Vec<&[f64]> = columns.iter().map(numbers).collect();
            Data::F32(hyaline_kernels::interleave(&columns, batch.rows()))
        }
        ElementType::F64 => Data::F64(interleave(columns, batch.rows(), |x| x)),
        ElementType::I64 => Data::I64(interleave(columns, batch.rows(), |x| x as i64)),
        ElementType::Bool => Data::Bool(interleave(columns, batch.rows(), |x| x != 0.0)),
        ElementType::Symbol => {
            let mut symbols = Vec::with_capacity(width * batch.rows());
            for row in 0..batch.rows() {
                for column in columns {
                    match column {
                        Column::Symbols(values) => symbols.push(values[row]),
                        _ => panic!("the batch is of another schema: categories expected"),
                    }
                }
            }
            Data::Symbol(symbols)
        }
        ElementType::Text => {
            let mut texts = Vec::with_capacity(width * batch.rows());
            for row in 0..batch.rows() {
                for column in columns {
                    match column {
                        Column::Texts(values) => texts.push(values[row].clone()),
                        _ => panic!("the batch is of another schema: texts expected"),
                    }
                }
            }
            Data::Text(texts)
        }
    };
    Tensor::new(shape, data).expect("the columns have the batch's rows")
}

/// A tensor feature as the graph takes it.
fn assemble_tensors(input: &GraphInput, tensors: &Tensors) -> Tensor {
    let mut shape = vec![tensors.rows()];
    shape.extend(
        input
            .extents
            .iter()
            .flatten()
            .map(|&extent| extent as usize),
    );
    let values = tensors.values();
    let data = match input.element_type {
        ElementType::F32 => Data::F32(values.to_vec()),
        ElementType::F64 => Data::F64(values.iter().map(|&x| f64::from(x)).collect()),
        ElementType::I64 => Data::I64(values.iter().map(|&x| x as i64).collect()),
        ElementType::Bool => Data::Bool(values.iter().map(|&x| x != 0.0).collect()),
        ElementType::Symbol | ElementType::Text => {
            panic!("the batch is of another schema: text expected")
        }
    };
    Tensor::new(shape, data).expect("the schema and the graph agree on the extents")
}

fn numbers(column: &Column) -> &[f64] {
    match column {
        Column::Numbers(numbers) => numbers,
        _ => panic!("the batch is of another schema: numbers expected"),
    }
}

fn interleave<T>(columns: &[Column], rows: usize, convert: impl Fn(f64) -> T) -> Vec<T> {
    let mut values = Vec::with_capacity(columns.len() * rows);
    for row in 0..rows {
        for column in columns {
            values.push(convert(numbers(column)[row]));
        }
    }
    values
}

impl BorshSerialize for Graph {
    fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
        self.parts.serialize(writer)
    }
}

impl BorshDeserialize for Graph {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        Graph::new(GraphParts::deserialize_reader(reader)?).map_err(|error| {
            borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error.to_string())
        })
    }
}
