//! An additive ensemble as its explanation sees it: splits belong to players (raw features), leaves carry final weights.

use hyaline_model::trees::{Aggregate, Binning, Condition, Leaf, Node, TreeEnsemble, Weight};

use super::TreeExplainError;

/// Deepest tree that is explained.
pub(super) const DEPTH_LIMIT: usize = 256;
/// Most players that one path from root to leaf may test.
pub(super) const PLAYERS_ON_PATH_LIMIT: usize = 128;

/// An inner node. Index 0 of the pairs is for the side where the condition holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fork {
    pub condition: Condition,
    pub player: u32,
    pub children: [u32; 2],
    /// Share of the training weight that went to each child; sums to 1.
    pub shares: [f64; 2],
}

/// A node of a [`Forest`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ForestNode {
    Fork(Fork),
    Leaf(Leaf),
}

/// An ensemble whose margins are `base[o] + Σ` of the reached leaves' weights.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Forest {
    ensemble: TreeEnsemble,
    pub players: usize,
    pub roots: Vec<u32>,
    /// Same indices as the ensemble's nodes: a child stands after its parent.
    pub nodes: Vec<ForestNode>,
    /// The ensemble's weights, divided by the number of trees where it averages.
    pub weights: Vec<Weight>,
    /// Most distinct players on a path.
    pub players_on_path: usize,
    /// Splits on the longest path.
    pub depth: usize,
}

impl Forest {
    /// Reads `ensemble`; without covers every child has half of its parent's share, which only path-dependent
    /// explanations look at.
    pub fn new(
        ensemble: &TreeEnsemble,
        column_feature: &[u32],
        players: usize,
    ) -> Result<Forest, TreeExplainError> {
        let parts = ensemble.parts();
        if column_feature.len() != ensemble.columns() {
            return Err(TreeExplainError::ColumnFeatures {
                given: column_feature.len(),
                columns: ensemble.columns(),
            });
        }
        if let Some(column) = column_feature
            .iter()
            .position(|&feature| feature as usize >= players)
        {
            return Err(TreeExplainError::NoSuchFeature {
                column,
                feature: column_feature[column],
                features: players,
            });
        }
        let scale = match parts.aggregate {
            Aggregate::Sum => 1.0,
            Aggregate::Average => 1.0 / parts.roots.len().max(1) as f64,
            aggregate @ (Aggregate::Minimum | Aggregate::Maximum) => {
                return Err(TreeExplainError::NotAdditive(aggregate));
            }
        };
        let nodes = parts.nodes.iter().enumerate().map(|(index, node)| {
            match (node, ensemble.condition(index)) {
                (Node::Split(split), Some(condition)) => ForestNode::Fork(Fork {
                    condition,
                    player: column_feature[split.column as usize],
                    children: [split.yes, split.no],
                    shares: shares(parts.covers.as_deref(), [split.yes, split.no]),
                }),
                (Node::Leaf(leaf), _) => ForestNode::Leaf(*leaf),
                (Node::Split(_), None) => unreachable!("every split has a condition"),
            }
        });
        let mut forest = Forest {
            ensemble: ensemble.clone(),
            players,
            roots: parts.roots.clone(),
            nodes: nodes.collect(),
            weights: parts
                .weights
                .iter()
                .map(|w| Weight {
                    output: w.output,
                    value: w.value * scale,
                })
                .collect(),
            players_on_path: 0,
            depth: 0,
        };
        forest.measure()?;
        Ok(forest)
    }

    /// Finds the longest path and the most players on one.
    fn measure(&mut self) -> Result<(), TreeExplainError> {
        let mut uses = vec![0u32; self.players];
        for &root in &self.roots {
            // (node, the fork above it, once entered and once left)
            let mut stack = vec![(root as usize, 0usize, false)];
            let mut distinct = 0;
            while let Some((node, depth, leaving)) = stack.pop() {
                let ForestNode::Fork(fork) = self.nodes[node] else {
                    self.depth = self.depth.max(depth);
                    self.players_on_path = self.players_on_path.max(distinct);
                    continue;
                };
                let uses = &mut uses[fork.player as usize];
                if leaving {
                    *uses -= 1;
                    distinct -= usize::from(*uses == 0);
                    continue;
                }
                if depth == DEPTH_LIMIT {
                    return Err(TreeExplainError::TooDeep);
                }
                distinct += usize::from(*uses == 0);
                *uses += 1;
                stack.push((node, depth, true));
                stack.extend(
                    fork.children
                        .map(|child| (child as usize, depth + 1, false)),
                );
            }
        }
        match self.players_on_path {
            0..=PLAYERS_ON_PATH_LIMIT => Ok(()),
            players => Err(TreeExplainError::TooManyPlayers { players }),
        }
    }

    pub fn binning(&self) -> &Binning {
        self.ensemble.binning()
    }

    pub fn ensemble(&self) -> &TreeEnsemble {
        &self.ensemble
    }

    pub fn outputs(&self) -> usize {
        self.ensemble.outputs()
    }

    pub fn leaf_weights(&self, leaf: Leaf) -> &[Weight] {
        &self.weights[leaf.first as usize..(leaf.first + leaf.count) as usize]
    }

    /// Which outputs the leaves below `root` speak about, ascending.
    pub fn outputs_below(&self, root: u32) -> Vec<u32> {
        let mut outputs = Vec::new();
        let mut stack = vec![root];
        while let Some(node) = stack.pop() {
            match self.nodes[node as usize] {
                ForestNode::Fork(fork) => stack.extend(fork.children),
                ForestNode::Leaf(leaf) => {
                    outputs.extend(self.leaf_weights(leaf).iter().map(|weight| weight.output))
                }
            }
        }
        outputs.sort_unstable();
        outputs.dedup();
        outputs
    }

    /// Expected margins when every fork is taken by training share.
    pub fn expected(&self) -> Vec<f64> {
        let mut expected = self.ensemble.parts().base.clone();
        let mut reach = vec![1.0; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            match node {
                ForestNode::Fork(fork) => {
                    for (child, share) in fork.children.into_iter().zip(fork.shares) {
                        reach[child as usize] = reach[index] * share;
                    }
                }
                ForestNode::Leaf(leaf) => {
                    for weight in self.leaf_weights(*leaf) {
                        expected[weight.output as usize] += reach[index] * weight.value;
                    }
                }
            }
        }
        expected
    }
}

/// Shares of two siblings by their covers; halves where no training row came by.
fn shares(covers: Option<&[f64]>, children: [u32; 2]) -> [f64; 2] {
    let covers = covers.map_or([0.0; 2], |covers| {
        children.map(|child| covers[child as usize])
    });
    let total = covers[0] + covers[1];
    if total > 0.0 {
        [covers[0] / total, covers[1] / total]
    } else {
        [0.5; 2]
    }
}
