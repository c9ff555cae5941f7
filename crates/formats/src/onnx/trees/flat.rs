//! `TreeEnsemble`: nodes, leaves and set members in flat lists.

use hyaline_model::trees::{Aggregate, EnsembleParts, Weight};

use super::branch::{Branch, Mode, optional_lengths, output, outputs, same_lengths};
use crate::forest::{Forest, SourceNode};

/// The attributes of `TreeEnsemble`; an absent list is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Flat {
    pub(super) n_targets: i64,
    pub(super) tree_roots: Vec<i64>,
    pub(super) nodes_featureids: Vec<i64>,
    pub(super) nodes_splits: Vec<f64>,
    pub(super) nodes_modes: Vec<i64>,
    pub(super) nodes_truenodeids: Vec<i64>,
    pub(super) nodes_trueleafs: Vec<i64>,
    pub(super) nodes_falsenodeids: Vec<i64>,
    pub(super) nodes_falseleafs: Vec<i64>,
    pub(super) nodes_missing_value_tracks_true: Vec<i64>,
    pub(super) leaf_targetids: Vec<i64>,
    pub(super) leaf_weights: Vec<f64>,
    pub(super) membership_values: Vec<f64>,
}

/// The ensemble of a `TreeEnsemble` over `columns` columns.
///
/// # Errors
/// The node, leaf or attribute that breaks a rule.
pub(super) fn flat(
    attributes: &Flat,
    columns: u32,
    aggregate: Aggregate,
) -> Result<EnsembleParts, String> {
    let targets = outputs("n_targets", attributes.n_targets)?;
    let nodes = attributes.nodes_featureids.len();
    let leaves = attributes.leaf_weights.len();
    same_lengths(
        nodes,
        [
            ("nodes_splits", attributes.nodes_splits.len()),
            ("nodes_modes", attributes.nodes_modes.len()),
            ("nodes_truenodeids", attributes.nodes_truenodeids.len()),
            ("nodes_trueleafs", attributes.nodes_trueleafs.len()),
            ("nodes_falsenodeids", attributes.nodes_falsenodeids.len()),
            ("nodes_falseleafs", attributes.nodes_falseleafs.len()),
        ],
    )?;
    same_lengths(
        leaves,
        [("leaf_targetids", attributes.leaf_targetids.len())],
    )?;
    optional_lengths(nodes, &attributes.nodes_missing_value_tracks_true, &[])?;
    let mut members = members_by_node(attributes)?;
    let mut forest = Forest::new(columns, targets as u32);
    let mut reached = vec![false; 3 * nodes];
    if attributes.tree_roots.is_empty() {
        return Err("tree_roots is empty".to_owned());
    }
    for &root in &attributes.tree_roots {
        let root = usize::try_from(root).ok().filter(|&root| root < nodes);
        let root = root.ok_or_else(|| format!("a root outside the {nodes} nodes"))?;
        forest.add(root, &mut reached, |forest, place| {
            if let Some(slot) = place.checked_sub(nodes) {
                let ends = if slot % 2 == 0 {
                    &attributes.nodes_truenodeids
                } else {
                    &attributes.nodes_falsenodeids
                };
                return Ok((flat_leaf(attributes, ends[slot / 2], targets)?, 0.0));
            }
            // A leaf may be shared by several branches: each use is a node of its own, numbered behind the branches.
            let end = |is_leaf: i64, id: i64, side: usize| match usize::try_from(id) {
                _ if is_leaf != 0 => nodes + 2 * place + side,
                Ok(id) if id < nodes => id,
                _ => usize::MAX,
            };
            let mode = attributes.nodes_modes[place];
            let branch = Branch {
                feature: attributes.nodes_featureids[place],
                mode: Mode::numbered(mode)
                    .ok_or_else(|| format!("node {place} has the mode {mode}, none of 0 to 6"))?,
                threshold: attributes.nodes_splits[place],
                members: std::mem::take(&mut members[place]),
                missing_goes_true: attributes
                    .nodes_missing_value_tracks_true
                    .get(place)
                    .is_some_and(|&track| track != 0),
                when_true: end(
                    attributes.nodes_trueleafs[place],
                    attributes.nodes_truenodeids[place],
                    0,
                ),
                when_false: end(
                    attributes.nodes_falseleafs[place],
                    attributes.nodes_falsenodeids[place],
                    1,
                ),
            };
            Ok((
                branch
                    .split(forest)
                    .map_err(|reason| format!("node {place}: {reason}"))?,
                0.0,
            ))
        })?;
    }
    // Leaves have no hit rates here, so there are no covers to have.
    Ok(forest.finish(vec![0.0; targets], aggregate, false))
}

/// What leaf `id` of a `TreeEnsemble` adds.
fn flat_leaf(attributes: &Flat, id: i64, targets: usize) -> Result<SourceNode, String> {
    let leaf = usize::try_from(id)
        .ok()
        .filter(|&leaf| leaf < attributes.leaf_weights.len());
    let leaf = leaf.ok_or_else(|| format!("leaf {id} of {}", attributes.leaf_weights.len()))?;
    let output = output(attributes.leaf_targetids[leaf], targets)?;
    Ok(SourceNode::Leaf(vec![Weight {
        output,
        value: attributes.leaf_weights[leaf],
    }]))
}

/// The members of each node's set: `membership_values` lists them in node order, a NaN behind each set.
fn members_by_node(attributes: &Flat) -> Result<Vec<Vec<f64>>, String> {
    let mut values = attributes.membership_values.iter().copied();
    let members = attributes
        .nodes_modes
        .iter()
        .map(|&mode| match Mode::numbered(mode) {
            Some(Mode::Member) => values
                .by_ref()
                .take_while(|value| !value.is_nan())
                .collect(),
            _ => Vec::new(),
        })
        .collect();
    match values.count() {
        0 => Ok(members),
        left => Err(format!(
            "{left} membership_values belong to no BRANCH_MEMBER node"
        )),
    }
}
