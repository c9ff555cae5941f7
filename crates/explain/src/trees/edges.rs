//! A tree as the sequence of its edges, each before those below it, for walks that visit every leaf without recursion.

use hyaline_model::trees::{Condition, Leaf};

use super::forest::{Forest, ForestNode};

/// The edge from a fork to one of its children.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Edge {
    /// The fork's condition, which holds on this side if `side` is 0 and fails if 1.
    pub condition: Condition,
    pub side: u8,
    /// From 1.
    pub depth: u16,
    /// Depth of the last edge above that asks the same player; 0 when there is none.
    pub previous: u16,
    /// Position of the player among those of the path, by first occurrence.
    pub position: u8,
    pub player: u32,
    /// Product of the shares of the player's edges above this one, and including it.
    pub before: f64,
    pub now: f64,
    /// What hangs on the edge when no further edges do.
    pub leaf: Option<Leaf>,
    /// Index of the next edge that is not below this one.
    pub end: u32,
}

impl Edge {
    /// Whether a row with these bins goes along the edge once it is at the fork.
    pub fn admits(&self, bins: &[i16]) -> bool {
        u8::from(bins[self.condition.bin as usize] > self.condition.cut) == self.side
    }
}

/// The edges of the tree below `root`; none when it is a single leaf.
pub(super) fn edges(forest: &Forest, root: u32) -> Vec<Edge> {
    enum Visit {
        Enter(u32, u8),
        Leave(usize),
    }
    let mut edges: Vec<Edge> = Vec::new();
    let mut path: Vec<usize> = Vec::new();
    let mut stack = Vec::new();
    let fork_of = |node: u32| match &forest.nodes[node as usize] {
        ForestNode::Fork(fork) => Some(fork),
        ForestNode::Leaf(_) => None,
    };
    if fork_of(root).is_some() {
        stack.extend([Visit::Enter(root, 1), Visit::Enter(root, 0)]);
    }
    while let Some(visit) = stack.pop() {
        let (node, side) = match visit {
            Visit::Enter(node, side) => (node, side),
            Visit::Leave(edge) => {
                edges[edge].end = edges.len() as u32;
                path.pop();
                continue;
            }
        };
        let fork = fork_of(node).expect("only forks are entered");
        let child = fork.children[usize::from(side)];
        let previous = path
            .iter()
            .rev()
            .map(|&edge| edges[edge])
            .find(|edge| edge.player == fork.player);
        let position = previous.map_or_else(
            || {
                path.iter()
                    .filter(|&&edge| edges[edge].previous == 0)
                    .count() as u8
            },
            |previous| previous.position,
        );
        let before = previous.map_or(1.0, |previous| previous.now);
        let index = edges.len();
        edges.push(Edge {
            condition: fork.condition,
            side,
            depth: path.len() as u16 + 1,
            previous: previous.map_or(0, |previous| previous.depth),
            position,
            player: fork.player,
            before,
            now: before * fork.shares[usize::from(side)],
            leaf: match forest.nodes[child as usize] {
                ForestNode::Leaf(leaf) => Some(leaf),
                ForestNode::Fork(_) => None,
            },
            end: 0,
        });
        path.push(index);
        stack.push(Visit::Leave(index));
        if fork_of(child).is_some() {
            stack.extend([Visit::Enter(child, 1), Visit::Enter(child, 0)]);
        }
    }
    edges
}
