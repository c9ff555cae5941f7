//! One `Tree=` section of a LightGBM text model.

use hyaline_model::trees::{Test, Weight};

use super::section::Section;
use super::{CategoryValues, invalid};
use crate::ImportError;
use crate::forest::{Forest, SourceNode};

/// Bits of `decision_type`.
const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;

/// What a split takes for a missing value (bits 2 and 3 of `decision_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MissingType {
    /// Nothing: NaN is read as zero.
    None,
    /// Zero and NaN.
    Zero,
    /// NaN.
    Nan,
}

/// The arrays of one tree. Inner nodes are 0, 1, …; leaf `l` is written `-1 - l`.
#[derive(Debug)]
pub(super) struct TreeTable {
    number: usize,
    split_feature: Vec<u32>,
    threshold: Vec<f64>,
    decision_type: Vec<u8>,
    left_child: Vec<i64>,
    right_child: Vec<i64>,
    leaf_value: Vec<f64>,
    /// Rows per leaf and per inner node; empty where the file leaves them out.
    leaf_count: Vec<f64>,
    internal_count: Vec<f64>,
    cat_boundaries: Vec<usize>,
    cat_threshold: Vec<u32>,
}

impl TreeTable {
    /// Reads the arrays and checks their lengths against `num_leaves`.
    pub(super) fn read(number: usize, section: &Section<'_>) -> Result<TreeTable, ImportError> {
        let leaves: usize = section.number("num_leaves")?;
        if leaves == 0 {
            return Err(section.invalid("num_leaves=0: a tree has at least one leaf"));
        }
        if section
            .get("is_linear")
            .is_some_and(|text| text.trim() == "1")
        {
            return Err(ImportError::unsupported(
                format!("LightGBM model, tree {number}"),
                "linear trees (is_linear=1) have no exact explanation and are not run; train with linear_tree=false",
            ));
        }
        let inner = leaves - 1;
        let categories: usize = section
            .get("num_cat")
            .map_or(Ok(0), |_| section.number("num_cat"))?;
        let mut table = TreeTable {
            number,
            split_feature: section.list("split_feature", inner)?,
            threshold: section.list("threshold", inner)?,
            decision_type: section.list("decision_type", inner)?,
            left_child: section.list("left_child", inner)?,
            right_child: section.list("right_child", inner)?,
            leaf_value: section.list("leaf_value", leaves)?,
            leaf_count: section.list_or_empty("leaf_count", leaves)?,
            internal_count: section.list_or_empty("internal_count", inner)?,
            cat_boundaries: Vec::new(),
            cat_threshold: Vec::new(),
        };
        if categories > 0 {
            table.cat_boundaries = section.list("cat_boundaries", categories.saturating_add(1))?;
            let words = table.cat_boundaries.last().copied().unwrap_or(0);
            table.cat_threshold = section.list("cat_threshold", words)?;
            if table
                .cat_boundaries
                .windows(2)
                .any(|pair| pair[0] > pair[1])
            {
                return Err(section.invalid("cat_boundaries go down"));
            }
        }
        Ok(table)
    }

    /// Adds the tree to `forest`; its leaves speak about `output` and are multiplied by `scale`.
    pub(super) fn plant(
        &self,
        forest: &mut Forest,
        output: u32,
        scale: f64,
        categories: &[CategoryValues],
    ) -> Result<(), ImportError> {
        // Inner nodes keep their numbers, leaves follow them.
        let inner = self.split_feature.len();
        let place = |child: i64| match usize::try_from(child) {
            Ok(node) if node < inner => node,
            Ok(_) => usize::MAX,
            Err(_) => inner.saturating_add(!child as usize),
        };
        let mut reached = vec![false; inner + self.leaf_value.len()];
        forest
            .add(0, &mut reached, |forest, node| {
                if let Some(leaf) = node.checked_sub(inner) {
                    let cover = self
                        .leaf_count
                        .get(leaf)
                        .copied()
                        .unwrap_or(f64::from(u8::from(inner == 0)));
                    // A tree of one leaf does not tell rows apart; LightGBM leaves its count at zero.
                    let cover = if inner == 0 { cover.max(1.0) } else { cover };
                    return Ok((
                        SourceNode::Leaf(vec![Weight {
                            output,
                            value: self.leaf_value[leaf] * scale,
                        }]),
                        cover,
                    ));
                }
                let (test, missing_goes_yes, zero_is_missing) =
                    self.question(forest, node, categories)?;
                let split = SourceNode::Split {
                    column: self.split_feature[node],
                    test,
                    missing_goes_yes,
                    zero_is_missing,
                    yes: place(self.left_child[node]),
                    no: place(self.right_child[node]),
                };
                Ok((split, self.internal_count.get(node).copied().unwrap_or(0.0)))
            })
            .map_err(|reason| invalid(format!("tree {}", self.number), reason))
    }

    /// The test of inner node `node`, whether missing goes left, and whether zero is missing.
    fn question(
        &self,
        forest: &mut Forest,
        node: usize,
        categories: &[CategoryValues],
    ) -> Result<(Test, bool, bool), String> {
        let refuse = |reason: String| format!("node {node}: {reason}");
        let feature = self.split_feature[node] as usize;
        let Some(values) = categories.get(feature) else {
            return Err(refuse(format!(
                "it splits feature {feature}, the model has {}",
                categories.len()
            )));
        };
        let decision = self.decision_type[node];
        let threshold = self.threshold[node];
        if decision & CATEGORICAL != 0 {
            let index = threshold as usize;
            let words = match (
                self.cat_boundaries.get(index),
                self.cat_boundaries.get(index.saturating_add(1)),
            ) {
                (Some(&start), Some(&end)) if threshold >= 0.0 => &self.cat_threshold[start..end],
                _ => return Err(refuse(format!("category set {threshold} does not exist"))),
            };
            let codes =
                (0..words.len() * 32).filter(|code| words[code / 32] >> (code % 32) & 1 == 1);
            // NaN, negative numbers and unknown categories are in no set: right.
            return Ok(match values {
                CategoryValues::Codes | CategoryValues::Texts(_) => {
                    let set = forest.set(codes.map(|code| code as f64).collect());
                    (Test::TruncatedMember(set), false, false)
                }
                CategoryValues::Numbers(numbers) => {
                    let set = forest.set(
                        codes
                            .filter_map(|code| numbers.get(code).copied())
                            .collect(),
                    );
                    (Test::Member(set), false, false)
                }
            });
        }
        if !matches!(values, CategoryValues::Codes) {
            return Err(refuse(format!(
                "it compares feature {feature} with a threshold, but pandas_categorical lists categories for it"
            )));
        }
        let missing = match decision >> 2 & 3 {
            0 => MissingType::None,
            1 => MissingType::Zero,
            2 => MissingType::Nan,
            other => {
                return Err(refuse(format!(
                    "missing type {other} of decision_type {decision} is none of 0, 1, 2"
                )));
            }
        };
        let default_left = decision & DEFAULT_LEFT != 0;
        let missing_goes_left = match missing {
            MissingType::None => 0.0 <= threshold,
            MissingType::Zero | MissingType::Nan => default_left,
        };
        Ok((
            Test::AtMost(threshold),
            missing_goes_left,
            missing == MissingType::Zero,
        ))
    }
}
