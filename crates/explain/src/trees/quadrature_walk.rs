//! Path-dependent values of one row by quadrature along the edges (Quadrature-TreeSHAP, arXiv:2605.04497): time linear in
//! the nodes, memory linear in the nodes, exact for every path.
//!
//! Going down, `A[q]` is the chance that the leaf is reached when each player is present with probability `t_q`; coming
//! back over an edge, the weighted `A` of all leaves below it tells what the edge's player is worth to them.

use hyaline_model::trees::Weight;

use super::edges::{Edge, edges};
use super::forest::Forest;
use super::quadrature::{Point, gauss_legendre, points_for};

/// A tree of more than one leaf.
struct Tree {
    edges: Vec<Edge>,
    outputs: Vec<u32>,
}

/// The trees and the rule of [`QuadratureWalk::explain`].
pub(super) struct QuadratureWalk {
    trees: Vec<Tree>,
    weights: Vec<Weight>,
    rule: Vec<Point>,
    depth: usize,
    outputs: usize,
}

impl QuadratureWalk {
    /// Prepares the trees below `roots`.
    pub fn new(forest: &Forest, roots: &[u32]) -> QuadratureWalk {
        let trees = roots.iter().map(|&root| Tree {
            edges: edges(forest, root),
            outputs: forest.outputs_below(root),
        });
        let points = points_for(forest.players_on_path)
            .next_power_of_two()
            .max(2);
        QuadratureWalk {
            trees: trees.collect(),
            weights: forest.weights.clone(),
            rule: gauss_legendre(points),
            depth: forest.depth,
            outputs: forest.outputs(),
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.trees
            .iter()
            .map(|tree| size_of_val(&*tree.edges))
            .sum()
    }

    /// Adds the values of a row to `attributions`, `[players, outputs]`.
    pub fn explain(&self, bins: &[i16], attributions: &mut [f64]) {
        match self.rule.len() {
            2 => self.walk::<2>(bins, attributions),
            4 => self.walk::<4>(bins, attributions),
            8 => self.walk::<8>(bins, attributions),
            16 => self.walk::<16>(bins, attributions),
            32 => self.walk::<32>(bins, attributions),
            _ => self.walk::<64>(bins, attributions),
        }
    }

    fn walk<const Q: usize>(&self, bins: &[i16], attributions: &mut [f64]) {
        let rule: &[Point; Q] = self
            .rule
            .as_slice()
            .try_into()
            .expect("the rule has as many points as the kernel");
        let mut stack = vec![Level::<Q>::default(); self.depth + 1];
        stack[0].reach = [1.0; Q];
        for tree in &self.trees {
            for &output in &tree.outputs {
                self.walk_tree(tree, output, rule, bins, &mut stack, attributions);
            }
        }
    }

    fn walk_tree<const Q: usize>(
        &self,
        tree: &Tree,
        output: u32,
        rule: &[Point; Q],
        bins: &[i16],
        stack: &mut [Level<Q>],
        attributions: &mut [f64],
    ) {
        for (index, edge) in tree.edges.iter().enumerate() {
            let depth = usize::from(edge.depth);
            let (above, below) = stack.split_at_mut(depth);
            let level = &mut below[0];
            let met_before = edge.previous == 0 || above[usize::from(edge.previous)].met;
            level.met = met_before && edge.admits(bins);
            level.edge = index;
            level.worth = [0.0; Q];
            level.step(edge, met_before, rule, &above[depth - 1].reach);
            let Some(leaf) = edge.leaf else { continue };
            let weights = &self.weights[leaf.first as usize..(leaf.first + leaf.count) as usize];
            let weight: f64 = weights
                .iter()
                .filter(|weight| weight.output == output)
                .map(|weight| weight.value)
                .sum();
            level.worth = level.reach.map(|reach| reach * weight);
            let next = tree
                .edges
                .get(index + 1)
                .map_or(1, |edge| usize::from(edge.depth));
            for depth in (next..=depth).rev() {
                let (above, below) = stack.split_at_mut(depth);
                let level = &below[0];
                let player = tree.edges[level.edge].player as usize;
                let parent = &mut above[depth - 1].worth;
                let mut value = 0.0;
                for ((parent, worth), gain) in parent.iter_mut().zip(level.worth).zip(level.gain) {
                    *parent += worth;
                    value += worth * gain;
                }
                attributions[player * self.outputs + output as usize] += value;
            }
        }
    }
}

/// The edge that a walk is on at one depth.
#[derive(Clone, Copy)]
struct Level<const Q: usize> {
    edge: usize,
    /// Whether the row meets all conditions of the edge's player down to here.
    met: bool,
    reach: [f64; Q],
    /// What a reached leaf is worth to the player, over what it was worth on the player's edge above.
    gain: [f64; Q],
    worth: [f64; Q],
}

impl<const Q: usize> Default for Level<Q> {
    fn default() -> Level<Q> {
        Level {
            edge: 0,
            met: false,
            reach: [0.0; Q],
            gain: [0.0; Q],
            worth: [0.0; Q],
        }
    }
}

impl<const Q: usize> Level<Q> {
    fn step(&mut self, edge: &Edge, met_before: bool, rule: &[Point; Q], above: &[f64; Q]) {
        if !met_before {
            let share = if edge.before > 0.0 {
                edge.now / edge.before
            } else {
                0.0
            };
            self.reach = above.map(|reach| reach * share);
            self.gain = [0.0; Q];
            return;
        }
        for q in 0..Q {
            let Point { t, weight } = rule[q];
            let absent = 1.0 - t;
            let old = 1.0 / (t + edge.before * absent);
            let old_gain = (1.0 - edge.before) * old;
            let (new, gain) = if self.met {
                let new = t + edge.now * absent;
                (new, (1.0 - edge.now) / new)
            } else {
                (edge.now * absent, -1.0 / absent)
            };
            self.reach[q] = above[q] * (new * old);
            self.gain[q] = weight * (gain - old_gain);
        }
    }
}
