//! The two games by definition: what every coalition is worth, by walking the trees.

use hyaline_explain::shapley_values;
use hyaline_model::trees::{Aggregate, Node, TreeEnsemble};

/// A game: the worths `[2^features][outputs]`.
pub struct Game {
    pub features: usize,
    pub outputs: usize,
    pub worths: Vec<Vec<f64>>,
}

impl Game {
    /// Absent features take their columns from background rows.
    pub fn interventional(
        ensemble: &TreeEnsemble,
        column_feature: &[u32],
        features: usize,
        background: &[f64],
        row: &[f64],
    ) -> Game {
        let worth = |coalition: usize| {
            let mut mean = vec![0.0; ensemble.outputs()];
            let rows = background.len() / ensemble.columns();
            for reference in background.chunks_exact(ensemble.columns()) {
                let mixed: Vec<f64> = (0..ensemble.columns())
                    .map(|column| {
                        if present(coalition, column_feature[column]) {
                            row[column]
                        } else {
                            reference[column]
                        }
                    })
                    .collect();
                let mut margins = vec![0.0; ensemble.outputs()];
                ensemble.evaluate(&mixed, &mut margins);
                for (mean, margin) in mean.iter_mut().zip(margins) {
                    *mean += margin / rows as f64;
                }
            }
            mean
        };
        Game {
            features,
            outputs: ensemble.outputs(),
            worths: (0..1 << features).map(worth).collect(),
        }
    }

    /// A split on an absent feature goes both ways, by cover.
    pub fn path_dependent(
        ensemble: &TreeEnsemble,
        column_feature: &[u32],
        features: usize,
        row: &[f64],
    ) -> Game {
        let parts = ensemble.parts();
        let scale = if parts.aggregate == Aggregate::Average {
            1.0 / parts.roots.len() as f64
        } else {
            1.0
        };
        let worth = |coalition: usize| {
            let mut worth = parts.base.clone();
            for &root in &parts.roots {
                descend(
                    ensemble,
                    column_feature,
                    coalition,
                    row,
                    root,
                    scale,
                    &mut worth,
                );
            }
            worth
        };
        Game {
            features,
            outputs: ensemble.outputs(),
            worths: (0..1 << features).map(worth).collect(),
        }
    }

    fn worths_of(&self, output: usize) -> Vec<f64> {
        self.worths.iter().map(|worths| worths[output]).collect()
    }

    /// `[features, outputs]`.
    pub fn values(&self) -> Vec<f64> {
        let per_output: Vec<Vec<f64>> = (0..self.outputs)
            .map(|output| shapley_values(self.features, &self.worths_of(output)))
            .collect();
        (0..self.features)
            .flat_map(|feature| per_output.iter().map(move |values| values[feature]))
            .collect()
    }
}

/// `present! absent! / (present + absent + 1)!`: the chance, over uniform `t`, that exactly `present` given players come and `absent` do not.
fn chance(present: usize, absent: usize) -> f64 {
    (1..=absent).fold(1.0 / (present + absent + 1) as f64, |chance, k| {
        chance * k as f64 / (present + k) as f64
    })
}

impl Game {
    /// `[features, features, outputs]`: half the Shapley interaction index off the diagonal, rows summing to the values.
    pub fn interactions(&self) -> Vec<f64> {
        let (n, outputs) = (self.features, self.outputs);
        let values = self.values();
        let mut interactions = vec![0.0; n * n * outputs];
        for output in 0..outputs {
            let worth = self.worths_of(output);
            for i in 0..n {
                let mut rest = values[i * outputs + output];
                for j in (0..n).filter(|&j| j != i) {
                    let pair = 1usize << i | 1 << j;
                    let index: f64 = (0..worth.len())
                        .filter(|coalition| coalition & pair == 0)
                        .map(|coalition| {
                            let size = coalition.count_ones() as usize;
                            let surplus = worth[coalition | pair]
                                - worth[coalition | 1 << i]
                                - worth[coalition | 1 << j]
                                + worth[coalition];
                            chance(size, n - 2 - size) * surplus
                        })
                        .sum();
                    interactions[(i * n + j) * outputs + output] = index / 2.0;
                    rest -= index / 2.0;
                }
                interactions[(i * n + i) * outputs + output] = rest;
            }
        }
        interactions
    }
}

fn present(coalition: usize, feature: u32) -> bool {
    coalition >> feature & 1 == 1
}

fn descend(
    ensemble: &TreeEnsemble,
    column_feature: &[u32],
    coalition: usize,
    row: &[f64],
    node: u32,
    share: f64,
    worth: &mut [f64],
) {
    let parts = ensemble.parts();
    match &parts.nodes[node as usize] {
        Node::Leaf(leaf) => {
            for weight in &parts.weights[leaf.first as usize..(leaf.first + leaf.count) as usize] {
                worth[weight.output as usize] += share * weight.value;
            }
        }
        Node::Split(split) => {
            let mut go = |child, share| {
                descend(
                    ensemble,
                    column_feature,
                    coalition,
                    row,
                    child,
                    share,
                    worth,
                )
            };
            if present(coalition, column_feature[split.column as usize]) {
                let yes = split.holds(row[split.column as usize], &parts.sets);
                go(if yes { split.yes } else { split.no }, share);
                return;
            }
            let covers = parts.covers.as_ref().expect("the ensemble has covers");
            let [yes, no] = [split.yes, split.no].map(|child| covers[child as usize]);
            let yes_share = if yes + no > 0.0 {
                yes / (yes + no)
            } else {
                0.5
            };
            go(split.yes, share * yes_share);
            go(split.no, share * (1.0 - yes_share));
        }
    }
}
