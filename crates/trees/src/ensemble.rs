//! The one form every importer lowers to: ONNX `TreeEnsemble*`, LightGBM text, XGBoost JSON.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::compiled::CompiledTrees;
use crate::{Binning, Condition};

/// The question a split asks about the value `x` of its column, a real number that is not missing.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Test {
    /// `x ≤ t`.
    AtMost(f64),
    /// `x < t`.
    Below(f64),
    /// `x = t`.
    Equal(f64),
    /// `x` is one of the numbers of this set (index into [`EnsembleParts::sets`]).
    Member(u32),
    /// `x`, truncated towards zero, is one of the numbers of this set (categories given as floats).
    TruncatedMember(u32),
}

/// An inner node: goes to `yes` when the test holds, else to `no`.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Split {
    /// Column of the encoded matrix.
    pub column: u32,
    /// The question.
    pub test: Test,
    /// Where a missing value (NaN) goes.
    pub missing_goes_yes: bool,
    /// Whether `|x| ≤ 1e-35` counts as missing (LightGBM's `zero_as_missing`).
    pub zero_is_missing: bool,
    /// Node index, larger than this node's own.
    pub yes: u32,
    /// Node index, larger than this node's own.
    pub no: u32,
}

/// A leaf: adds `weights[first..first + count]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Leaf {
    /// Index into [`EnsembleParts::weights`].
    pub first: u32,
    /// How many outputs the leaf speaks about.
    pub count: u32,
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Node {
    /// Inner node.
    Split(Split),
    /// Terminal node.
    Leaf(Leaf),
}

/// What a leaf adds to one output.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Weight {
    /// Output index.
    pub output: u32,
    /// Finite amount.
    pub value: f64,
}

/// How the trees' leaves become one number per output; `base` is added afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Aggregate {
    /// Sum over trees.
    Sum,
    /// Sum divided by the number of trees.
    Average,
    /// Smallest over the leaves that speak about the output.
    Minimum,
    /// Largest over the leaves that speak about the output.
    Maximum,
}

/// An ensemble as an importer found it, not yet checked.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct EnsembleParts {
    /// Columns of the encoded matrix.
    pub columns: u32,
    /// Numbers per row that come out.
    pub outputs: u32,
    /// Root node of each tree.
    pub roots: Vec<u32>,
    /// Nodes of all trees; a child stands after its parent and has exactly one parent.
    pub nodes: Vec<Node>,
    /// Leaf weights.
    pub weights: Vec<Weight>,
    /// Number sets of membership tests, each strictly ascending.
    pub sets: Vec<Vec<f64>>,
    /// Training weight that reached each node (same length as `nodes`), where the file has it: positive and finite,
    /// except that a node no training row reached has 0.
    pub covers: Option<Vec<f64>>,
    /// Added to each output (length `outputs`).
    pub base: Vec<f64>,
    /// Aggregation over trees.
    pub aggregate: Aggregate,
}

/// Why parts are no ensemble.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("tree ensemble: {0}")]
pub struct EnsembleError(pub String);

/// A checked ensemble: every index in range, every tree a tree, every number finite. Evaluation cannot fail.
/// Clones share one copy.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeEnsemble {
    checked: Arc<Checked>,
}

#[derive(Debug, PartialEq)]
struct Checked {
    parts: EnsembleParts,
    binning: Binning,
    conditions: Vec<Option<Condition>>,
    compiled: CompiledTrees,
}

impl TreeEnsemble {
    /// Checks `parts`.
    ///
    /// # Errors
    /// [`EnsembleError`] naming the first node, weight, set or cover that breaks a rule of [`EnsembleParts`].
    pub fn new(parts: EnsembleParts) -> Result<TreeEnsemble, EnsembleError> {
        let nodes = parts.nodes.len();
        let mut reached = vec![false; nodes];
        let mut stack = Vec::new();
        for (tree, &root) in parts.roots.iter().enumerate() {
            if root as usize >= nodes || reached[root as usize] {
                return Err(EnsembleError(format!(
                    "root {root} of tree {tree} is no free node of {nodes}"
                )));
            }
            reached[root as usize] = true;
            stack.push(root as usize);
        }
        while let Some(index) = stack.pop() {
            match parts.nodes[index] {
                Node::Split(split) => {
                    check_split(index, &split, &parts)?;
                    for child in [split.yes as usize, split.no as usize] {
                        if child <= index || child >= nodes || reached[child] {
                            return Err(EnsembleError(format!(
                                "node {index} has the child {child}, which is no later free node of {nodes}"
                            )));
                        }
                        reached[child] = true;
                        stack.push(child);
                    }
                }
                Node::Leaf(leaf) => {
                    let end = u64::from(leaf.first) + u64::from(leaf.count);
                    if end > parts.weights.len() as u64 {
                        return Err(EnsembleError(format!(
                            "leaf {index} takes weights up to {end} of {}",
                            parts.weights.len()
                        )));
                    }
                }
            }
        }
        if let Some(index) = reached.iter().position(|reached| !reached) {
            return Err(EnsembleError(format!("node {index} belongs to no tree")));
        }
        check_numbers(&parts)?;
        let (binning, conditions) = Binning::new(&parts.nodes, &parts.sets);
        let compiled = CompiledTrees::new(&parts, &binning, &conditions);
        Ok(TreeEnsemble {
            checked: Arc::new(Checked {
                parts,
                binning,
                conditions,
                compiled,
            }),
        })
    }

    /// The same ensemble with the covers of the encoded rows `[rows, columns]`: how many of them reach each node.
    ///
    /// # Panics
    /// If `encoded` is no whole number of rows.
    pub fn with_covers_from(&self, encoded: &[f64]) -> TreeEnsemble {
        let parts = self.parts();
        let rows = encoded.len() / self.columns().max(1);
        assert_eq!(
            rows * self.columns(),
            encoded.len(),
            "a whole number of rows"
        );
        let mut bins = vec![0; self.binning().bins()];
        let mut covers = vec![0.0; parts.nodes.len()];
        for row in encoded.chunks_exact(self.columns().max(1)) {
            self.binning().translate(row, &mut bins, 1, 0);
            for &root in &parts.roots {
                let mut at = root as usize;
                covers[at] += 1.0;
                while let (Node::Split(split), Some(condition)) =
                    (&parts.nodes[at], self.condition(at))
                {
                    let yes = bins[condition.bin as usize] <= condition.cut;
                    at = if yes { split.yes } else { split.no } as usize;
                    covers[at] += 1.0;
                }
            }
        }
        TreeEnsemble::new(EnsembleParts {
            covers: Some(covers),
            ..parts.clone()
        })
        .expect("only the covers are new")
    }

    /// The checked parts.
    pub fn parts(&self) -> &EnsembleParts {
        &self.checked.parts
    }

    /// The translation of rows under which every split is one integer comparison.
    pub fn binning(&self) -> &Binning {
        &self.checked.binning
    }

    /// What the split `node` compares; `None` for a leaf.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn condition(&self, node: usize) -> Option<Condition> {
        self.checked.conditions[node]
    }

    /// Columns of the encoded matrix.
    pub fn columns(&self) -> usize {
        self.parts().columns as usize
    }

    /// Numbers per row that come out.
    pub fn outputs(&self) -> usize {
        self.parts().outputs as usize
    }

    /// Margins `[rows, outputs]` of the encoded rows `[rows, columns]`, in f64: the leaves' weights are added in tree
    /// order, so a row's margins have the same bits in every batch.
    ///
    /// # Panics
    /// If `encoded` and `margins` are not of the same number of rows of the ensemble's widths.
    pub fn evaluate(&self, encoded: &[f64], margins: &mut [f64]) {
        assert_eq!(
            margins.len() % self.outputs().max(1),
            0,
            "a whole number of rows"
        );
        assert_eq!(
            margins.len() * self.columns(),
            encoded.len() * self.outputs(),
            "as many rows as margins"
        );
        let Checked {
            parts,
            binning,
            compiled,
            ..
        } = &*self.checked;
        compiled.evaluate(parts, binning, encoded, margins);
    }
}

impl Split {
    /// Largest magnitude that LightGBM treats as zero.
    pub const ZERO: f64 = 1e-35;

    /// Whether a row whose column has the value `x` goes to `yes`; `sets` are the ensemble's.
    pub fn holds(&self, x: f64, sets: &[Vec<f64>]) -> bool {
        if x.is_nan() || (self.zero_is_missing && x.abs() <= Split::ZERO) {
            return self.missing_goes_yes;
        }
        let member = |set: u32, x: f64| {
            sets[set as usize]
                .binary_search_by(|known| known.total_cmp(&x))
                .is_ok()
        };
        match self.test {
            Test::AtMost(threshold) => x <= threshold,
            Test::Below(threshold) => x < threshold,
            Test::Equal(value) => x == value,
            // `+ 0.0` turns -0 into 0, which `total_cmp` would tell apart.
            Test::Member(set) => member(set, x + 0.0),
            Test::TruncatedMember(set) => member(set, libm::trunc(x) + 0.0),
        }
    }
}

fn check_split(index: usize, split: &Split, parts: &EnsembleParts) -> Result<(), EnsembleError> {
    if split.column >= parts.columns {
        return Err(EnsembleError(format!(
            "node {index} tests column {}, the matrix has {}",
            split.column, parts.columns
        )));
    }
    match split.test {
        Test::AtMost(t) | Test::Below(t) | Test::Equal(t) if t.is_nan() => {
            Err(EnsembleError(format!("node {index} compares with NaN")))
        }
        Test::Member(set) | Test::TruncatedMember(set) if set as usize >= parts.sets.len() => {
            Err(EnsembleError(format!(
                "node {index} uses set {set} of {}",
                parts.sets.len()
            )))
        }
        _ => Ok(()),
    }
}

fn check_numbers(parts: &EnsembleParts) -> Result<(), EnsembleError> {
    if parts.base.len() != parts.outputs as usize {
        return Err(EnsembleError(format!(
            "{} base values for {} outputs",
            parts.base.len(),
            parts.outputs
        )));
    }
    if let Some(base) = parts.base.iter().find(|base| !base.is_finite()) {
        return Err(EnsembleError(format!(
            "the base value {base} is not finite"
        )));
    }
    for (index, weight) in parts.weights.iter().enumerate() {
        if weight.output >= parts.outputs || !weight.value.is_finite() {
            return Err(EnsembleError(format!(
                "weight {index} adds {} to output {} of {}",
                weight.value, weight.output, parts.outputs
            )));
        }
    }
    for (index, set) in parts.sets.iter().enumerate() {
        let ascending = set.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending
            || set
                .iter()
                .any(|value| value.is_nan() || (*value == 0.0 && value.is_sign_negative()))
        {
            return Err(EnsembleError(format!(
                "set {index} is not strictly ascending"
            )));
        }
    }
    if let Some(covers) = &parts.covers {
        if covers.len() != parts.nodes.len() {
            return Err(EnsembleError(format!(
                "{} covers for {} nodes",
                covers.len(),
                parts.nodes.len()
            )));
        }
        if let Some(index) = covers
            .iter()
            .position(|cover| !cover.is_finite() || *cover < 0.0)
        {
            return Err(EnsembleError(format!(
                "node {index} has the cover {}",
                covers[index]
            )));
        }
    }
    Ok(())
}

impl BorshSerialize for TreeEnsemble {
    fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
        self.parts().serialize(writer)
    }
}

impl BorshDeserialize for TreeEnsemble {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        TreeEnsemble::new(EnsembleParts::deserialize_reader(reader)?).map_err(|error| {
            borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error.to_string())
        })
    }
}
