//! A value of a finished graph computed in another way.

use hyaline_model::ElementType;
use hyaline_model::graph::dense::{Cast, Squeeze};
use hyaline_model::graph::{Graph, GraphNode, GraphParts, Op, ValueId};

/// A graph in another form, and where its answers are.
pub(super) struct Rewritten {
    pub(super) graph: Graph,
    pub(super) wanted: Vec<ValueId>,
}

/// A node with one output, and that output.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) node: usize,
    pub(super) value: ValueId,
}

impl Place {
    /// The place of node `node`; `None` when it has several outputs.
    pub(super) fn of(graph: &Graph, node: usize) -> Option<Place> {
        let only = graph.parts().nodes[node].outputs == 1;
        graph
            .outputs_of(node)
            .next()
            .filter(|_| only)
            .map(|value| Place { node, value })
    }

    /// The output of the `index`-th node inserted here.
    pub(super) fn inserted(self, index: usize) -> ValueId {
        ValueId(self.value.0 + 1 + index as u32)
    }
}

/// Adds what turns the f64 matrix that the last of `nodes` makes into `[rows]`, where `flat`, and to `element_type`.
pub(super) fn finish(
    nodes: &mut Vec<GraphNode>,
    place: Place,
    flat: bool,
    element_type: ElementType,
) {
    let mut append = |name: &str, op: Op| {
        let operand = place.inserted(nodes.len() - 1);
        nodes.push(GraphNode {
            name: name.to_owned(),
            op,
            inputs: vec![Some(operand)],
            outputs: 1,
        });
    };
    if flat {
        append(
            "answer",
            Squeeze {
                axes: Some(vec![1]),
            }
            .into(),
        );
    }
    append("precision", Cast { to: element_type }.into());
}

/// The graph with `inserted` behind `place`, the last of them read instead of what was made there, and without what
/// nothing needs any more. Each of `inserted` has one output, [`Place::inserted`]; other operands keep their identifiers.
pub(super) fn replace(
    graph: &Graph,
    place: Place,
    inserted: Vec<GraphNode>,
    wanted: &[ValueId],
) -> Option<Rewritten> {
    let parts = graph.parts();
    let shift = inserted.len() as u32;
    // Values up to the replaced one keep their place; it is itself read from the last of the inserted nodes.
    let moved = |id: ValueId| {
        if id.0 >= place.value.0 {
            ValueId(id.0 + shift)
        } else {
            id
        }
    };
    let mut nodes: Vec<GraphNode> = parts.nodes[..=place.node].to_vec();
    nodes.extend(inserted);
    for node in &parts.nodes[place.node + 1..] {
        let inputs = node.inputs.iter().map(|input| input.map(moved)).collect();
        nodes.push(GraphNode {
            inputs,
            ..node.clone()
        });
    }
    let wanted: Vec<ValueId> = wanted.iter().copied().map(moved).collect();
    let (parts, wanted) = prune(
        GraphParts {
            inputs: parts.inputs.clone(),
            constants: parts.constants.clone(),
            nodes,
        },
        &wanted,
    );
    Some(Rewritten {
        graph: Graph::new(parts).ok()?,
        wanted,
    })
}

/// The graph without constants and nodes that `wanted` does not need, and the wanted values in it.
pub(super) fn prune(parts: GraphParts, wanted: &[ValueId]) -> (GraphParts, Vec<ValueId>) {
    let inputs = parts.inputs.len();
    let first_made = inputs + parts.constants.len();
    let values = first_made
        + parts
            .nodes
            .iter()
            .map(|node| node.outputs as usize)
            .sum::<usize>();
    let mut needed = vec![false; values];
    wanted.iter().for_each(|id| needed[id.0 as usize] = true);
    let mut end = values;
    for node in parts.nodes.iter().rev() {
        let outputs = end - node.outputs as usize..end;
        end = outputs.start;
        if needed[outputs.clone()].contains(&true) {
            needed[outputs].fill(true);
            node.inputs
                .iter()
                .flatten()
                .for_each(|id| needed[id.0 as usize] = true);
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
            let inputs = node
                .inputs
                .iter()
                .map(|input| input.map(renumbered))
                .collect();
            nodes.push(GraphNode { inputs, ..node });
        }
    }
    let constants = parts
        .constants
        .into_iter()
        .zip(&needed[inputs..])
        .filter(|(_, needed)| **needed)
        .map(|(c, _)| c)
        .collect();
    (
        GraphParts {
            inputs: parts.inputs,
            constants,
            nodes,
        },
        wanted.iter().copied().map(renumbered).collect(),
    )
}
