//! The factor in front of an exponential, as part of the margin.

use hyaline_model::graph::dense::Unary;
use hyaline_model::graph::{Graph, GraphNode, Linear, Op, ValueId};
use hyaline_model::trees::{EnsembleParts, TreeEnsemble};
use hyaline_model::{Data, ElementType, Tensor};

use super::core::numbers;
use super::rewrite::{self, Place, Rewritten};

/// The graph whose estimator `node`, with margins `m`, answers `c · exp(m)`, as one that answers `exp(m + ln c)`:
/// XGBoost's own margin, of which its exporter keeps the base score apart. `None` where no factors `c` above 0 turn a
/// margin of 0 into the answer.
pub(super) fn rescaled(graph: &Graph, node: usize, wanted: &[ValueId]) -> Option<Rewritten> {
    let margins = Place::of(graph, node)?;
    let answer = (0..graph.parts().nodes.len())
        .filter_map(|node| Place::of(graph, node))
        .find(|place| place.value == wanted[0])?;
    let estimator = &graph.parts().nodes[node];
    let outputs = match &estimator.op {
        Op::Trees(trees) => trees.outputs(),
        Op::Linear(linear) => linear.outputs(),
        _ => return None,
    };
    // Two rows, to tell `[rows]` from `[rows, outputs]`.
    let zeros = Tensor::new(vec![2, outputs], Data::F64(vec![0.0; 2 * outputs]))?;
    let made = graph
        .run_from(&[(margins.value, zeros)], &wanted[..1])
        .ok()?
        .pop()?;
    let flat = made.shape() == [2];
    let float = matches!(made.element_type(), ElementType::F32 | ElementType::F64);
    let factors = numbers(&made)?;
    if !float || !(flat || made.shape() == [2, outputs]) || factors.len() != 2 * outputs {
        return None;
    }
    let shifts: Vec<f64> = factors[..outputs]
        .iter()
        .map(|&factor| libm::log(factor))
        .collect();
    if !shifts.iter().all(|shift| shift.is_finite()) {
        return None;
    }
    let shifted = |own: &[f64]| {
        own.iter()
            .zip(&shifts)
            .map(|(own, shift)| own + shift)
            .collect::<Vec<f64>>()
    };
    let op: Op = match &estimator.op {
        Op::Trees(trees) => {
            let parts = trees.parts();
            TreeEnsemble::new(EnsembleParts {
                base: shifted(&parts.base),
                ..parts.clone()
            })
            .ok()?
            .into()
        }
        Op::Linear(linear) => {
            let weights = (0..outputs)
                .flat_map(|output| linear.weights(output))
                .copied()
                .collect();
            Linear::new(
                linear.columns() as u32,
                weights,
                shifted(linear.intercept()),
            )
            .ok()?
            .into()
        }
        _ => return None,
    };
    let exponential = vec![Some(answer.inserted(0))];
    let mut nodes = vec![
        GraphNode {
            op,
            ..estimator.clone()
        },
        GraphNode {
            name: "exponential".to_owned(),
            op: Unary::Exp.into(),
            inputs: exponential,
            outputs: 1,
        },
    ];
    rewrite::finish(&mut nodes, answer, flat, made.element_type());
    rewrite::replace(graph, answer, nodes, wanted)
}
