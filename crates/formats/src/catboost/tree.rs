//! One tree of a CatBoost document.

use std::collections::BTreeMap;

use hyaline_model::trees::{Test, Weight};

use super::document::{NanTreatment, Node, Numbers, ObliviousTree, Split};
use crate::forest::{Forest, SourceNode};

/// What the splits know their features by.
pub(super) struct Columns {
    /// By `float_feature_index`: the column, and what NaN counts as.
    pub(super) floats: Vec<(u32, NanTreatment)>,
    /// By `cat_feature_index`: the column, and the codes of the texts of each hash.
    pub(super) categories: Vec<(u32, BTreeMap<u32, Vec<f64>>)>,
}

/// A split with the answer "yes" (bit 1, `right`) and "no" (bit 0, `left`) told apart.
struct Question {
    column: u32,
    test: Test,
    missing_goes_yes: bool,
    /// Whether `test` holds where CatBoost answers "no".
    inverted: bool,
}

impl Question {
    fn node(self, yes: usize, no: usize) -> SourceNode {
        let (yes, no) = if self.inverted { (no, yes) } else { (yes, no) };
        SourceNode::Split {
            column: self.column,
            test: self.test,
            missing_goes_yes: self.missing_goes_yes,
            zero_is_missing: false,
            yes,
            no,
        }
    }
}

impl Columns {
    fn question(&self, split: &Split, forest: &mut Forest) -> Result<Question, String> {
        match (&*split.split_type, split) {
            (
                "FloatFeature",
                Split {
                    border: Some(border),
                    float_feature_index: Some(index),
                    ..
                },
            ) => {
                let &(column, treatment) = self.floats.get(*index).ok_or_else(|| {
                    format!("float feature {index} of {} is split", self.floats.len())
                })?;
                // CatBoost asks `x > border`, in f32.
                Ok(Question {
                    column,
                    test: Test::AtMost(f64::from(*border as f32)),
                    missing_goes_yes: treatment != NanTreatment::Highest,
                    inverted: true,
                })
            }
            (
                "OneHotFeature",
                Split {
                    value: Some(value),
                    cat_feature_index: Some(index),
                    ..
                },
            ) => {
                let (column, codes) = self.categories.get(*index).ok_or_else(|| {
                    format!(
                        "categorical feature {index} of {} is split",
                        self.categories.len()
                    )
                })?;
                let codes = codes.get(&(*value as u32)).cloned().unwrap_or_default();
                Ok(Question {
                    column: *column,
                    test: Test::Member(forest.set(codes)),
                    missing_goes_yes: false,
                    inverted: false,
                })
            }
            (kind, _) => Err(format!(
                "a split of type `{kind}` with the keys of no split that is known"
            )),
        }
    }
}

/// Adds an oblivious tree to `forest`, its leaves multiplied by `scale`. The root asks the last split, as in CatBoost's
/// own attributions.
pub(super) fn plant_oblivious(
    tree: &ObliviousTree,
    forest: &mut Forest,
    outputs: usize,
    scale: f64,
    columns: &Columns,
) -> Result<(), String> {
    let splits = tree.splits.as_deref().unwrap_or_default();
    let leaves = u32::try_from(splits.len())
        .ok()
        .and_then(|depth| 1usize.checked_shl(depth))
        .filter(|leaves| leaves.checked_mul(outputs) == Some(tree.leaf_values.len()))
        .ok_or_else(|| {
            format!(
                "{} leaf_values for {} splits and {outputs} outputs",
                tree.leaf_values.len(),
                splits.len()
            )
        })?;
    let weights = &tree.leaf_weights;
    if !weights.is_empty() && weights.len() != leaves {
        return Err(format!(
            "{} leaf_weights for {leaves} leaves",
            weights.len()
        ));
    }
    // Node `i` has the children `2 i + 1` ("no") and `2 i + 2`; the leaves stand last, in order.
    let inner = leaves - 1;
    let mut covers = vec![0.0; inner + leaves];
    covers[inner..][..weights.len()].copy_from_slice(weights);
    for node in (0..inner).rev() {
        covers[node] = covers[2 * node + 1] + covers[2 * node + 2];
    }
    forest.add(0, &mut vec![false; inner + leaves], |forest, node| {
        let shown = if node < inner {
            let level = (node + 1).ilog2() as usize;
            let split = &splits[splits.len() - 1 - level];
            columns
                .question(split, forest)?
                .node(2 * node + 2, 2 * node + 1)
        } else {
            let values = &tree.leaf_values[(node - inner) * outputs..][..outputs];
            SourceNode::Leaf(leaf(values, scale))
        };
        Ok((shown, covers[node]))
    })
}

/// A node of a flattened tree.
struct Flat<'a> {
    node: &'a Node,
    left: usize,
    right: usize,
    cover: f64,
}

/// Adds a tree that is not oblivious to `forest`, its leaves multiplied by `scale`.
pub(super) fn plant(
    tree: &Node,
    forest: &mut Forest,
    outputs: usize,
    scale: f64,
    columns: &Columns,
) -> Result<(), String> {
    let mut flat = Vec::new();
    flatten(tree, &mut flat);
    forest.add(0, &mut vec![false; flat.len()], |forest, index| {
        let Flat {
            node,
            left,
            right,
            cover,
        } = flat[index];
        let shown = match node {
            Node {
                split: Some(split),
                left: Some(_),
                right: Some(_),
                value: None,
                ..
            } => columns.question(split, forest)?.node(right, left),
            Node {
                split: None,
                left: None,
                right: None,
                value: Some(value),
                ..
            } => {
                let values = value.as_slice();
                if values.len() != outputs {
                    return Err(format!(
                        "a leaf of {} values for {outputs} outputs",
                        values.len()
                    ));
                }
                SourceNode::Leaf(leaf(values, scale))
            }
            _ => return Err("a node is neither a split with two sides nor a leaf".to_owned()),
        };
        Ok((shown, cover))
    })
}

/// Appends the nodes of `tree`, parents first, and returns the cover of its root. The reader of JSON bounds the depth.
fn flatten<'a>(tree: &'a Node, flat: &mut Vec<Flat<'a>>) -> f64 {
    let place = flat.len();
    flat.push(Flat {
        node: tree,
        left: 0,
        right: 0,
        cover: tree.weight.unwrap_or(0.0),
    });
    if let (Some(left), Some(right)) = (&tree.left, &tree.right) {
        flat[place].left = flat.len();
        let below_left = flatten(left, flat);
        flat[place].right = flat.len();
        let below_right = flatten(right, flat);
        flat[place].cover = below_left + below_right;
    }
    flat[place].cover
}

fn leaf(values: &[f64], scale: f64) -> Vec<Weight> {
    let weight = |(output, &value): (u32, &f64)| Weight {
        output,
        value: value * scale,
    };
    (0..).zip(values).map(weight).collect()
}

/// Numbers per row of the first tree, to go by before the trees are read.
pub(super) fn outputs_of(oblivious: Option<&ObliviousTree>, other: Option<&Node>) -> usize {
    if let Some(tree) = oblivious {
        let depth = tree.splits.as_ref().map_or(0, Vec::len);
        let depth = u32::try_from(depth).unwrap_or(u32::MAX);
        return tree.leaf_values.len().checked_shr(depth).unwrap_or(0);
    }
    let mut node = other;
    while let Some(Node {
        left: Some(left), ..
    }) = node
    {
        node = Some(left);
    }
    node.and_then(|leaf| leaf.value.as_ref())
        .map_or(0, |value: &Numbers| value.as_slice().len())
}
