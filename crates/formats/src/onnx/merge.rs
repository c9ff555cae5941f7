//! One estimator in place of several of its kind whose answers are added up (bagging, voting, an ensemble split into
//! parts).

use hyaline_model::graph::dense::Concat;
use hyaline_model::graph::{Graph, GraphNode, Linear, Op, ValueId};
use hyaline_model::trees::{
    Aggregate, EnsembleParts, Leaf, Node, Split, Test, TreeEnsemble, Weight,
};
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

/// An estimator among several.
struct Member<'a> {
    /// Place in the graph.
    node: usize,
    op: &'a Op,
    outputs: usize,
    columns: usize,
    operand: ValueId,
}

/// Looks for the last value that is an affine function of the margins of all estimators and decides the first of `wanted`
/// alone, and makes it of one estimator, which reads the matrices of all side by side; comes back with a note of what
/// became one. `None` where there is no such value, or the estimators are of different kinds.
pub(super) fn merge(graph: &Graph, wanted: &[ValueId]) -> Option<(Rewritten, String)> {
    let nodes = &graph.parts().nodes;
    let mut members = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let (outputs, columns) = match &node.op {
            Op::Trees(trees)
                if matches!(trees.parts().aggregate, Aggregate::Sum | Aggregate::Average) =>
            {
                (trees.outputs(), trees.columns())
            }
            Op::Trees(_) => return None,
            Op::Linear(linear) => (linear.outputs(), linear.columns()),
            _ => continue,
        };
        members.push(Member {
            node: index,
            op: &node.op,
            outputs,
            columns,
            operand: node.inputs[0]?,
        });
    }
    let margins: usize = members.iter().map(|member| member.outputs).sum();
    if members.len() < 2 || margins > MAX_MARGINS {
        return None;
    }
    let (probes, given) = probes(graph, &members, margins)?;
    let (place, affine) = (0..nodes.len()).rev().find_map(|node| {
        let place = Place::of(graph, node)?;
        let made = graph.run_from(&given, &[place.value]).ok()?.pop()?;
        let affine = affine(&probes, margins, &made)?;
        graph.run_from(&[(place.value, made)], &wanted[..1]).ok()?;
        Some((place, affine))
    })?;
    if members.iter().any(|member| member.node >= place.node) {
        return None;
    }
    let matrices = Matrices::of(&members);
    let (kind, sum) = match members[0].op {
        Op::Trees(_) => (
            "tree ensembles",
            Op::from(TreeEnsemble::new(add_up_trees(&members, &matrices, &affine)?).ok()?),
        ),
        _ => (
            "linear models",
            Op::from(add_up_linear(&members, &matrices, &affine)?),
        ),
    };
    let rewritten = rewrite::replace(
        graph,
        place,
        stand_in(sum, &matrices, place, &affine),
        wanted,
    )?;
    Some((
        rewritten,
        format!(
            "{} {kind} whose answers are added up became one",
            members.len()
        ),
    ))
}

/// The matrices that estimators read, side by side.
struct Matrices {
    /// Each once.
    operands: Vec<ValueId>,
    /// The first column of each member's matrix.
    first: Vec<usize>,
    columns: usize,
}

impl Matrices {
    fn of(members: &[Member<'_>]) -> Matrices {
        let mut matrices = Matrices {
            operands: Vec::new(),
            first: Vec::new(),
            columns: 0,
        };
        for (index, member) in members.iter().enumerate() {
            let known = members[..index]
                .iter()
                .position(|other| other.operand == member.operand);
            matrices
                .first
                .push(known.map_or(matrices.columns, |other| matrices.first[other]));
            if known.is_none() {
                matrices.operands.push(member.operand);
                matrices.columns += member.columns;
            }
        }
        matrices
    }
}

type Given = Vec<(ValueId, Tensor)>;

/// Margins to try: zeros, each one alone, and [`CHECKS`] mixed rows; by row, and as the estimators' values.
fn probes(graph: &Graph, members: &[Member<'_>], margins: usize) -> Option<(Vec<Vec<f64>>, Given)> {
    let mut rows = vec![vec![0.0; margins]];
    for margin in 0..margins {
        let mut row = vec![0.0; margins];
        row[margin] = 1.0;
        rows.push(row);
    }
    for check in 0..CHECKS {
        rows.push(
            (0..margins)
                .map(|margin| ((check * 31 + margin * 17 + 5) % 23) as f64 / 4.0 - 2.5)
                .collect(),
        );
    }
    let mut given = Vec::new();
    let mut first = 0;
    for &Member { node, outputs, .. } in members {
        let own = rows
            .iter()
            .flat_map(|row| row[first..first + outputs].iter().copied())
            .collect();
        given.push((
            graph.outputs_of(node).next()?,
            Tensor::new(vec![rows.len(), outputs], Data::F64(own))?,
        ));
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
    let offset = values
        .get(..outputs)
        .filter(|offset| !offset.is_empty())?
        .to_vec();
    let coefficients: Vec<Vec<f64>> = (0..outputs)
        .map(|output| {
            (0..margins)
                .map(|margin| values[(margin + 1) * outputs + output] - offset[output])
                .collect()
        })
        .collect();
    let used = (0..margins)
        .filter(|&margin| coefficients.iter().any(|own| own[margin] != 0.0))
        .count();
    let holds = probes.iter().enumerate().all(|(row, probe)| {
        (0..outputs).all(|output| {
            let terms = probe.iter().zip(&coefficients[output]).map(|(x, c)| x * c);
            let expected = offset[output] + terms.sum::<f64>();
            (values[row * outputs + output] - expected).abs() <= 1e-5 * (1.0 + expected.abs())
        })
    });
    let shape = made.shape().to_vec();
    (holds && used >= 2).then(|| Affine {
        offset,
        coefficients,
        shape,
        element_type: made.element_type(),
    })
}

/// The ensembles' trees side by side, their leaves scaled; `None` unless all are ensembles.
fn add_up_trees(
    members: &[Member<'_>],
    matrices: &Matrices,
    affine: &Affine,
) -> Option<EnsembleParts> {
    let outputs = affine.offset.len();
    let ensembles = members.iter().map(|member| {
        if let Op::Trees(trees) = member.op {
            Some(trees)
        } else {
            None
        }
    });
    let ensembles: Vec<&TreeEnsemble> = ensembles.collect::<Option<_>>()?;
    let mut sum = EnsembleParts {
        columns: u32::try_from(matrices.columns).ok()?,
        outputs: outputs as u32,
        roots: Vec::new(),
        nodes: Vec::new(),
        weights: Vec::new(),
        sets: Vec::new(),
        covers: ensembles
            .iter()
            .all(|ensemble| ensemble.parts().covers.is_some())
            .then(Vec::new),
        base: affine.offset.clone(),
        aggregate: Aggregate::Sum,
    };
    let mut first_margin = 0;
    for (ensemble, &first_column) in ensembles.into_iter().zip(&matrices.first) {
        let parts = ensemble.parts();
        let scale = if parts.aggregate == Aggregate::Average {
            1.0 / parts.roots.len() as f64
        } else {
            1.0
        };
        let (first_node, first_set) = (sum.nodes.len() as u32, sum.sets.len() as u32);
        sum.roots
            .extend(parts.roots.iter().map(|root| root + first_node));
        for node in &parts.nodes {
            let node = match *node {
                Node::Split(split) => Node::Split(Split {
                    column: split.column + first_column as u32,
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
                        let terms = own.iter().map(|weight| {
                            weight.value * coefficients[first_margin + weight.output as usize]
                        });
                        let value = scale * terms.sum::<f64>();
                        if value != 0.0 {
                            sum.weights.push(Weight {
                                output: output as u32,
                                value,
                            });
                        }
                    }
                    Node::Leaf(Leaf {
                        first,
                        count: sum.weights.len() as u32 - first,
                    })
                }
            };
            sum.nodes.push(node);
        }
        sum.sets.extend(parts.sets.iter().cloned());
        if let (Some(covers), Some(own)) = (&mut sum.covers, &parts.covers) {
            covers.extend(own);
        }
        for (base, coefficients) in sum.base.iter_mut().zip(&affine.coefficients) {
            *base += parts
                .base
                .iter()
                .zip(&coefficients[first_margin..])
                .map(|(x, c)| x * c)
                .sum::<f64>();
        }
        first_margin += ensemble.outputs();
    }
    Some(sum)
}

/// The linear models' weights side by side, scaled; `None` unless all are linear.
fn add_up_linear(members: &[Member<'_>], matrices: &Matrices, affine: &Affine) -> Option<Linear> {
    let mut weights = vec![0.0; matrices.columns * affine.offset.len()];
    let mut intercept = affine.offset.clone();
    let mut first_margin = 0;
    for (member, &first_column) in members.iter().zip(&matrices.first) {
        let Op::Linear(linear) = member.op else {
            return None;
        };
        for (output, coefficients) in affine.coefficients.iter().enumerate() {
            let sums = &mut weights[output * matrices.columns + first_column..][..member.columns];
            for (own, coefficient) in coefficients[first_margin..][..member.outputs]
                .iter()
                .enumerate()
            {
                intercept[output] += coefficient * linear.intercept()[own];
                sums.iter_mut()
                    .zip(linear.weights(own))
                    .for_each(|(sum, weight)| *sum += coefficient * weight);
            }
        }
        first_margin += member.outputs;
    }
    Linear::new(u32::try_from(matrices.columns).ok()?, weights, intercept).ok()
}

/// The estimator reading `matrices`, and what makes its margins look like the value they stand for.
fn stand_in(estimator: Op, matrices: &Matrices, place: Place, affine: &Affine) -> Vec<GraphNode> {
    let node = |name: &str, op: Op, operands: &[ValueId]| GraphNode {
        name: name.to_owned(),
        op,
        inputs: operands.iter().copied().map(Some).collect(),
        outputs: 1,
    };
    let mut nodes = match matrices.operands[..] {
        [operand] => vec![node("sum", estimator, &[operand])],
        ref operands => {
            vec![
                node("columns", Concat { axis: 1 }.into(), operands),
                node("sum", estimator, &[place.inserted(0)]),
            ]
        }
    };
    rewrite::finish(
        &mut nodes,
        place,
        affine.shape.len() == 1,
        affine.element_type,
    );
    nodes
}
