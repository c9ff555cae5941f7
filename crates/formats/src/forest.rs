//! From a file's own node tables to [`EnsembleParts`]: what every tree importer shares.

use hyaline_model::trees::{Aggregate, EnsembleParts, Leaf, Node, Split, Test, Weight};

/// A node as a file describes it; children are the file's own indices within one tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SourceNode {
    /// Inner node.
    Split {
        /// Column of the encoded matrix.
        column: u32,
        /// The question.
        test: Test,
        /// Where a missing value goes.
        missing_goes_yes: bool,
        /// Whether zero counts as missing.
        zero_is_missing: bool,
        /// Child when the test holds.
        yes: usize,
        /// Child otherwise.
        no: usize,
    },
    /// Terminal node: what it adds.
    Leaf(Vec<Weight>),
}

/// Grows the flat form of an ensemble tree by tree.
#[derive(Debug)]
pub(crate) struct Forest {
    parts: EnsembleParts,
    covers: Vec<f64>,
}

impl Forest {
    /// An ensemble without trees that sums.
    pub(crate) fn new(columns: u32, outputs: u32) -> Forest {
        Forest {
            parts: EnsembleParts {
                columns,
                outputs,
                roots: Vec::new(),
                nodes: Vec::new(),
                weights: Vec::new(),
                sets: Vec::new(),
                covers: None,
                base: vec![0.0; outputs as usize],
                aggregate: Aggregate::Sum,
            },
            covers: Vec::new(),
        }
    }

    /// Keeps the number set `values` (any order, repeats allowed, no NaN) and returns its index. A set equal to the one
    /// kept last is kept once.
    pub(crate) fn set(&mut self, mut values: Vec<f64>) -> u32 {
        for value in &mut values {
            *value += 0.0; // -0 becomes 0
        }
        values.sort_by(f64::total_cmp);
        values.dedup();
        if self.parts.sets.last() != Some(&values) {
            self.parts.sets.push(values);
        }
        self.parts.sets.len() as u32 - 1
    }

    /// Copies the tree below `root` out of a file's table. `read` turns one of its nodes into a node and its cover; nodes
    /// the root does not lead to are left out. `reached` has one mark per node of the table; trees that share a table
    /// share the marks.
    ///
    /// # Errors
    /// The words of `read`, or a child that does not exist or is reached twice (so that the table is no tree).
    pub(crate) fn add(
        &mut self,
        root: usize,
        reached: &mut [bool],
        mut read: impl FnMut(&mut Forest, usize) -> Result<(SourceNode, f64), String>,
    ) -> Result<(), String> {
        let count = reached.len();
        let first = self.parts.nodes.len() as u32;
        // (file index, the parent that waits for this node's place, whether it is the parent's `yes`)
        let mut stack = vec![(root, None, false)];
        while let Some((source, parent, is_yes)) = stack.pop() {
            match reached.get_mut(source) {
                None => {
                    return Err(format!(
                        "node {source} does not exist, the table has {count}"
                    ));
                }
                Some(true) => {
                    return Err(format!(
                        "node {source} is reached twice, so the nodes are no tree"
                    ));
                }
                Some(reached) => *reached = true,
            }
            let place = self.parts.nodes.len() as u32;
            if let Some(parent) = parent
                && let Node::Split(split) = &mut self.parts.nodes[parent as usize]
            {
                *(if is_yes {
                    &mut split.yes
                } else {
                    &mut split.no
                }) = place;
            }
            let (node, cover) = read(self, source)?;
            let node = match node {
                SourceNode::Split {
                    column,
                    test,
                    missing_goes_yes,
                    zero_is_missing,
                    yes,
                    no,
                } => {
                    stack.push((no, Some(place), false));
                    stack.push((yes, Some(place), true));
                    Node::Split(Split {
                        column,
                        test,
                        missing_goes_yes,
                        zero_is_missing,
                        yes: 0,
                        no: 0,
                    })
                }
                SourceNode::Leaf(weights) => {
                    let first = self.parts.weights.len() as u32;
                    let count = weights.len() as u32;
                    self.parts.weights.extend(weights);
                    Node::Leaf(Leaf { first, count })
                }
            };
            self.parts.nodes.push(node);
            self.covers.push(cover);
        }
        self.parts.roots.push(first);
        Ok(())
    }

    /// Whether every cover is a finite amount of training weight and some of it reached each root.
    pub(crate) fn has_covers(&self) -> bool {
        let sound = self
            .covers
            .iter()
            .all(|cover| cover.is_finite() && *cover >= 0.0);
        sound
            && self
                .parts
                .roots
                .iter()
                .all(|&root| self.covers[root as usize] > 0.0)
    }

    /// Whether the covers below every inner node add up to its own, which constants written as placeholders do not.
    pub(crate) fn covers_add_up(&self) -> bool {
        let pairs = self.parts.nodes.iter().zip(&self.covers);
        pairs.into_iter().all(|(node, &cover)| match node {
            Node::Split(split) => {
                let below = self.covers[split.yes as usize] + self.covers[split.no as usize];
                (below - cover).abs() <= 1e-3 * cover
            }
            Node::Leaf(_) => true,
        })
    }

    /// The ensemble, with its covers when `covers` says they are real.
    pub(crate) fn finish(
        mut self,
        base: Vec<f64>,
        aggregate: Aggregate,
        covers: bool,
    ) -> EnsembleParts {
        self.parts.base = base;
        self.parts.aggregate = aggregate;
        self.parts.covers = covers.then_some(self.covers);
        self.parts
    }
}
