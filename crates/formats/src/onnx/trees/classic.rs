//! `TreeEnsembleClassifier` and `TreeEnsembleRegressor`: nodes and weights named by tree and node id.

use std::collections::{BTreeMap, BTreeSet};

use hyaline_model::graph::ml::{Decision, SecondScore};
use hyaline_model::trees::{Aggregate, EnsembleParts, Weight};

use super::branch::{Branch, Mode, optional_lengths, output, outputs, same_lengths};
use crate::forest::{Forest, SourceNode};

/// The attributes that `TreeEnsembleClassifier` (`class_*`) and `TreeEnsembleRegressor` (`target_*`) share. Floats of
/// either width are given as f64; an absent list is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Classic {
    pub(super) nodes_treeids: Vec<i64>,
    pub(super) nodes_nodeids: Vec<i64>,
    pub(super) nodes_featureids: Vec<i64>,
    pub(super) nodes_modes: Vec<String>,
    pub(super) nodes_values: Vec<f64>,
    pub(super) nodes_truenodeids: Vec<i64>,
    pub(super) nodes_falsenodeids: Vec<i64>,
    pub(super) nodes_missing_value_tracks_true: Vec<i64>,
    pub(super) nodes_hitrates: Vec<f64>,
    pub(super) weight_treeids: Vec<i64>,
    pub(super) weight_nodeids: Vec<i64>,
    pub(super) weight_ids: Vec<i64>,
    pub(super) weights: Vec<f64>,
    pub(super) base_values: Vec<f64>,
}

impl Classic {
    /// Whether all weights have one and the same id.
    pub(super) fn speaks_of_one_output(&self) -> bool {
        self.weight_ids.windows(2).all(|pair| pair[0] == pair[1])
    }
}

/// A classifier's ensemble and what follows it.
#[derive(Debug, PartialEq)]
pub(super) struct Classifier {
    /// One margin per class, or one margin in all.
    pub(super) ensemble: EnsembleParts,
    /// What a single margin says of the other class.
    pub(super) second: SecondScore,
    /// Whether the single margin is the second class's, next to a score that is constantly 0 before the transform.
    pub(super) zero_first: bool,
    /// How the margins, as f32, decide the class.
    pub(super) decision: Decision,
}

/// The ensemble of a `TreeEnsembleRegressor` over `columns` columns.
///
/// # Errors
/// The node, weight or attribute that breaks a rule.
pub(super) fn regressor(
    attributes: &Classic,
    columns: u32,
    n_targets: i64,
    aggregate: Aggregate,
) -> Result<EnsembleParts, String> {
    let targets = outputs("n_targets", n_targets)?;
    let base = match attributes.base_values.len() {
        0 => vec![0.0; targets],
        found if found == targets => {
            // ONNX Runtime leaves a target no leaf speaks about at 0, without its base value.
            let known: BTreeSet<i64> = attributes.weight_ids.iter().copied().collect();
            let spoken_of = |target: usize| targets == 1 || known.contains(&(target as i64));
            let base = attributes.base_values.iter().enumerate();
            base.map(|(target, &base)| if spoken_of(target) { base } else { 0.0 })
                .collect()
        }
        found => return Err(format!("{found} base_values for {targets} targets")),
    };
    let forest = plant(attributes, columns, targets, |id| id)?;
    Ok(finish(forest, base, aggregate))
}

/// The ensemble of a `TreeEnsembleClassifier` of `classes` classes over `columns` columns.
///
/// Two classes with weights on one class id only have a single margin. With non-negative weights it is the positive
/// class's probability and decides above one half, else above zero; with weights for both, the second class's margin
/// alone decides, above zero.
///
/// # Errors
/// The node, weight or attribute that breaks a rule.
pub(super) fn classifier(
    attributes: &Classic,
    columns: u32,
    classes: usize,
) -> Result<Classifier, String> {
    let outputs = outputs(
        "the number of class labels",
        i64::try_from(classes).unwrap_or(i64::MAX),
    )?;
    let base = &attributes.base_values;
    let lone_class = attributes
        .weight_ids
        .first()
        .copied()
        .filter(|_| classes == 2 && attributes.speaks_of_one_output());
    let positive = attributes.weights.iter().all(|&weight| weight >= 0.0);
    match (lone_class, base.len()) {
        (Some(0), 0 | 1) => {
            let (second, threshold) = if positive {
                (SecondScore::Complement, 0.5)
            } else {
                (SecondScore::Opposite, 0.0)
            };
            let base = vec![base.first().copied().unwrap_or(0.0)];
            let ensemble = finish(plant(attributes, columns, 1, |_| 0)?, base, Aggregate::Sum);
            Ok(Classifier {
                ensemble,
                second,
                zero_first: false,
                decision: Decision::Above {
                    column: 0,
                    threshold,
                },
            })
        }
        (Some(1), 0) => {
            let threshold = if positive { 0.5 } else { 0.0 };
            let ensemble = finish(
                plant(attributes, columns, 1, |_| 0)?,
                vec![0.0],
                Aggregate::Sum,
            );
            let decision = Decision::Above {
                column: 0,
                threshold,
            };
            Ok(Classifier {
                ensemble,
                second: SecondScore::Absent,
                zero_first: true,
                decision,
            })
        }
        (Some(id), found) => Err(format!(
            "{found} base_values with weights of class {id} alone, out of two classes"
        )),
        (None, found) if found != 0 && found != outputs => {
            Err(format!("{found} base_values for {outputs} classes"))
        }
        (None, _) => {
            let base = if base.is_empty() {
                vec![0.0; outputs]
            } else {
                base.clone()
            };
            let ensemble = finish(
                plant(attributes, columns, outputs, |id| id)?,
                base,
                Aggregate::Sum,
            );
            let decision = if classes == 2 {
                Decision::Above {
                    column: 1,
                    threshold: 0.0,
                }
            } else {
                Decision::Largest
            };
            Ok(Classifier {
                ensemble,
                second: SecondScore::Absent,
                zero_first: false,
                decision,
            })
        }
    }
}

/// Grows the trees of the older operators; `slot` maps a weight's id to an output.
fn plant(
    attributes: &Classic,
    columns: u32,
    outputs: usize,
    slot: impl Fn(i64) -> i64,
) -> Result<Forest, String> {
    let nodes = attributes.nodes_treeids.len();
    same_lengths(
        nodes,
        [
            ("nodes_nodeids", attributes.nodes_nodeids.len()),
            ("nodes_featureids", attributes.nodes_featureids.len()),
            ("nodes_modes", attributes.nodes_modes.len()),
            ("nodes_values", attributes.nodes_values.len()),
            ("nodes_truenodeids", attributes.nodes_truenodeids.len()),
            ("nodes_falsenodeids", attributes.nodes_falsenodeids.len()),
        ],
    )?;
    same_lengths(
        attributes.weights.len(),
        [
            ("the weights' tree ids", attributes.weight_treeids.len()),
            ("the weights' node ids", attributes.weight_nodeids.len()),
            ("the weights' output ids", attributes.weight_ids.len()),
        ],
    )?;
    optional_lengths(
        nodes,
        &attributes.nodes_missing_value_tracks_true,
        &attributes.nodes_hitrates,
    )?;
    let places = places(attributes)?;
    let mut leaves: Vec<Vec<Weight>> = Vec::new();
    leaves.resize(nodes, Vec::new());
    for (index, (&tree, &node)) in attributes
        .weight_treeids
        .iter()
        .zip(&attributes.weight_nodeids)
        .enumerate()
    {
        let place = places.get(&(tree, node));
        let place = *place.ok_or_else(|| {
            format!("weight {index} belongs to node {node} of tree {tree}, which does not exist")
        })?;
        if attributes.nodes_modes[place] != "LEAF" {
            return Err(format!(
                "weight {index} belongs to node {node} of tree {tree}, which is no leaf"
            ));
        }
        let output = output(slot(attributes.weight_ids[index]), outputs)?;
        leaves[place].push(Weight {
            output,
            value: attributes.weights[index],
        });
    }
    let mut forest = Forest::new(columns, outputs as u32);
    let mut reached = vec![false; nodes];
    let tracks = |place: usize| {
        attributes
            .nodes_missing_value_tracks_true
            .get(place)
            .is_some_and(|&track| track != 0)
    };
    for root in roots(attributes, &places)? {
        let tree = attributes.nodes_treeids[root];
        let grown = forest.add(root, &mut reached, |forest, place| {
            let cover = attributes.nodes_hitrates.get(place).copied().unwrap_or(0.0);
            let name = &attributes.nodes_modes[place];
            if name == "LEAF" {
                return Ok((SourceNode::Leaf(std::mem::take(&mut leaves[place])), cover));
            }
            let node = attributes.nodes_nodeids[place];
            let child = |id: i64| {
                places
                    .get(&(tree, id))
                    .copied()
                    .ok_or_else(|| format!("node {node} leads to node {id}, which does not exist"))
            };
            let mut branch = Branch {
                feature: attributes.nodes_featureids[place],
                mode: Mode::named(name)
                    .ok_or_else(|| format!("node {node} has the unknown mode `{name}`"))?,
                threshold: attributes.nodes_values[place],
                members: Vec::new(),
                missing_goes_true: tracks(place),
                when_true: child(attributes.nodes_truenodeids[place])?,
                when_false: child(attributes.nodes_falsenodeids[place])?,
            };
            // LightGBM's converter writes a category set as questions one after the other with one answer in common.
            let goes_on = |next: usize, when_true: usize| {
                attributes.nodes_modes[next] == "BRANCH_EQ"
                    && attributes.nodes_featureids[next] == attributes.nodes_featureids[place]
                    && places.get(&(tree, attributes.nodes_truenodeids[next])) == Some(&when_true)
            };
            while matches!(branch.mode, Mode::Equal | Mode::Member)
                && goes_on(branch.when_false, branch.when_true)
            {
                let next = branch.when_false;
                if branch.mode == Mode::Equal {
                    branch.mode = Mode::Member;
                    branch.members.push(branch.threshold);
                }
                branch.members.push(attributes.nodes_values[next]);
                branch.missing_goes_true |= tracks(next);
                branch.when_false = child(attributes.nodes_falsenodeids[next])?;
                if branch.members.len() > nodes {
                    return Err(format!("the questions after node {node} go in circles"));
                }
            }
            Ok((
                branch
                    .split(forest)
                    .map_err(|reason| format!("node {node}: {reason}"))?,
                cover,
            ))
        });
        grown.map_err(|reason| format!("tree {tree}: {reason}"))?;
    }
    Ok(forest)
}

/// Place of each (tree, node) in the attribute lists.
fn places(attributes: &Classic) -> Result<BTreeMap<(i64, i64), usize>, String> {
    let mut places = BTreeMap::new();
    for (place, (&tree, &node)) in attributes
        .nodes_treeids
        .iter()
        .zip(&attributes.nodes_nodeids)
        .enumerate()
    {
        if places.insert((tree, node), place).is_some() {
            return Err(format!("node {node} of tree {tree} is listed twice"));
        }
    }
    Ok(places)
}

/// The node of each tree that no branch leads to, in the order in which the trees first appear.
fn roots(attributes: &Classic, places: &BTreeMap<(i64, i64), usize>) -> Result<Vec<usize>, String> {
    let mut has_parent = vec![false; attributes.nodes_treeids.len()];
    for (place, &tree) in attributes.nodes_treeids.iter().enumerate() {
        if attributes.nodes_modes[place] != "LEAF" {
            for child in [
                attributes.nodes_truenodeids[place],
                attributes.nodes_falsenodeids[place],
            ] {
                if let Some(&child) = places.get(&(tree, child)) {
                    has_parent[child] = true;
                }
            }
        }
    }
    let mut root_of: BTreeMap<i64, Option<usize>> = BTreeMap::new();
    let mut order = Vec::new();
    for (place, &tree) in attributes.nodes_treeids.iter().enumerate() {
        let root = root_of.entry(tree).or_insert_with(|| {
            order.push(tree);
            None
        });
        if !has_parent[place]
            && let Some(first) = root.replace(place)
        {
            return Err(format!(
                "tree {tree} has two roots, the nodes {} and {}",
                attributes.nodes_nodeids[first], attributes.nodes_nodeids[place]
            ));
        }
    }
    order
        .into_iter()
        .map(|tree| {
            root_of[&tree]
                .ok_or_else(|| format!("tree {tree} has no root: its nodes go in circles"))
        })
        .collect()
}

/// The ensemble; hit rates count as covers when they add up, which placeholders do not.
fn finish(forest: Forest, base: Vec<f64>, aggregate: Aggregate) -> EnsembleParts {
    let covers = forest.has_covers() && forest.covers_add_up();
    forest.finish(base, aggregate, covers)
}

#[cfg(test)]
mod tests {
    use super::{Classic, regressor};
    use hyaline_model::trees::{Aggregate, EnsembleParts, Test, TreeEnsemble};

    /// One tree: (node, mode, value, true child, false child) of feature 0; a leaf adds its node number.
    fn tree(nodes: &[(i64, &str, f64, i64, i64)]) -> Classic {
        let mut attributes = Classic::default();
        for &(node, mode, value, when_true, when_false) in nodes {
            attributes.nodes_treeids.push(0);
            attributes.nodes_nodeids.push(node);
            attributes.nodes_featureids.push(0);
            attributes.nodes_modes.push(mode.to_owned());
            attributes.nodes_values.push(value);
            attributes.nodes_truenodeids.push(when_true);
            attributes.nodes_falsenodeids.push(when_false);
            if mode == "LEAF" {
                attributes.weight_treeids.push(0);
                attributes.weight_nodeids.push(node);
                attributes.weight_ids.push(0);
                attributes.weights.push(node as f64);
            }
        }
        attributes
    }

    fn lower(attributes: &Classic) -> Result<EnsembleParts, String> {
        regressor(attributes, 1, 1, Aggregate::Sum)
    }

    fn answers(attributes: &Classic, rows: &[f64]) -> Vec<f64> {
        let ensemble = TreeEnsemble::new(lower(attributes).expect("a tree")).expect("an ensemble");
        let mut margins = vec![0.0; rows.len()];
        ensemble.evaluate(rows, &mut margins);
        margins
    }

    const ROWS: [f64; 4] = [0.0, 1.0, 2.0, f64::NAN];

    #[test]
    fn asks_the_question_of_every_mode() {
        for (mode, expected) in [
            ("BRANCH_LEQ", [1.0, 1.0, 2.0, 2.0]),
            ("BRANCH_LT", [1.0, 2.0, 2.0, 2.0]),
            ("BRANCH_GTE", [2.0, 1.0, 1.0, 2.0]),
            ("BRANCH_GT", [2.0, 2.0, 1.0, 2.0]),
            ("BRANCH_EQ", [2.0, 1.0, 2.0, 2.0]),
            ("BRANCH_NEQ", [1.0, 2.0, 1.0, 1.0]),
        ] {
            let mut attributes = tree(&[
                (0, mode, 1.0, 1, 2),
                (1, "LEAF", 0.0, 0, 0),
                (2, "LEAF", 0.0, 0, 0),
            ]);
            assert_eq!(answers(&attributes, &ROWS), expected, "{mode}");
            attributes.nodes_missing_value_tracks_true = vec![1, 0, 0];
            assert_eq!(answers(&attributes, &ROWS)[..3], expected[..3], "{mode}");
            assert_eq!(answers(&attributes, &ROWS)[3], 1.0, "{mode}");
        }
    }

    #[test]
    fn takes_a_chain_of_equalities_with_one_answer_for_a_set() {
        let chain = tree(&[
            (0, "BRANCH_EQ", 2.0, 2, 1),
            (1, "BRANCH_EQ", 0.0, 2, 3),
            (2, "LEAF", 0.0, 0, 0),
            (3, "LEAF", 0.0, 0, 0),
        ]);
        assert_eq!(answers(&chain, &ROWS), [2.0, 3.0, 2.0, 3.0]);
        let parts = lower(&chain).expect("a tree");
        assert_eq!(parts.sets, [[0.0, 2.0]]);
        assert!(
            matches!(parts.nodes[0], hyaline_model::trees::Node::Split(split) if split.test == Test::Member(0))
        );
    }

    #[test]
    fn takes_nodes_in_any_order() {
        let unsorted = tree(&[
            (9, "LEAF", 0.0, 0, 0),
            (5, "BRANCH_LEQ", 1.0, 9, 7),
            (7, "LEAF", 0.0, 0, 0),
        ]);
        assert_eq!(answers(&unsorted, &ROWS), [9.0, 9.0, 7.0, 7.0]);
    }

    #[test]
    fn refuses_what_is_no_tree() {
        let leaf = (1, "LEAF", 0.0, 0, 0);
        let refused =
            |nodes: &[(i64, &str, f64, i64, i64)]| lower(&tree(nodes)).expect_err("refused");
        assert_eq!(
            refused(&[(0, "BRANCH_LEQ", 0.0, 1, 1), leaf]),
            "tree 0: node 1 is reached twice, so the nodes are no tree"
        );
        assert_eq!(
            refused(&[(0, "BRANCH_LEQ", 0.0, 1, 0), leaf]),
            "tree 0 has no root: its nodes go in circles"
        );
        assert_eq!(
            refused(&[leaf, (2, "LEAF", 0.0, 0, 0)]),
            "tree 0 has two roots, the nodes 1 and 2"
        );
        assert_eq!(
            refused(&[(0, "BRANCH_LEQ", 0.0, 1, 7), leaf]),
            "tree 0: node 0 leads to node 7, which does not exist"
        );
        assert_eq!(refused(&[leaf, leaf]), "node 1 of tree 0 is listed twice");
        assert_eq!(
            refused(&[(0, "BRANCH", 0.0, 1, 2), leaf, (2, "LEAF", 0.0, 0, 0)]),
            "tree 0: node 0 has the unknown mode `BRANCH`"
        );
        assert_eq!(
            refused(&[
                (0, "BRANCH_LEQ", f64::NAN, 1, 2),
                leaf,
                (2, "LEAF", 0.0, 0, 0)
            ]),
            "tree 0: node 0: it compares with NaN"
        );
        let circle = [
            (5, "BRANCH_EQ", 0.0, 1, 0),
            (0, "BRANCH_EQ", 0.0, 1, 2),
            (2, "BRANCH_EQ", 1.0, 1, 0),
            leaf,
        ];
        assert_eq!(
            refused(&circle),
            "tree 0: the questions after node 5 go in circles"
        );
    }

    #[test]
    fn takes_hit_rates_for_covers_only_when_they_add_up() {
        let nodes = [
            (0, "BRANCH_LEQ", 1.0, 1, 2),
            (1, "LEAF", 0.0, 0, 0),
            (2, "LEAF", 0.0, 0, 0),
        ];
        let mut attributes = tree(&nodes);
        assert_eq!(lower(&attributes).expect("a tree").covers, None);
        attributes.nodes_hitrates = vec![1.0, 1.0, 1.0];
        assert_eq!(lower(&attributes).expect("a tree").covers, None);
        attributes.nodes_hitrates = vec![10.0, 7.0, 3.0];
        assert_eq!(
            lower(&attributes).expect("a tree").covers,
            Some(vec![10.0, 7.0, 3.0])
        );
    }

    #[test]
    fn refuses_lists_of_the_wrong_length() {
        let mut attributes = tree(&[(0, "LEAF", 0.0, 0, 0)]);
        attributes.nodes_values.pop();
        assert_eq!(
            lower(&attributes),
            Err("nodes_values has 0 entries, expected 1".to_owned())
        );
        let attributes = Classic {
            base_values: vec![1.0, 2.0],
            ..tree(&[(0, "LEAF", 0.0, 0, 0)])
        };
        assert_eq!(
            lower(&attributes),
            Err("2 base_values for 1 targets".to_owned())
        );
        assert_eq!(
            regressor(
                &tree(&[(0, "LEAF", 0.0, 0, 0)]),
                1,
                4_000_000_000,
                Aggregate::Sum
            ),
            Err("n_targets is 4000000000; 1 to 65536 are supported".to_owned())
        );
    }
}
