//! Evaluation of an ensemble over binned rows.

use crate::{Aggregate, Binning, Condition, EnsembleParts, Node, Weight};

/// Walks in flight at once: enough to hide the latency of each walk's dependent loads.
const LANES: usize = 8;
/// Rows binned and evaluated together, so that trees stay in the cache while rows pass.
const ROWS: usize = 64;

/// A node: the walk goes to `next[usize::from(bins[bin] > cut)]`. A leaf goes to itself.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    bin: u32,
    cut: i32,
    next: [u32; 2],
}

/// An ensemble made ready for evaluation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CompiledTrees {
    /// Same indices as the ensemble's nodes.
    steps: Vec<Step>,
    roots: Vec<u32>,
    /// Splits on the longest path of each tree.
    depths: Vec<u32>,
    columns: usize,
    outputs: usize,
    /// Bins per row; at least 1, so that a leaf has something to compare.
    bins: usize,
    /// Whether every leaf speaks about exactly one output; `lone` then holds it for each node.
    lone: Option<Vec<Weight>>,
}

impl CompiledTrees {
    pub(crate) fn new(
        parts: &EnsembleParts,
        binning: &Binning,
        conditions: &[Option<Condition>],
    ) -> CompiledTrees {
        let steps = parts.nodes.iter().zip(conditions).enumerate().map(
            |(index, (node, condition))| match (node, condition) {
                (Node::Split(split), Some(condition)) => Step {
                    bin: condition.bin,
                    cut: i32::from(condition.cut),
                    next: [split.yes, split.no],
                },
                _ => Step {
                    bin: 0,
                    cut: 0,
                    next: [index as u32; 2],
                },
            },
        );
        let mut height = vec![0u32; parts.nodes.len()];
        for (index, node) in parts.nodes.iter().enumerate().rev() {
            if let Node::Split(split) = node {
                height[index] = 1 + height[split.yes as usize].max(height[split.no as usize]);
            }
        }
        let lone = parts.nodes.iter().map(|node| match node {
            Node::Split(_) => Some(Weight {
                output: 0,
                value: 0.0,
            }),
            Node::Leaf(leaf) if leaf.count == 1 => Some(parts.weights[leaf.first as usize]),
            Node::Leaf(_) => None,
        });
        CompiledTrees {
            steps: steps.collect(),
            depths: parts
                .roots
                .iter()
                .map(|&root| height[root as usize])
                .collect(),
            roots: parts.roots.clone(),
            columns: parts.columns as usize,
            outputs: parts.outputs as usize,
            bins: binning.bins().max(1),
            lone: lone.collect(),
        }
    }

    /// Margins `[rows, outputs]` of encoded rows `[rows, columns]`; the same bits however rows are batched.
    pub(crate) fn evaluate(
        &self,
        parts: &EnsembleParts,
        binning: &Binning,
        encoded: &[f64],
        margins: &mut [f64],
    ) {
        let start = match parts.aggregate {
            Aggregate::Sum | Aggregate::Average => 0.0,
            Aggregate::Minimum => f64::INFINITY,
            Aggregate::Maximum => f64::NEG_INFINITY,
        };
        margins.fill(start);
        let rows = margins.len() / self.outputs.max(1);
        let mut bins = vec![0i16; self.bins * rows.clamp(1, ROWS)];
        for (first, margins) in (0..rows)
            .step_by(ROWS)
            .zip(margins.chunks_mut(ROWS * self.outputs.max(1)))
        {
            let block = margins.len() / self.outputs;
            for (row, bins) in (first..first + block).zip(bins.chunks_exact_mut(self.bins)) {
                binning.translate(
                    &encoded[row * self.columns..(row + 1) * self.columns],
                    bins,
                    1,
                    0,
                );
            }
            if block >= LANES {
                self.walk_rows(parts, &bins, margins);
            } else {
                for (bins, margins) in bins
                    .chunks_exact(self.bins)
                    .zip(margins.chunks_exact_mut(self.outputs))
                {
                    self.walk_trees(parts, bins, margins);
                }
            }
        }
        for margins in margins.chunks_exact_mut(self.outputs.max(1)) {
            for (margin, base) in margins.iter_mut().zip(&parts.base) {
                if parts.aggregate == Aggregate::Average {
                    *margin /= parts.roots.len() as f64;
                }
                // An output no leaf speaks about: ONNX Runtime leaves it at 0.
                if margin.is_infinite() {
                    *margin = 0.0;
                }
                *margin += base;
            }
        }
    }

    /// Several trees at a time for one row.
    fn walk_trees(&self, parts: &EnsembleParts, bins: &[i16], margins: &mut [f64]) {
        for (roots, depths) in self.roots.chunks(LANES).zip(self.depths.chunks(LANES)) {
            let mut at = [roots[0]; LANES];
            at[..roots.len()].copy_from_slice(roots);
            for _ in 0..depths.iter().copied().max().unwrap_or(0) {
                for at in &mut at {
                    *at = self.steps[*at as usize].follow(bins);
                }
            }
            for &leaf in &at[..roots.len()] {
                self.add_leaf(parts, leaf, margins);
            }
        }
    }

    /// Several rows at a time for each tree.
    fn walk_rows(&self, parts: &EnsembleParts, bins: &[i16], margins: &mut [f64]) {
        let rows = margins.len() / self.outputs;
        for (&root, &depth) in self.roots.iter().zip(&self.depths) {
            for first in (0..rows).step_by(LANES) {
                let lanes = LANES.min(rows - first);
                // The last rows are walked in a full set of lanes too: some twice, but counted once.
                let lowest = first.min(rows - LANES);
                let bins = &bins[lowest * self.bins..(lowest + LANES) * self.bins];
                let mut at = [root; LANES];
                for _ in 0..depth {
                    for (at, bins) in at.iter_mut().zip(bins.chunks_exact(self.bins)) {
                        *at = self.steps[*at as usize].follow(bins);
                    }
                }
                for (row, &leaf) in (first..first + lanes).zip(&at[first - lowest..]) {
                    self.add_leaf(
                        parts,
                        leaf,
                        &mut margins[row * self.outputs..(row + 1) * self.outputs],
                    );
                }
            }
        }
    }

    fn add_leaf(&self, parts: &EnsembleParts, node: u32, margins: &mut [f64]) {
        if let Some(lone) = &self.lone {
            add(parts.aggregate, lone[node as usize], margins);
            return;
        }
        if let Node::Leaf(leaf) = parts.nodes[node as usize] {
            for &weight in &parts.weights[leaf.first as usize..(leaf.first + leaf.count) as usize] {
                add(parts.aggregate, weight, margins);
            }
        }
    }
}

impl Step {
    fn follow(&self, bins: &[i16]) -> u32 {
        self.next[usize::from(i32::from(bins[self.bin as usize]) > self.cut)]
    }
}

fn add(aggregate: Aggregate, weight: Weight, margins: &mut [f64]) {
    let margin = &mut margins[weight.output as usize];
    match aggregate {
        Aggregate::Sum | Aggregate::Average => *margin += weight.value,
        Aggregate::Minimum => *margin = margin.min(weight.value),
        Aggregate::Maximum => *margin = margin.max(weight.value),
    }
}
