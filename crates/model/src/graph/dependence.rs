//! Which raw features each element of a value depends on: what decides whether an estimator behind preprocessing can be
//! explained exactly per raw feature.
//!
//! A few example rows go through the graph, and beside every value goes the provenance of each of its elements.

use std::collections::{BTreeMap, BTreeSet};

use super::operator::Flow;
use super::{EvalError, Graph, GraphNode, ValueId};
use crate::{Batch, Data, Tensor};

/// A set of raw features (positions in the schema).
pub type FeatureSet = BTreeSet<u32>;

/// What a `[rows, columns]` value of the graph depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// The same for every row.
    Constant,
    /// Each row from the same row of the batch: the features of each column.
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

/// What an element depends on: features of rows of the example batch, as an index into [`Origins::sets`].
type Origin = u32;

/// The distinct sets of (row, feature), the empty one first.
struct Origins {
    sets: Vec<BTreeSet<(u32, u32)>>,
    known: BTreeMap<BTreeSet<(u32, u32)>, Origin>,
    unions: BTreeMap<(Origin, Origin), Origin>,
}

const NOTHING: Origin = 0;

impl Origins {
    fn new() -> Origins {
        let empty = BTreeSet::new();
        Origins {
            sets: vec![empty.clone()],
            known: BTreeMap::from([(empty, NOTHING)]),
            unions: BTreeMap::new(),
        }
    }

    fn intern(&mut self, set: BTreeSet<(u32, u32)>) -> Origin {
        *self.known.entry(set.clone()).or_insert_with(|| {
            self.sets.push(set);
            (self.sets.len() - 1) as Origin
        })
    }

    fn union(&mut self, a: Origin, b: Origin) -> Origin {
        if a == b || b == NOTHING {
            return a;
        }
        if a == NOTHING {
            return b;
        }
        let pair = (a.min(b), a.max(b));
        if let Some(&known) = self.unions.get(&pair) {
            return known;
        }
        let set = self.sets[a as usize]
            .union(&self.sets[b as usize])
            .copied()
            .collect();
        let union = self.intern(set);
        self.unions.insert(pair, union);
        union
    }

    fn all(&mut self, origins: &[Origin]) -> Origin {
        let distinct: BTreeSet<Origin> = origins.iter().copied().collect();
        distinct
            .into_iter()
            .fold(NOTHING, |union, origin| self.union(union, origin))
    }
}

/// The dependence of each of `wanted`, found by sending `examples` through the graph.
///
/// Two examples or more are needed to tell rows apart; they must be rows the graph takes.
///
/// # Errors
/// [`EvalError`] when the graph refuses the examples.
///
/// # Panics
/// If `examples` is of another schema or a wanted value does not exist.
pub fn dependences(
    graph: &Graph,
    examples: &Batch,
    wanted: &[ValueId],
) -> Result<Vec<Dependence>, EvalError> {
    let parts = graph.parts();
    let needed = graph.needed(wanted);
    let mut all: Vec<ValueId> = (0..graph.values() as u32).map(ValueId).collect();
    all.retain(|id| needed[id.0 as usize]);
    let mut tensors: Vec<Option<Tensor>> = vec![None; graph.values()];
    for (id, tensor) in all.iter().zip(graph.run(examples, &all)?) {
        tensors[id.0 as usize] = Some(tensor);
    }
    let mut origins = Origins::new();
    let mut known: Vec<Vec<Origin>> = vec![Vec::new(); graph.values()];
    for (index, input) in parts.inputs.iter().enumerate() {
        for row in 0..examples.rows() as u32 {
            for feature in input.first_feature..input.first_feature + input.features {
                known[index].push(origins.intern(BTreeSet::from([(row, feature)])));
            }
        }
    }
    for (index, tensor) in tensors
        .iter()
        .enumerate()
        .skip(parts.inputs.len())
        .take(parts.constants.len())
    {
        known[index] = vec![NOTHING; tensor.as_ref().map_or(0, |tensor| tensor.data().len())];
    }
    for (index, node) in parts.nodes.iter().enumerate() {
        let made: Vec<ValueId> = graph.outputs_of(index).collect();
        if !made.iter().any(|id| needed[id.0 as usize]) {
            continue;
        }
        let operands: Vec<Option<Operand<'_>>> = node
            .inputs
            .iter()
            .map(|id| {
                let id = id.as_ref()?.0 as usize;
                Some(Operand {
                    tensor: tensors[id].as_ref()?,
                    origins: &known[id],
                })
            })
            .collect();
        let mut results = Vec::new();
        for (output, id) in made.iter().enumerate() {
            // A value nobody wants was not kept; the others tell its provenance.
            results.push(match &tensors[id.0 as usize] {
                Some(result) => through(node, output, result, &operands, &mut origins),
                None => Vec::new(),
            });
        }
        for (id, result) in made.iter().zip(results) {
            known[id.0 as usize] = result;
        }
    }
    Ok(wanted
        .iter()
        .map(|id| {
            summary(
                tensors[id.0 as usize].as_ref(),
                &known[id.0 as usize],
                &origins,
                examples.rows(),
            )
        })
        .collect())
}

/// An operand with the provenance of its elements.
#[derive(Clone, Copy)]
struct Operand<'a> {
    tensor: &'a Tensor,
    origins: &'a [Origin],
}

/// The provenance of the elements of `result`, output `output` of `node`.
fn through(
    node: &GraphNode,
    output: usize,
    result: &Tensor,
    operands: &[Option<Operand<'_>>],
    origins: &mut Origins,
) -> Vec<Origin> {
    let elements = result.data().len();
    let found = match node.op.flow() {
        Flow::Shape => Some(vec![NOTHING; elements]),
        Flow::Elementwise => elementwise(result.shape(), operands, origins),
        Flow::Moves(movers) => moved(
            node,
            output,
            operands,
            movers.unwrap_or(operands.len()),
            origins,
        ),
        Flow::Expands => expanded(elements, operands),
        Flow::Rows => by_rows(result.shape(), operands, origins),
        Flow::Product => product(result.shape(), operands, origins)
            .or_else(|| by_rows(result.shape(), operands, origins)),
        Flow::All => None,
    };
    found
        .filter(|found| found.len() == elements)
        .unwrap_or_else(|| {
            let everything = operands.iter().flatten().fold(NOTHING, |union, operand| {
                let own = origins.all(operand.origins);
                origins.union(union, own)
            });
            vec![everything; elements]
        })
}

fn elementwise(
    shape: &[usize],
    operands: &[Option<Operand<'_>>],
    origins: &mut Origins,
) -> Option<Vec<Origin>> {
    let mut union = vec![NOTHING; shape.iter().product()];
    for operand in operands.iter().flatten() {
        let own = super::dense::broadcast_to(operand.tensor.shape(), operand.origins, shape)?;
        for (union, own) in union.iter_mut().zip(own) {
            *union = origins.union(*union, own);
        }
    }
    Some(union)
}

/// Runs the operator on origins instead of values.
fn moved(
    node: &GraphNode,
    output: usize,
    operands: &[Option<Operand<'_>>],
    movers: usize,
    origins: &mut Origins,
) -> Option<Vec<Origin>> {
    let mut stand_ins = Vec::with_capacity(operands.len());
    let mut chosen_by = NOTHING;
    for (index, operand) in operands.iter().enumerate() {
        stand_ins.push(match operand {
            None => None,
            Some(operand) if index < movers => {
                let ids = operand
                    .origins
                    .iter()
                    .map(|&origin| i64::from(origin))
                    .collect();
                Some(Tensor::new(
                    operand.tensor.shape().to_vec(),
                    Data::I64(ids),
                )?)
            }
            Some(operand) => {
                let own = origins.all(operand.origins);
                chosen_by = origins.union(chosen_by, own);
                Some(operand.tensor.clone())
            }
        });
    }
    if chosen_by != NOTHING {
        return None;
    }
    let borrowed: Vec<Option<&Tensor>> = stand_ins.iter().map(Option::as_ref).collect();
    match node.op.evaluate(&borrowed).ok()?.get(output)?.data() {
        Data::I64(ids) => Some(ids.iter().map(|&id| id as Origin).collect()),
        _ => None,
    }
}

fn expanded(elements: usize, operands: &[Option<Operand<'_>>]) -> Option<Vec<Origin>> {
    let first = operands.first().copied().flatten()?.origins;
    if first.is_empty() || !elements.is_multiple_of(first.len()) {
        return None;
    }
    let factor = elements / first.len();
    Some(
        first
            .iter()
            .flat_map(|&origin| std::iter::repeat_n(origin, factor))
            .collect(),
    )
}

fn by_rows(
    shape: &[usize],
    operands: &[Option<Operand<'_>>],
    origins: &mut Origins,
) -> Option<Vec<Origin>> {
    let rows = *shape.first()?;
    if rows == 0 {
        return None;
    }
    let mut union = vec![NOTHING; rows];
    for operand in operands.iter().flatten() {
        if operand.origins.iter().all(|&origin| origin == NOTHING) {
            continue;
        }
        if operand.tensor.shape().first() != Some(&rows) {
            return None;
        }
        for (union, own) in union
            .iter_mut()
            .zip(operand.origins.chunks_exact(operand.origins.len() / rows))
        {
            let own = origins.all(own);
            *union = origins.union(*union, own);
        }
    }
    let per_row = shape.iter().skip(1).product();
    Some(
        union
            .into_iter()
            .flat_map(|origin| std::iter::repeat_n(origin, per_row))
            .collect(),
    )
}

/// A product with a constant matrix: a column depends on those whose factor is not 0.
fn product(
    shape: &[usize],
    operands: &[Option<Operand<'_>>],
    origins: &mut Origins,
) -> Option<Vec<Origin>> {
    let (a, b) = (
        operands.first().copied().flatten()?,
        operands.get(1).copied().flatten()?,
    );
    let (&[m, n], &[_, k], &[_, _]) = (shape, a.tensor.shape(), b.tensor.shape()) else {
        return None;
    };
    let constant = operands
        .iter()
        .skip(1)
        .flatten()
        .all(|operand| operand.origins.iter().all(|&origin| origin == NOTHING));
    if !constant {
        return None;
    }
    let weights = super::operator::as_f64(b.tensor).ok()?;
    let mut result = vec![NOTHING; m * n];
    for row in 0..m {
        for column in 0..n {
            let mut union = NOTHING;
            for inner in 0..k {
                // An infinite or missing number times 0 is not 0, but no linear model is asked to explain that.
                if weights[inner * n + column] != 0.0 {
                    union = origins.union(union, a.origins[row * k + inner]);
                }
            }
            result[row * n + column] = union;
        }
    }
    Some(result)
}

fn summary(
    tensor: Option<&Tensor>,
    elements: &[Origin],
    origins: &Origins,
    rows: usize,
) -> Dependence {
    let features = |origins: &mut dyn Iterator<Item = &BTreeSet<(u32, u32)>>| -> FeatureSet {
        origins.flatten().map(|&(_, feature)| feature).collect()
    };
    let sets = || {
        elements
            .iter()
            .map(|&origin| &origins.sets[origin as usize])
    };
    if sets().all(BTreeSet::is_empty) {
        return Dependence::Constant;
    }
    let shape = tensor.map_or(&[][..], Tensor::shape);
    let columns: usize = shape.iter().skip(1).product();
    let own_rows_only = shape.first() == Some(&rows)
        && columns > 0
        && sets()
            .enumerate()
            .all(|(at, set)| set.iter().all(|&(row, _)| row as usize == at / columns));
    if !own_rows_only {
        return Dependence::Mixed(features(&mut sets()));
    }
    Dependence::Columns(
        (0..columns)
            .map(|column| features(&mut sets().skip(column).step_by(columns)))
            .collect(),
    )
}
