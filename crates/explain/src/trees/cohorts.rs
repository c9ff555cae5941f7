//! Interventional values of one row against a background, for ensembles too large for tables: one walk per tree in
//! company of those background rows with which a coalition can still reach the leaf.
//!
//! A leaf is reached by a coalition exactly when each player of its path meets its conditions in the explained row or in
//! the background row, and the coalition holds the players that only the former meets (`p` of them) and none that only
//! the latter meets (`n`). Such a cube is worth `(p−1)! n! / (p+n)!` to each of the first and `−p! (n−1)! / (p+n)!` to
//! each of the second (WOODELF, doi:10.1609/aaai.v40i29.39630).

use std::sync::Arc;

use hyaline_model::trees::Weight;

use super::background::BinnedBackground;
use super::edges::{Edge, edges};
use super::forest::{Forest, PLAYERS_ON_PATH_LIMIT};

/// The trees and the background of [`Cohorts::explain`].
pub(super) struct Cohorts {
    trees: Vec<Vec<Edge>>,
    weights: Vec<Weight>,
    background: Arc<BinnedBackground>,
    depth: usize,
    outputs: usize,
    cubes: CubeWeights,
}

/// A background row on its way down, and the path's players whose conditions it fails.
#[derive(Clone, Copy)]
pub(super) struct Companion {
    pub row: u32,
    pub fails: u128,
}

/// The edge that a walk is on at one depth.
#[derive(Clone, Copy, Default)]
struct Level {
    /// One past the last companion.
    companions: usize,
    /// Players of the path whose conditions the explained row fails.
    fails: u128,
    player: u32,
    position: u8,
}

impl Cohorts {
    /// Prepares the trees below `roots`.
    pub fn new(forest: &Forest, roots: &[u32], background: Arc<BinnedBackground>) -> Cohorts {
        Cohorts {
            trees: roots.iter().map(|&root| edges(forest, root)).collect(),
            weights: forest.weights.clone(),
            background,
            depth: forest.depth,
            outputs: forest.outputs(),
            cubes: CubeWeights::new(forest.players_on_path),
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.trees
            .iter()
            .map(|edges| size_of_val(&**edges))
            .sum::<usize>()
            + self.background.bytes()
    }

    /// Adds the values of a row to `attributions`, `[players, outputs]`.
    pub fn explain(&self, bins: &[i16], attributions: &mut [f64]) {
        let rows = self.background.rows();
        let mut companions: Vec<Companion> = (0..rows as u32)
            .map(|row| Companion { row, fails: 0 })
            .collect();
        let mut levels = vec![Level::default(); self.depth + 1];
        levels[0].companions = rows;
        for edges in &self.trees {
            let mut at = 0;
            while at < edges.len() {
                let edge = &edges[at];
                let depth = usize::from(edge.depth);
                let above = levels[depth - 1];
                let fails = above.fails | (u128::from(!edge.admits(bins)) << edge.position);
                let start = if depth > 1 {
                    levels[depth - 2].companions
                } else {
                    0
                };
                companions.truncate(above.companions);
                let column = self.background.column(edge.condition.bin);
                for index in start..above.companions {
                    let Companion {
                        row,
                        fails: row_fails,
                    } = companions[index];
                    let admitted = u8::from(column[row as usize] > edge.condition.cut) == edge.side;
                    let row_fails = row_fails | (u128::from(!admitted) << edge.position);
                    if row_fails & fails == 0 {
                        companions.push(Companion {
                            row,
                            fails: row_fails,
                        });
                    }
                }
                levels[depth] = Level {
                    companions: companions.len(),
                    fails,
                    player: edge.player,
                    position: edge.position,
                };
                if companions.len() == above.companions {
                    at = edge.end as usize;
                    continue;
                }
                if let Some(leaf) = edge.leaf {
                    let weights =
                        &self.weights[leaf.first as usize..(leaf.first + leaf.count) as usize];
                    self.add_leaf(
                        &companions[above.companions..],
                        &levels[1..=depth],
                        weights,
                        attributions,
                    );
                }
                at += 1;
            }
        }
    }

    fn add_leaf(
        &self,
        companions: &[Companion],
        path: &[Level],
        weights: &[Weight],
        attributions: &mut [f64],
    ) {
        let fails = path.last().map_or(0, |level| level.fails);
        let negative = fails.count_ones() as usize;
        let mut loss = 0.0;
        let mut gains = [0.0; PLAYERS_ON_PATH_LIMIT];
        for companion in companions {
            let positive = companion.fails.count_ones() as usize;
            let share = self.background.share(companion.row);
            loss += share * self.cubes.member(negative, positive);
            let gain = share * self.cubes.member(positive, negative);
            let mut rest = companion.fails;
            while rest != 0 {
                gains[rest.trailing_zeros() as usize] += gain;
                rest &= rest - 1;
            }
        }
        let mut seen = 0u128;
        for level in path {
            let bit = 1 << level.position;
            if seen & bit != 0 {
                continue;
            }
            seen |= bit;
            let value = if fails & bit != 0 {
                -loss
            } else {
                gains[usize::from(level.position)]
            };
            for weight in weights {
                attributions[level.player as usize * self.outputs + weight.output as usize] +=
                    value * weight.value;
            }
        }
    }
}

/// `(a−1)! b! / (a+b)!` for `a + b` up to the players on a path.
pub(super) struct CubeWeights {
    stride: usize,
    weights: Vec<f64>,
}

impl CubeWeights {
    pub fn new(players: usize) -> CubeWeights {
        let stride = players + 1;
        let mut weights = vec![0.0; stride * stride];
        for a in 1..stride {
            weights[a * stride] = 1.0 / a as f64;
            for b in 1..stride - a {
                weights[a * stride + b] = weights[a * stride + b - 1] * b as f64 / (a + b) as f64;
            }
        }
        CubeWeights { stride, weights }
    }

    /// What a cube is worth to each of its `own` members on one side when `other` stand on the other; 0 without members.
    pub fn member(&self, own: usize, other: usize) -> f64 {
        self.weights[own * self.stride + other]
    }
}
