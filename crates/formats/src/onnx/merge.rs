//! One tree ensemble in place of several whose answers are added up (bagging, voting, an ensemble split into parts).

use hyaline_model::graph::{Graph, GraphNode, Op, ValueId};
use hyaline_model::trees::{Aggregate, EnsembleParts, Leaf, Node, Split, Test, TreeEnsemble, Weight};
use hyaline_model::{Data, ElementType, Tensor};

use super::core::numbers;
use super::rewrite::{self, Place, Rewritten};

/// Rows that check what the others suggest.
const CHECKS: usize = 8;

/// Most margins of all estimators together.
const MAX_MARGINS: usize = 256;

/// An affine function of the margins of several estimators: `offset + Σ coefficients[margin] · margin`, per output.
struct Affine {
    offset: Vec<f64>,
    /// `[outputs][margins]`
    coefficients: Vec<Vec<f64>>,
    shape: Vec<usize>,
    element_type: ElementType,
}

/// Looks for the last value that is an affine function of the margins of all tree ensembles and decides the first of
/// `wanted` alone, and makes it of one ensemble; comes back with the number of ensembles that were. `None` where there is
/// no such value, or the ensembles read different matrices.
pub(super) fn merge(graph: &Graph, wanted: &[ValueId]) -> Option<(Rewritten, usize)> {
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
    let (place, affine) = (0..nodes.len()).rev().find_map(|node| {
        let place = Place::of(graph, node)?;
        let made = graph.run_from(&given, &[place.value]).ok()?.pop()?;
        let affine = affine(&probes, margins, &made)?;
        graph.run_from(&[(place.value, made)], &wanted[..1]).ok()?;
        Some((place, affine))
    })?;
    if estimators.iter().any(|&(index, _)| index >= place.node) {
        return None;
    }
    let ensembles: Vec<&TreeEnsemble> = estimators.iter().map(|(_, trees)| *trees).collect();
    let ensemble = TreeEnsemble::new(add_up(&ensembles, &affine)).ok()?;
    let rewritten = rewrite::replace(graph, place, stand_in(ensemble, operand, place, &affine), wanted)?;
    Some((rewritten, estimators.len()))
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

/// The ensemble reading `operand`, and what makes its margins look like the value they stand for.
fn stand_in(ensemble: TreeEnsemble, operand: Option<ValueId>, place: Place, affine: &Affine) -> Vec<GraphNode> {
    let mut nodes = vec![GraphNode { name: "trees".to_owned(), op: ensemble.into(), inputs: vec![operand], outputs: 1 }];
    rewrite::finish(&mut nodes, place, affine.shape.len() == 1, affine.element_type);
    nodes
}
