//! [`super::cohorts`] made fast for paths of few players: a companion is one word, both edges of a fork are settled
//! together, and a leaf's values are summed in f32 with the path's players as SIMD lanes.

use std::sync::Arc;

use super::background::BinnedBackground;
use super::cohorts::CubeWeights;
use super::forest::{Forest, ForestNode};

/// Deepest forest that is walked by recursion.
pub(super) const DEPTH_LIMIT: usize = 64;
/// Most players on a path: as many as a companion has bits for.
pub(super) const PLAYERS_LIMIT: usize = 16;
/// Most distinct background rows: as many as a companion can name.
pub(super) const ROWS_LIMIT: usize = 1 << 16;

/// Marks a child that is a leaf.
const LEAF: u32 = 1 << 31;

/// A background row in its high half, and in its low half the path's players whose conditions it fails.
type Companion = u32;

/// A fork; pairs are by whether the condition holds (0) or not (1).
#[derive(Clone, Copy)]
struct Step {
    bin: u32,
    cut: i16,
    /// Position of the player on the path.
    position: u8,
    /// Whether no fork above asks the same player.
    first: bool,
    player: u32,
    /// Index of a step, or of a leaf's weights with [`LEAF`] set.
    children: [u32; 2],
}

struct Tree {
    root: u32,
    outputs: Vec<u32>,
}

/// The trees and the background of [`CohortWalk::explain`].
pub(super) struct CohortWalk {
    trees: Vec<Tree>,
    steps: Vec<Step>,
    /// `[leaves, outputs of the tree]`, tree after tree.
    weights: Vec<f32>,
    background: Arc<BinnedBackground>,
    cubes: CubeWeights,
    players_on_path: usize,
    depth: usize,
    outputs: usize,
}

impl CohortWalk {
    /// Prepares the trees below `roots` of a forest within [`DEPTH_LIMIT`] and [`PLAYERS_LIMIT`], against at most
    /// [`ROWS_LIMIT`] distinct rows.
    pub fn new(forest: &Forest, roots: &[u32], background: Arc<BinnedBackground>) -> CohortWalk {
        debug_assert!(forest.depth <= DEPTH_LIMIT && forest.players_on_path <= PLAYERS_LIMIT);
        debug_assert!(background.rows() <= ROWS_LIMIT);
        let mut walk = CohortWalk {
            trees: Vec::new(),
            steps: Vec::new(),
            weights: Vec::new(),
            background,
            cubes: CubeWeights::new(PLAYERS_LIMIT),
            players_on_path: forest.players_on_path,
            depth: forest.depth,
            outputs: forest.outputs(),
        };
        for &root in roots {
            if let ForestNode::Leaf(_) = forest.nodes[root as usize] {
                continue;
            }
            let outputs = forest.outputs_below(root);
            let root = walk.add(forest, root, &outputs, &mut Vec::new());
            walk.trees.push(Tree { root, outputs });
        }
        walk
    }

    fn add(&mut self, forest: &Forest, node: u32, outputs: &[u32], path: &mut Vec<u32>) -> u32 {
        let fork = match forest.nodes[node as usize] {
            ForestNode::Fork(fork) => fork,
            ForestNode::Leaf(leaf) => {
                let first = self.weights.len();
                self.weights.extend(outputs.iter().map(|&output| {
                    let own = forest
                        .leaf_weights(leaf)
                        .iter()
                        .filter(|weight| weight.output == output);
                    own.map(|weight| weight.value).sum::<f64>() as f32
                }));
                return first as u32 | LEAF;
            }
        };
        let known = path.iter().position(|&player| player == fork.player);
        let index = self.steps.len();
        self.steps.push(Step {
            bin: fork.condition.bin,
            cut: fork.condition.cut,
            position: known.unwrap_or(path.len()) as u8,
            first: known.is_none(),
            player: fork.player,
            children: [0; 2],
        });
        if known.is_none() {
            path.push(fork.player);
        }
        for side in 0..2 {
            let child = self.add(forest, fork.children[side], outputs, path);
            self.steps[index].children[side] = child;
        }
        if known.is_none() {
            path.pop();
        }
        index as u32
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.steps) + size_of_val(&*self.weights) + self.background.bytes()
    }

    /// Adds the values of a row to `attributions`, `[players, outputs]`.
    pub fn explain(&self, bins: &[i16], attributions: &mut [f64]) {
        if self.players_on_path <= 8 {
            self.run::<8>(bins, attributions)
        } else {
            self.run::<16>(bins, attributions)
        }
    }

    fn run<const L: usize>(&self, bins: &[i16], attributions: &mut [f64]) {
        let rows = self.background.rows();
        let mut arena = vec![0; rows * (self.depth + 1)];
        let (everyone, rest) = arena.split_at_mut(rows);
        for (row, companion) in everyone.iter_mut().enumerate() {
            *companion = (row as u32) << 16;
        }
        let most_outputs = self
            .trees
            .iter()
            .map(|tree| tree.outputs.len())
            .max()
            .unwrap_or(0);
        let mut run = Run::<L> {
            walk: self,
            bins,
            outputs: &[],
            sums: vec![[0.0; L]; most_outputs],
            attributions,
        };
        for tree in &self.trees {
            run.outputs = &tree.outputs;
            run.fork(&self.steps[tree.root as usize], 0, everyone, rest);
        }
    }
}

/// One row's walk.
struct Run<'a, const L: usize> {
    walk: &'a CohortWalk,
    bins: &'a [i16],
    /// The tree's outputs.
    outputs: &'a [u32],
    /// By output of the tree and position on the path.
    sums: Vec<[f64; L]>,
    attributions: &'a mut [f64],
}

impl<const L: usize> Run<'_, L> {
    /// Visits a fork with its `companions`; the explained row fails the path's players `fails`. `rest` is free memory.
    fn fork(&mut self, step: &Step, fails: u32, companions: &[Companion], rest: &mut [Companion]) {
        let bit = 1u32 << step.position;
        let column = self.walk.background.column(step.bin);
        let takes =
            |companion: Companion| usize::from(column[(companion >> 16) as usize] > step.cut);
        if fails & bit != 0 {
            for side in 0..2 {
                let kept = keep(companions, rest, |companion| takes(companion) == side);
                self.child(step.children[side], fails, kept, rest);
            }
        } else {
            let taken = usize::from(self.bins[step.bin as usize] > step.cut);
            for (kept, &companion) in rest.iter_mut().zip(companions) {
                *kept = companion | if takes(companion) == taken { 0 } else { bit };
            }
            self.child(step.children[taken], fails, companions.len(), rest);
            let kept = keep(companions, rest, |companion| {
                takes(companion) != taken && companion & bit == 0
            });
            self.child(step.children[1 - taken], fails | bit, kept, rest);
        }
        if step.first {
            let position = usize::from(step.position);
            for (sums, &output) in self.sums.iter_mut().zip(self.outputs) {
                let sum = std::mem::take(&mut sums[position]);
                self.attributions[step.player as usize * self.walk.outputs + output as usize] +=
                    sum;
            }
        }
    }

    /// Visits a child in company of the first `kept` of `rest`.
    fn child(&mut self, target: u32, fails: u32, kept: usize, rest: &mut [Companion]) {
        if kept == 0 {
            return;
        }
        let (companions, rest) = rest.split_at_mut(kept);
        if target & LEAF != 0 {
            self.leaf(target ^ LEAF, fails, companions);
        } else {
            let walk = self.walk;
            self.fork(&walk.steps[target as usize], fails, companions, rest);
        }
    }

    fn leaf(&mut self, weights: u32, fails: u32, companions: &[Companion]) {
        let bits: [u64; L] = std::array::from_fn(|position| 1 << position);
        let negative = fails.count_ones() as usize;
        let mut loss = 0.0;
        let mut values = [0.0; L];
        for &companion in companions {
            let positive = (companion & 0xffff).count_ones() as usize;
            let share = self.walk.background.share(companion >> 16);
            loss += share * self.walk.cubes.member(negative, positive);
            let gain = share * self.walk.cubes.member(positive, negative);
            for (value, bit) in values.iter_mut().zip(bits) {
                *value += if u64::from(companion) & bit != 0 {
                    gain
                } else {
                    0.0
                };
            }
        }
        for (value, bit) in values.iter_mut().zip(bits) {
            *value -= if u64::from(fails) & bit != 0 {
                loss
            } else {
                0.0
            };
        }
        let weights = &self.walk.weights[weights as usize..weights as usize + self.outputs.len()];
        for (sums, &weight) in self.sums.iter_mut().zip(weights) {
            for (sum, value) in sums.iter_mut().zip(&values) {
                *sum += f64::from(weight) * value;
            }
        }
    }
}

/// Copies the companions that `stay` to the front of `kept`; returns how many.
fn keep(
    companions: &[Companion],
    kept: &mut [Companion],
    stay: impl Fn(Companion) -> bool,
) -> usize {
    let kept = &mut kept[..companions.len()];
    let mut count = 0;
    for &companion in companions {
        kept[count] = companion;
        count += usize::from(stay(companion));
    }
    count
}
