//! Shapley interaction values of one row, for both games, leaf by leaf.
//!
//! With every other player present with probability `t`, the joint surplus of players `i` and `j` at a leaf is
//! `Δ_i Δ_j` of the chance to reach it; its integral over `t` is the Shapley interaction index (Owen 1972,
//! doi:10.1287/mnsc.18.5.64; Grabisch and Roubens 1999, doi:10.1007/s001820050125). As in Lundberg et al. 2018
//! (arXiv:1802.03888) each of the two symmetric entries gets half of it, and the diagonal what remains of the player's
//! Shapley value, so that rows sum to it.

use super::background::BinnedBackground;
use super::cohorts::{Companion, CubeWeights};
use super::forest::{Forest, ForestNode, Fork};
use super::quadrature::{Point, gauss_legendre, points_for};

/// Computes interactions row by row.
pub(super) struct Interactions<'a> {
    forest: &'a Forest,
    background: Option<&'a BinnedBackground>,
    /// Rules by number of points.
    rules: Vec<Vec<Point>>,
    cubes: CubeWeights,
    path: Vec<Step>,
    companions: Vec<Companion>,
    /// `[players on the path, players on the path]` of a leaf of weight 1: values on the diagonal, half indices below it.
    leaf: Vec<f64>,
    /// By player on the path: its surplus over its absence, relative to the chance that it meets its conditions.
    surplus: Vec<f64>,
}

/// A player on the path to a node.
#[derive(Clone, Copy)]
struct Step {
    player: u32,
    /// Whether the row meets its conditions.
    met: bool,
    /// Product of the shares of its edges.
    share: f64,
}

impl<'a> Interactions<'a> {
    /// Against `background`, or path-dependent without one.
    pub fn new(forest: &'a Forest, background: Option<&'a BinnedBackground>) -> Interactions<'a> {
        Interactions {
            forest,
            background,
            rules: (0..=points_for(forest.players_on_path))
                .map(gauss_legendre)
                .collect(),
            cubes: CubeWeights::new(forest.players_on_path),
            path: Vec::new(),
            companions: Vec::new(),
            leaf: Vec::new(),
            surplus: Vec::new(),
        }
    }

    /// Writes the interactions `[players, players, outputs]` of a row.
    pub fn explain(&mut self, bins: &[i16], interactions: &mut [f64]) {
        interactions.fill(0.0);
        let rows = self.background.map_or(0, BinnedBackground::rows);
        self.companions.clear();
        self.companions
            .extend((0..rows as u32).map(|row| Companion { row, fails: 0 }));
        for &root in &self.forest.roots {
            self.node(root, 0, bins, interactions);
        }
        let (players, outputs) = (self.forest.players, self.forest.outputs());
        for row in 0..players {
            for column in 0..row {
                for output in 0..outputs {
                    let below = interactions[(row * players + column) * outputs + output];
                    interactions[(column * players + row) * outputs + output] = below;
                }
            }
        }
        for player in 0..players {
            for output in 0..outputs {
                let at = |other: usize| (player * players + other) * outputs + output;
                let others: f64 = (0..players)
                    .filter(|&other| other != player)
                    .map(|other| interactions[at(other)])
                    .sum();
                interactions[at(player)] -= others;
            }
        }
    }

    /// Visits `node` in company of the companions from `first` on.
    fn node(&mut self, node: u32, first: usize, bins: &[i16], interactions: &mut [f64]) {
        let fork = match self.forest.nodes[node as usize] {
            ForestNode::Fork(fork) => fork,
            ForestNode::Leaf(leaf) => {
                match self.background {
                    None => self.path_dependent_leaf(),
                    Some(background) => self.interventional_leaf(background, first),
                }
                let (players, outputs) = (self.forest.players, self.forest.outputs());
                for (position, values) in self.leaf.chunks_exact(self.path.len().max(1)).enumerate()
                {
                    let row = self.path[position].player as usize;
                    for (step, value) in self.path.iter().zip(&values[..=position]) {
                        let column = step.player as usize;
                        let at = (row.max(column) * players + row.min(column)) * outputs;
                        for weight in self.forest.leaf_weights(leaf) {
                            interactions[at + weight.output as usize] += weight.value * value;
                        }
                    }
                }
                return;
            }
        };
        for side in 0..2 {
            self.below(&fork, side, first, bins, interactions);
        }
    }

    fn below(
        &mut self,
        fork: &Fork,
        side: usize,
        first: usize,
        bins: &[i16],
        interactions: &mut [f64],
    ) {
        let taken = usize::from(bins[fork.condition.bin as usize] > fork.condition.cut);
        let known = self.path.iter().position(|step| step.player == fork.player);
        let position = known.unwrap_or(self.path.len());
        let before = known.map(|position| self.path[position]);
        let Step { met, share, .. } = before.unwrap_or(Step {
            player: fork.player,
            met: true,
            share: 1.0,
        });
        let step = Step {
            player: fork.player,
            met: met && taken == side,
            share: share * fork.shares[side],
        };
        match known {
            Some(position) => self.path[position] = step,
            None => self.path.push(step),
        }
        let last = self.companions.len();
        if let Some(background) = self.background {
            let column = background.column(fork.condition.bin);
            for index in first..last {
                let Companion { row, mut fails } = self.companions[index];
                let admitted = usize::from(column[row as usize] > fork.condition.cut) == side;
                fails |= u128::from(!admitted) << position;
                if step.met || fails >> position & 1 == 0 {
                    self.companions.push(Companion { row, fails });
                }
            }
        }
        if self.background.is_none() || self.companions.len() > last {
            self.node(fork.children[side], last, bins, interactions);
        }
        self.companions.truncate(last);
        match before {
            Some(before) => self.path[position] = before,
            None => {
                self.path.pop();
            }
        }
    }

    fn path_dependent_leaf(&mut self) {
        let players = self.path.len();
        self.leaf.clear();
        self.leaf.resize(players * players, 0.0);
        for &Point { t, weight } in &self.rules[points_for(players)] {
            let absent = 1.0 - t;
            let mut reach = weight;
            self.surplus.clear();
            for step in &self.path {
                let chance = if step.met {
                    t + step.share * absent
                } else {
                    step.share * absent
                };
                reach *= chance;
                self.surplus.push(if step.met {
                    (1.0 - step.share) / chance
                } else {
                    -1.0 / absent
                });
            }
            for (row, values) in self.leaf.chunks_exact_mut(players.max(1)).enumerate() {
                let own = reach * self.surplus[row];
                values[row] += own;
                for (value, surplus) in values[..row].iter_mut().zip(&self.surplus) {
                    *value += 0.5 * own * surplus;
                }
            }
        }
    }

    fn interventional_leaf(&mut self, background: &BinnedBackground, first: usize) {
        let players = self.path.len();
        self.leaf.clear();
        self.leaf.resize(players * players, 0.0);
        let unmet = self
            .path
            .iter()
            .enumerate()
            .map(|(position, step)| u128::from(!step.met) << position);
        let negative: u128 = unmet.sum();
        let (cubes, n) = (&self.cubes, negative.count_ones() as usize);
        for companion in &self.companions[first..] {
            let positive = companion.fails;
            let p = positive.count_ones() as usize;
            let share = background.share(companion.row);
            for row in (0..players).filter(|row| (positive | negative) >> row & 1 == 1) {
                let gains = positive >> row & 1 == 1;
                for column in (0..=row).filter(|column| (positive | negative) >> column & 1 == 1) {
                    let worth = match (gains, positive >> column & 1 == 1) {
                        (true, _) if row == column => cubes.member(p, n),
                        (false, _) if row == column => -cubes.member(n, p),
                        (true, true) => 0.5 * cubes.member(p - 1, n),
                        (false, false) => 0.5 * cubes.member(n - 1, p),
                        (true, false) | (false, true) => -0.5 * cubes.member(p, n - 1),
                    };
                    self.leaf[row * players + column] += share * worth;
                }
            }
        }
    }
}
