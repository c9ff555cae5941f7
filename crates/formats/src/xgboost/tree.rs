//! One tree of an XGBoost document.

use hyaline_model::trees::{Test, Weight};

use super::document::Tree;
use crate::forest::{Forest, SourceNode};

/// Where the values of a leaf go.
pub(super) enum Leaves<'a> {
    /// One value per leaf, for this output.
    One(u32),
    /// One value per output: `[rows, outputs]`; a leaf's row is the node's own number or the number in `right_children`.
    Vector {
        /// The values.
        weights: &'a [f64],
        /// Width of a row.
        outputs: u32,
        /// Whether `right_children` holds the row.
        indirect: bool,
    },
}

/// Adds `tree` to `forest`, its leaves multiplied by `factor`. `values` are each feature's categories by code, for
/// features whose rows show numbers instead of codes.
pub(super) fn plant(
    tree: &Tree,
    forest: &mut Forest,
    leaves: &Leaves<'_>,
    factor: f64,
    values: &[Option<Vec<f64>>],
) -> Result<(), String> {
    let nodes = tree.left_children.len();
    for (key, length) in [
        ("right_children", tree.right_children.len()),
        ("split_indices", tree.split_indices.len()),
        ("split_conditions", tree.split_conditions.0.len()),
        ("default_left", tree.default_left.0.len()),
    ] {
        if length != nodes {
            return Err(format!("{key} has {length} entries, left_children {nodes}"));
        }
    }
    for (key, length) in [
        ("split_type", tree.split_type.0.len()),
        ("sum_hessian", tree.sum_hessian.0.len()),
    ] {
        if length != nodes && length != 0 {
            return Err(format!("{key} has {length} entries, left_children {nodes}"));
        }
    }
    let sets = category_sets(tree, nodes)?;
    forest.add(0, &mut vec![false; nodes], |forest, node| {
        let cover = tree.sum_hessian.0.get(node).copied().unwrap_or(0.0);
        if tree.left_children[node] == -1 {
            return Ok((SourceNode::Leaf(leaf(tree, node, leaves, factor)?), cover));
        }
        let child = |child: i64| {
            usize::try_from(child).map_err(|_| format!("node {node} has the child {child}"))
        };
        let (left, right) = (
            child(tree.left_children[node])?,
            child(tree.right_children[node])?,
        );
        let column = tree.split_indices[node];
        let Some(known) = values.get(column as usize) else {
            return Err(format!(
                "node {node} splits feature {column}, the model has {}",
                values.len()
            ));
        };
        let default_left = tree.default_left.0[node] != 0.0;
        let split = if tree.split_type.0.get(node).is_some_and(|&kind| kind != 0.0) {
            let codes = sets[node]
                .ok_or_else(|| format!("node {node} is categorical, but has no categories"))?;
            let test = match known {
                // A category of the set goes right, every other number left.
                None => Test::TruncatedMember(
                    forest.set(codes.iter().map(|&code| code as f64).collect()),
                ),
                Some(known) => {
                    let number = |&code: &i64| {
                        usize::try_from(code)
                            .ok()
                            .and_then(|code| known.get(code).copied())
                    };
                    Test::Member(forest.set(codes.iter().filter_map(number).collect()))
                }
            };
            SourceNode::Split {
                column,
                test,
                missing_goes_yes: !default_left,
                zero_is_missing: false,
                yes: right,
                no: left,
            }
        } else {
            if known.is_some() {
                return Err(format!(
                    "node {node} compares feature {column} with a threshold, but it has categories"
                ));
            }
            SourceNode::Split {
                column,
                test: Test::Below(single(tree.split_conditions.0[node])),
                missing_goes_yes: default_left,
                zero_is_missing: false,
                yes: left,
                no: right,
            }
        };
        Ok((split, cover))
    })
}

/// What leaf `node` adds.
fn leaf(tree: &Tree, node: usize, leaves: &Leaves<'_>, factor: f64) -> Result<Vec<Weight>, String> {
    match *leaves {
        Leaves::One(output) => Ok(vec![Weight {
            output,
            value: single(tree.split_conditions.0[node]) * factor,
        }]),
        Leaves::Vector {
            weights,
            outputs,
            indirect,
        } => {
            let row = if indirect {
                usize::try_from(tree.right_children[node]).ok()
            } else {
                Some(node)
            };
            let width = outputs as usize;
            let values = row.and_then(|row| weights.get(row.checked_mul(width)?..)?.get(..width));
            let values = values.ok_or_else(|| {
                format!(
                    "leaf {node} has no row among {} leaf weights",
                    weights.len()
                )
            })?;
            let weight = |(output, &value): (u32, &f64)| Weight {
                output,
                value: single(value) * factor,
            };
            Ok((0..outputs).zip(values).map(weight).collect())
        }
    }
}

/// The categories of each node that has some.
fn category_sets(tree: &Tree, nodes: usize) -> Result<Vec<Option<&[i64]>>, String> {
    let mut sets = Vec::new();
    sets.resize(nodes, None);
    let count = tree.categories_nodes.len();
    if tree.categories_segments.len() != count || tree.categories_sizes.len() != count {
        return Err(format!(
            "categories_nodes, categories_segments and categories_sizes have {count}, {} and {} entries",
            tree.categories_segments.len(),
            tree.categories_sizes.len()
        ));
    }
    for ((&node, &first), &size) in tree
        .categories_nodes
        .iter()
        .zip(&tree.categories_segments)
        .zip(&tree.categories_sizes)
    {
        let slot = usize::try_from(node)
            .ok()
            .and_then(|node| sets.get_mut(node));
        let start = usize::try_from(first).ok();
        let end = start.and_then(|start| start.checked_add(usize::try_from(size).ok()?));
        let set = start
            .zip(end)
            .and_then(|(start, end)| tree.categories.get(start..end));
        match (slot, set) {
            (Some(slot), Some(set)) => *slot = Some(set),
            _ => {
                return Err(format!(
                    "the categories {first} to {first} + {size} of node {node} do not exist"
                ));
            }
        }
    }
    Ok(sets)
}

/// A number of the file as XGBoost holds it.
pub(super) fn single(number: f64) -> f64 {
    f64::from(number as f32)
}
