//! The quadrature of [`super::quadrature_walk`] made fast for trees of usual depth: both edges of a fork at once, in f32,
//! with the points as SIMD lanes. Each tree's values are summed in f32 and added up in f64.

use super::forest::{Forest, ForestNode};
use super::quadrature::{gauss_legendre, points_for};

/// Deepest forest that is walked by recursion.
pub(super) const DEPTH_LIMIT: usize = 64;
/// Most players on a path for which the points suffice.
pub(super) const PLAYERS_LIMIT: usize = 2 * MOST_POINTS;
const MOST_POINTS: usize = 8;

/// Marks a child that is a leaf.
const LEAF: u32 = 1 << 31;

/// A fork; pairs are by whether the condition holds (0) or not (1).
#[derive(Clone, Copy)]
struct Step {
    bin: u32,
    cut: i16,
    /// Index among the tree's players.
    player: u16,
    /// Depth of the last fork above that asks the same player, counted from 1; 0 when there is none.
    previous: u8,
    /// Product of the shares of the player's edges above, and including either edge below.
    before: f32,
    now: [f32; 2],
    shares: [f32; 2],
    /// Index of a step, or of a leaf's weights with [`LEAF`] set.
    children: [u32; 2],
}

struct Tree {
    root: u32,
    players: Vec<u32>,
    outputs: Vec<u32>,
}

/// The trees and the rule of [`ForkWalk::explain`].
pub(super) struct ForkWalk {
    trees: Vec<Tree>,
    steps: Vec<Step>,
    /// `[leaves, outputs of the tree]`, tree after tree.
    weights: Vec<f32>,
    points: usize,
    outputs: usize,
}

impl ForkWalk {
    /// Prepares the trees below `roots` of a forest within [`DEPTH_LIMIT`] and [`PLAYERS_LIMIT`].
    pub fn new(forest: &Forest, roots: &[u32]) -> ForkWalk {
        debug_assert!(forest.depth <= DEPTH_LIMIT && forest.players_on_path <= PLAYERS_LIMIT);
        let points = if points_for(forest.players_on_path) <= 4 {
            4
        } else {
            MOST_POINTS
        };
        let mut walk = ForkWalk {
            trees: Vec::new(),
            steps: Vec::new(),
            weights: Vec::new(),
            points,
            outputs: forest.outputs(),
        };
        for &root in roots {
            if let ForestNode::Leaf(_) = forest.nodes[root as usize] {
                continue;
            }
            let mut tree = Tree {
                root: 0,
                players: Vec::new(),
                outputs: forest.outputs_below(root),
            };
            tree.root = walk.add(forest, root, &mut tree, &mut Vec::new());
            walk.trees.push(tree);
        }
        walk
    }

    /// Adds what hangs on `node`; `path` holds player and share of the edges above.
    fn add(
        &mut self,
        forest: &Forest,
        node: u32,
        tree: &mut Tree,
        path: &mut Vec<(u32, f64)>,
    ) -> u32 {
        let fork = match forest.nodes[node as usize] {
            ForestNode::Fork(fork) => fork,
            ForestNode::Leaf(leaf) => {
                let first = self.weights.len();
                self.weights.extend(tree.outputs.iter().map(|&output| {
                    let own = forest
                        .leaf_weights(leaf)
                        .iter()
                        .filter(|weight| weight.output == output);
                    own.map(|weight| weight.value).sum::<f64>() as f32
                }));
                return first as u32 | LEAF;
            }
        };
        let previous = path.iter().rposition(|&(player, _)| player == fork.player);
        let before = previous.map_or(1.0, |edge| path[edge].1);
        let player = tree
            .players
            .iter()
            .position(|&player| player == fork.player)
            .unwrap_or_else(|| {
                tree.players.push(fork.player);
                tree.players.len() - 1
            });
        let index = self.steps.len();
        let now = fork.shares.map(|share| before * share);
        self.steps.push(Step {
            bin: fork.condition.bin,
            cut: fork.condition.cut,
            player: player as u16,
            previous: previous.map_or(0, |edge| edge as u8 + 1),
            before: before as f32,
            now: now.map(|now| now as f32),
            shares: fork.shares.map(|share| share as f32),
            children: [0; 2],
        });
        for (side, share) in now.into_iter().enumerate() {
            path.push((fork.player, share));
            let child = self.add(forest, fork.children[side], tree, path);
            path.pop();
            self.steps[index].children[side] = child;
        }
        index as u32
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.steps) + size_of_val(&*self.weights)
    }

    /// Adds the values of a row to `attributions`, `[players, outputs]`.
    pub fn explain(&self, bins: &[i16], attributions: &mut [f64]) {
        if self.points == 4 {
            self.run::<4>(bins, attributions)
        } else {
            self.run::<8>(bins, attributions)
        }
    }

    fn run<const Q: usize>(&self, bins: &[i16], attributions: &mut [f64]) {
        let rule = gauss_legendre(Q);
        let by_point = |value: &dyn Fn(f64, f64) -> f64| -> [f32; Q] {
            std::array::from_fn(|q| value(rule[q].t, rule[q].weight) as f32)
        };
        let players = self
            .trees
            .iter()
            .map(|tree| tree.players.len())
            .max()
            .unwrap_or(0);
        let mut run = Run {
            walk: self,
            bins,
            present: by_point(&|t, _| t),
            absent: by_point(&|t, _| 1.0 - t),
            weight: by_point(&|_, weight| weight),
            unmet_gain: by_point(&|t, _| -1.0 / (1.0 - t)),
            output: 0,
            levels: [Level {
                met: true,
                inverse: [1.0; Q],
            }; DEPTH_LIMIT + 1],
            values: vec![[0.0; Q]; players],
        };
        for tree in &self.trees {
            for (index, &output) in tree.outputs.iter().enumerate() {
                run.output = index;
                run.visit(tree.root, 1, &[1.0; Q]);
                for (&player, value) in tree.players.iter().zip(&mut run.values) {
                    let value = std::mem::replace(value, [0.0; Q]);
                    let sum: f64 = value
                        .iter()
                        .zip(&run.weight)
                        .map(|(value, weight)| f64::from(value * weight))
                        .sum();
                    attributions[player as usize * self.outputs + output as usize] += sum;
                }
            }
        }
    }
}

/// The player of the fork at one depth, as far as deeper forks on it are concerned.
#[derive(Clone, Copy)]
struct Level<const Q: usize> {
    /// Whether the row meets the player's conditions down to here.
    met: bool,
    /// 1 over the chance, by point, that the player meets them.
    inverse: [f32; Q],
}

/// One row's walk.
struct Run<'a, const Q: usize> {
    walk: &'a ForkWalk,
    bins: &'a [i16],
    present: [f32; Q],
    absent: [f32; Q],
    weight: [f32; Q],
    unmet_gain: [f32; Q],
    /// Index among the tree's outputs.
    output: usize,
    /// By depth; 0 stands for a player not asked yet.
    levels: [Level<Q>; DEPTH_LIMIT + 1],
    /// By player of the tree and point.
    values: Vec<[f32; Q]>,
}

impl<const Q: usize> Run<'_, Q> {
    /// Expected weight of what hangs on `target`, by point, times the chance `reach` to come there.
    #[inline(always)]
    fn child(&mut self, target: u32, depth: usize, reach: &[f32; Q]) -> [f32; Q] {
        if target & LEAF != 0 {
            let weight = self.walk.weights[(target ^ LEAF) as usize + self.output];
            return std::array::from_fn(|q| reach[q] * weight);
        }
        self.visit(target, depth, reach)
    }

    fn visit(&mut self, step: u32, depth: usize, reach: &[f32; Q]) -> [f32; Q] {
        let step = &self.walk.steps[step as usize];
        let Level { met, inverse: old } = self.levels[usize::from(step.previous)];
        if !met {
            self.levels[depth].met = false;
            let [yes, no] = [0, 1].map(|side| {
                let share = step.shares[side];
                self.child(
                    step.children[side],
                    depth + 1,
                    &std::array::from_fn(|q| reach[q] * share),
                )
            });
            return std::array::from_fn(|q| yes[q] + no[q]);
        }
        let taken = usize::from(self.bins[step.bin as usize] > step.cut);
        let (now, other) = (step.now[taken], step.now[1 - taken]);
        let chance: [f32; Q] = std::array::from_fn(|q| self.present[q] + now * self.absent[q]);
        let inverse: [f32; Q] = std::array::from_fn(|q| 1.0 / chance[q]);
        let reach: [f32; Q] = std::array::from_fn(|q| reach[q] * old[q]);
        self.levels[depth] = Level { met: true, inverse };
        let with = self.child(
            step.children[taken],
            depth + 1,
            &std::array::from_fn(|q| reach[q] * chance[q]),
        );
        self.levels[depth].met = false;
        let reach: [f32; Q] = std::array::from_fn(|q| reach[q] * self.absent[q] * other);
        let without = self.child(step.children[1 - taken], depth + 1, &reach);
        let value = &mut self.values[usize::from(step.player)];
        let (gained, lost) = (1.0 - now, 1.0 - step.before);
        for q in 0..Q {
            let old_gain = lost * old[q];
            value[q] += with[q] * (gained * inverse[q] - old_gain)
                + without[q] * (self.unmet_gain[q] - old_gain);
        }
        std::array::from_fn(|q| with[q] + without[q])
    }
}
