//! One tree ensemble in place of several whose answers are added up (bagging, voting, an ensemble split into parts).

use hyaline_model::graph::dense::{Cast, Squeeze};
use hyaline_model::graph::{Graph, GraphNode, GraphParts, Op, ValueId};
use hyaline_model::trees::{Aggregate, EnsembleParts, Leaf, Node, Split, Test, TreeEnsemble, Weight};
use hyaline_model::{Data, ElementType, Tensor};

use super::core::numbers;

/// Rows that check what the others suggest.
const CHECKS: usize = 8;

/// Most margins of all estimators together.
const MAX_MARGINS: usize = 256;

/// A graph with one ensemble, and where its answers are.
pub(super) struct Merged {
    pub(super) graph: Graph,
    pub(super) wanted: Vec<ValueId>,
    /// How many ensembles became one.
    pub(super) estimators: usize,
}

/// An affine function of the margins of several estimators: `offset + Σ coefficients[margin] · margin`, per output.
struct Affine {
    offset: Vec<f64>,
    /// `[outputs][margins]`
    coefficients: Vec<Vec<f64>>,
    shape: Vec<usize>,
    element_type: ElementType,
}

/// Looks for the last value that is an affine function of the margins of all tree ensembles and decides the first of
/// `wanted` alone, and makes it of one ensemble. `None` where there is none, or the ensembles read different matrices.
pub(super) fn merge(graph: &Graph, wanted: &[ValueId]) -> Option<Merged> {
    let nodes = &graph.parts().nodes;
    let mut estimators = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        match &node.op {
            Op::Trees(trees) if matches!(trees.parts().aggregate, Aggregate::Sum | Aggregate::Average) => {
                estimators.push((index, trees));
            }
            Op::Trees(_) | Op::Linear(_) => return None,
            _ => {}
        }
    }
    let margins: usize = estimators.iter().map(|(_, trees)| trees.outputs()).sum();
    let operand = nodes[estimators.first()?.0].inputs[0];
    let same = estimators.iter().all(|&(index, _)| nodes[index].inputs[0] == operand);
    if estimators.len() < 2 || !same || margins > MAX_MARGINS {
        return None;
    }
    let (probes, given) = probes(graph, &estimators, margins)?;
    let (place, value, affine) = (0..nodes.len()).rev().find_map(|place| {
        let value = graph.outputs_of(place).next().filter(|_| nodes[place].outputs == 1)?;
        let made = graph.run_from(&given, &[value]).ok()?.pop()?;
        let affine = affine(&probes, margins, &made)?;
        graph.run_from(&[(value, made)], &wanted[..1]).ok()?;
        Some((place, value, affine))
    })?;
    if estimators.iter().any(|&(index, _)| index >= place) {
        return None;
    }
    let ensembles: Vec<&TreeEnsemble> = estimators.iter().map(|(_, trees)| *trees).collect();
    let ensemble = TreeEnsemble::new(add_up(&ensembles, &affine)).ok()?;
    let (parts, wanted) = replace(graph.parts(), place, value, operand, ensemble, &affine, wanted);
    let graph = Graph::new(parts).ok()?;
    Some(Merged { graph, wanted, estimators: estimators.len() })
}

type Given = Vec<(ValueId, Tensor)>;

/// Margins to try: zeros, each one alone, and [`CHECKS`] mixed rows; by row, and as the estimators' values.
fn probes(graph: &Graph, estimators: &[(usize, &TreeEnsemble)], margins: usize) -> Option<(Vec<Vec<f64>>, Given)> {
    let mut rows = vec![vec![0.0; margins]];
    for margin in 0..margins {
        let mut row = vec![0.0; margins];
        row[margin] = 1.0;
        rows.push(row);
    }
    for check in 0..CHECKS {
        rows.push((0..margins).map(|margin| ((check * 31 + margin * 17 + 5) % 23) as f64 / 4.0 - 2.5).collect());
    }
    let mut given = Vec::new();
    let mut first = 0;
    for &(index, trees) in estimators {
        let outputs = trees.outputs();
        let own = rows.iter().flat_map(|row| row[first..first + outputs].iter().copied()).collect();
        given.push((graph.outputs_of(index).next()?, Tensor::new(vec![rows.len(), outputs], Data::F64(own))?));
        first += outputs;
    }
    Some((rows, given))
}

/// The affine function that `made` is of the probed margins; `None` when it is none, or of fewer than two.
fn affine(probes: &[Vec<f64>], margins: usize, made: &Tensor) -> Option<Affine> {
    let rows = probes.len();
    let float = matches!(made.element_type(), ElementType::F32 | ElementType::F64);
    if !float || made.shape().first() != Some(&rows) || made.shape().len() > 2 {
        return None;
    }
    let values = numbers(made)?;
    let outputs = values.len() / rows;
    let offset = values.get(..outputs).filter(|offset| !offset.is_empty())?.to_vec();
    let coefficients: Vec<Vec<f64>> = (0..outputs)
        .map(|output| (0..margins).map(|margin| values[(margin + 1) * outputs + output] - offset[output]).collect())
        .collect();
    let used = (0..margins).filter(|&margin| coefficients.iter().any(|own| own[margin] != 0.0)).count();
    let holds = probes.iter().enumerate().all(|(row, probe)| {
        (0..outputs).all(|output| {
            let terms = probe.iter().zip(&coefficients[output]).map(|(x, c)| x * c);
            let expected = offset[output] + terms.sum::<f64>();
            (values[row * outputs + output] - expected).abs() <= 1e-5 * (1.0 + expected.abs())
        })
    });
    let shape = made.shape().to_vec();
    (holds && used >= 2).then(|| Affine { offset, coefficients, shape, element_type: made.element_type() })
}

/// The ensembles' trees side by side, their leaves scaled.
fn add_up(ensembles: &[&TreeEnsemble], affine: &Affine) -> EnsembleParts {
    let outputs = affine.offset.len();
    let mut sum = EnsembleParts {
        columns: ensembles[0].columns() as u32,
        outputs: outputs as u32,
        roots: Vec::new(),
        nodes: Vec::new(),
        weights: Vec::new(),
        sets: Vec::new(),
        covers: ensembles.iter().all(|ensemble| ensemble.parts().covers.is_some()).then(Vec::new),
        base: affine.offset.clone(),
        aggregate: Aggregate::Sum,
    };
    let mut first_margin = 0;
    for ensemble in ensembles {
        let parts = ensemble.parts();
        let scale = if parts.aggregate == Aggregate::Average { 1.0 / parts.roots.len() as f64 } else { 1.0 };
        let (first_node, first_set) = (sum.nodes.len() as u32, sum.sets.len() as u32);
        sum.roots.extend(parts.roots.iter().map(|root| root + first_node));
        for node in &parts.nodes {
            let node = match *node {
                Node::Split(split) => Node::Split(Split {
                    test: match split.test {
                        Test::Member(set) => Test::Member(set + first_set),
                        Test::TruncatedMember(set) => Test::TruncatedMember(set + first_set),
                        test => test,
                    },
                    yes: split.yes + first_node,
                    no: split.no + first_node,
                    ..split
                }),
                Node::Leaf(leaf) => {
                    let own = &parts.weights[leaf.first as usize..][..leaf.count as usize];
                    let first = sum.weights.len() as u32;
                    for (output, coefficients) in affine.coefficients.iter().enumerate() {
                        let terms = own.iter().map(|weight| weight.value * coefficients[first_margin + weight.output as usize]);
                        let value = scale * terms.sum::<f64>();
                        if value != 0.0 {
                            sum.weights.push(Weight { output: output as u32, value });
                        }
                    }
                    Node::Leaf(Leaf { first, count: sum.weights.len() as u32 - first })
                }
            };
            sum.nodes.push(node);
        }
        sum.sets.extend(parts.sets.iter().cloned());
        if let (Some(covers), Some(own)) = (&mut sum.covers, &parts.covers) {
            covers.extend(own);
        }
        for (base, coefficients) in sum.base.iter_mut().zip(&affine.coefficients) {
            *base += parts.base.iter().zip(&coefficients[first_margin..]).map(|(x, c)| x * c).sum::<f64>();
        }
        first_margin += ensemble.outputs();
    }
    sum
}

/// The graph with `ensemble` behind node `place`, read instead of `value`, and without what nothing needs any more.
fn replace(
    parts: &GraphParts,
    place: usize,
    value: ValueId,
    operand: Option<ValueId>,
    ensemble: TreeEnsemble,
    affine: &Affine,
    wanted: &[ValueId],
) -> (GraphParts, Vec<ValueId>) {
    let mut inserted = vec![GraphNode { name: "trees".to_owned(), op: ensemble.into(), inputs: vec![operand], outputs: 1 }];
    let mut append = |name: &str, op: Op| {
        let operand = ValueId(value.0 + inserted.len() as u32);
        inserted.push(GraphNode { name: name.to_owned(), op, inputs: vec![Some(operand)], outputs: 1 });
    };
    if affine.shape.len() == 1 {
        append("answer", Squeeze { axes: Some(vec![1]) }.into());
    }
    append("precision", Cast { to: affine.element_type }.into());
    let shift = inserted.len() as u32;
    // Values up to `value` keep their place, `value` itself is read from the last of the inserted nodes.
    let moved = |id: ValueId| if id.0 >= value.0 { ValueId(id.0 + shift) } else { id };
    let mut nodes: Vec<GraphNode> = parts.nodes[..=place].to_vec();
    nodes.extend(inserted);
    for node in &parts.nodes[place + 1..] {
        let inputs = node.inputs.iter().map(|input| input.map(moved)).collect();
        nodes.push(GraphNode { inputs, ..node.clone() });
    }
    let wanted: Vec<ValueId> = wanted.iter().copied().map(moved).collect();
    prune(GraphParts { inputs: parts.inputs.clone(), constants: parts.constants.clone(), nodes }, &wanted)
}

/// The graph without constants and nodes that `wanted` does not need, and the wanted values in it.
fn prune(parts: GraphParts, wanted: &[ValueId]) -> (GraphParts, Vec<ValueId>) {
    let inputs = parts.inputs.len();
    let first_made = inputs + parts.constants.len();
    let values = first_made + parts.nodes.iter().map(|node| node.outputs as usize).sum::<usize>();
    let mut needed = vec![false; values];
    wanted.iter().for_each(|id| needed[id.0 as usize] = true);
    let mut end = values;
    for node in parts.nodes.iter().rev() {
        let outputs = end - node.outputs as usize..end;
        end = outputs.start;
        if needed[outputs.clone()].contains(&true) {
            needed[outputs].fill(true);
            node.inputs.iter().flatten().for_each(|id| needed[id.0 as usize] = true);
        }
    }
    needed[..inputs].fill(true);
    let mut next = 0;
    let ids: Vec<u32> = needed
        .iter()
        .map(|&needed| {
            let id = next;
            next += u32::from(needed);
            id
        })
        .collect();
    let renumbered = |id: ValueId| ValueId(ids[id.0 as usize]);
    let mut made = first_made;
    let mut nodes = Vec::new();
    for node in parts.nodes {
        let first = made;
        made += node.outputs as usize;
        if node.outputs > 0 && needed[first] {
            let inputs = node.inputs.iter().map(|input| input.map(renumbered)).collect();
            nodes.push(GraphNode { inputs, ..node });
        }
    }
    let constants = parts.constants.into_iter().zip(&needed[inputs..]).filter(|(_, needed)| **needed).map(|(c, _)| c).collect();
    (GraphParts { inputs: parts.inputs, constants, nodes }, wanted.iter().copied().map(renumbered).collect())
}
