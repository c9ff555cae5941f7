//! `TreeEnsembleClassifier`, `TreeEnsembleRegressor` (ai.onnx.ml 1 and 3) and `TreeEnsemble` (ai.onnx.ml 5), with ONNX
//! Runtime's answers where the specification is silent.
//!
//! A branch asks a question and goes to its true child when the answer is yes. A missing value (NaN) answers no, except
//! to `BRANCH_NEQ`, or where `nodes_missing_value_tracks_true` says yes.

use std::collections::BTreeMap;

use hyaline_model::graph::dense::{Binary, Cast};
use hyaline_model::graph::ml::{ClassLabel, ClassScores, Decision, Labels, PostTransform, SecondScore};
use hyaline_model::trees::{Aggregate, EnsembleParts, Test, TreeEnsemble, Weight};
use hyaline_model::{Data, ElementType, Tensor};

use super::builder::{Builder, Value};
use super::node::Node;
use crate::ImportError;
use crate::forest::{Forest, SourceNode};

/// More outputs than this are refused before memory is spent on them.
const MAX_OUTPUTS: usize = 65_536;

/// Adds what the operator `node` does to `graph`: margins, and the scores and labels made of them.
///
/// # Errors
/// [`ImportError`] naming the tree, node, weight or attribute that breaks a rule or asks for what is not run.
pub(super) fn lower(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let x = node.operand(0)?;
    let columns = graph.columns(node, x)?;
    let invalid = |reason: String| node.invalid(reason);
    match node.op() {
        "TreeEnsembleClassifier" => lower_classifier(node, graph, x, columns),
        "TreeEnsembleRegressor" => {
            let aggregate = aggregate(node.text("aggregate_function")?.unwrap_or("SUM")).map_err(invalid)?;
            let transform = transform(node.text("post_transform")?.unwrap_or("NONE")).map_err(invalid)?;
            let attributes = classic(node, "target")?;
            let parts = regressor(&attributes, columns, node.int("n_targets", 1)?, aggregate).map_err(invalid)?;
            let margins = push_ensemble(node, graph, parts, x)?;
            Ok(vec![push_scores(node, graph, margins, transform, SecondScore::Absent)?])
        }
        _ => {
            let aggregate = numbered_aggregate(node.int("aggregate_function", 1)?).map_err(invalid)?;
            let transform = numbered_transform(node.int("post_transform", 0)?).map_err(invalid)?;
            let parts = flat(&flat_attributes(node)?, columns, aggregate).map_err(invalid)?;
            let margins = push_ensemble(node, graph, parts, x)?;
            let element_type = graph.element_type(x);
            let scores = match transform {
                PostTransform::None => margins,
                _ => push_scores(node, graph, margins, transform, SecondScore::Absent)?,
            };
            Ok(vec![graph.push(node, Cast { to: element_type }, &[scores])?])
        }
    }
}

fn lower_classifier(node: &Node<'_>, graph: &mut Builder, x: Value, columns: u32) -> Result<Vec<Value>, ImportError> {
    let texts = node.texts("classlabels_strings")?;
    let labels = if texts.is_empty() {
        Labels::Integers(node.ints("classlabels_int64s")?.to_vec())
    } else {
        Labels::Symbols(texts.into_iter().map(|text| node.symbol(text)).collect())
    };
    if labels.len() == 1 {
        return Err(node.unsupported("a classifier of one class"));
    }
    let transform = transform(node.text("post_transform")?.unwrap_or("NONE")).map_err(|reason| node.invalid(reason))?;
    let attributes = classic(node, "class")?;
    let classifier = classifier(&attributes, columns, labels.len()).map_err(|reason| node.invalid(reason))?;
    let margins = push_ensemble(node, graph, classifier.ensemble, x)?;
    // In f32, as ONNX Runtime compares: the last bits of an f64 sum must not decide a tie.
    let rounded = graph.push(node, Cast { to: ElementType::F32 }, &[margins])?;
    let rule = ClassLabel::new(classifier.decision, labels).map_err(|reason| node.invalid(reason))?;
    let label = graph.push(node, rule, &[rounded])?;
    let scored = if classifier.zero_first {
        let second_only = Tensor::new(vec![2], Data::F64(vec![0.0, 1.0])).expect("two elements");
        let second_only = graph.constant(second_only);
        graph.push(node, Binary::Mul, &[margins, second_only])?
    } else {
        margins
    };
    Ok(vec![label, push_scores(node, graph, scored, transform, classifier.second)?])
}

fn push_ensemble(node: &Node<'_>, graph: &mut Builder, parts: EnsembleParts, x: Value) -> Result<Value, ImportError> {
    let ensemble = TreeEnsemble::new(parts).map_err(|error| node.invalid(error.to_string()))?;
    graph.push(node, ensemble, &[x])
}

/// The scores as f32.
fn push_scores(
    node: &Node<'_>,
    graph: &mut Builder,
    margins: Value,
    transform: PostTransform,
    second: SecondScore,
) -> Result<Value, ImportError> {
    if transform == PostTransform::None && second == SecondScore::Absent {
        return graph.push(node, Cast { to: ElementType::F32 }, &[margins]);
    }
    let scores = ClassScores::new(transform, second).map_err(|reason| node.unsupported(reason))?;
    graph.push(node, scores, &[margins])
}

/// The attributes of the older operators; `prefix` is `class` or `target`.
fn classic(node: &Node<'_>, prefix: &str) -> Result<Classic, ImportError> {
    let ints = |name: &str| Ok::<_, ImportError>(node.ints(name)?.to_vec());
    Ok(Classic {
        nodes_treeids: ints("nodes_treeids")?,
        nodes_nodeids: ints("nodes_nodeids")?,
        nodes_featureids: ints("nodes_featureids")?,
        nodes_modes: node.texts("nodes_modes")?.into_iter().map(str::to_owned).collect(),
        nodes_values: floats(node, "nodes_values")?,
        nodes_truenodeids: ints("nodes_truenodeids")?,
        nodes_falsenodeids: ints("nodes_falsenodeids")?,
        nodes_missing_value_tracks_true: ints("nodes_missing_value_tracks_true")?,
        nodes_hitrates: floats(node, "nodes_hitrates")?,
        weight_treeids: ints(&format!("{prefix}_treeids"))?,
        weight_nodeids: ints(&format!("{prefix}_nodeids"))?,
        weight_ids: ints(&format!("{prefix}_ids"))?,
        weights: floats(node, &format!("{prefix}_weights"))?,
        base_values: floats(node, "base_values")?,
    })
}

/// The attributes of `TreeEnsemble`.
fn flat_attributes(node: &Node<'_>) -> Result<Flat, ImportError> {
    let ints = |name: &str| Ok::<_, ImportError>(node.ints(name)?.to_vec());
    let modes = match node.tensor("nodes_modes")?.map(|tensor| tensor.into_parts().1) {
        None => Vec::new(),
        Some(Data::I64(modes)) => modes,
        Some(other) => return Err(node.invalid(format!("nodes_modes holds {:?}, expected integers", other.element_type()))),
    };
    Ok(Flat {
        n_targets: node.int("n_targets", 1)?,
        tree_roots: ints("tree_roots")?,
        nodes_featureids: ints("nodes_featureids")?,
        nodes_splits: tensor_floats(node, "nodes_splits")?,
        nodes_modes: modes,
        nodes_truenodeids: ints("nodes_truenodeids")?,
        nodes_trueleafs: ints("nodes_trueleafs")?,
        nodes_falsenodeids: ints("nodes_falsenodeids")?,
        nodes_falseleafs: ints("nodes_falseleafs")?,
        nodes_missing_value_tracks_true: ints("nodes_missing_value_tracks_true")?,
        leaf_targetids: ints("leaf_targetids")?,
        leaf_weights: tensor_floats(node, "leaf_weights")?,
        membership_values: tensor_floats(node, "membership_values")?,
    })
}

/// The list `name`, or the tensor `name_as_tensor` that newer files hold 64-bit numbers in.
fn floats(node: &Node<'_>, name: &str) -> Result<Vec<f64>, ImportError> {
    let tensor = format!("{name}_as_tensor");
    if node.has(&tensor) {
        return tensor_floats(node, &tensor);
    }
    Ok(node.floats(name)?.iter().map(|&number| f64::from(number)).collect())
}

/// The numbers of the tensor `name`; empty when absent.
fn tensor_floats(node: &Node<'_>, name: &str) -> Result<Vec<f64>, ImportError> {
    match node.tensor(name)?.map(|tensor| tensor.into_parts().1) {
        None => Ok(Vec::new()),
        Some(Data::F32(numbers)) => Ok(numbers.into_iter().map(f64::from).collect()),
        Some(Data::F64(numbers)) => Ok(numbers),
        Some(other) => Err(node.invalid(format!("{name} holds {:?}, expected floats", other.element_type()))),
    }
}

/// Where a branch's question comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    NotEqual,
    Member,
}

impl Mode {
    fn named(name: &str) -> Option<Mode> {
        Some(match name {
            "BRANCH_LEQ" => Mode::AtMost,
            "BRANCH_LT" => Mode::Below,
            "BRANCH_GTE" => Mode::AtLeast,
            "BRANCH_GT" => Mode::Above,
            "BRANCH_EQ" => Mode::Equal,
            "BRANCH_NEQ" => Mode::NotEqual,
            _ => return None,
        })
    }

    fn numbered(number: i64) -> Option<Mode> {
        const MODES: [Mode; 7] =
            [Mode::AtMost, Mode::Below, Mode::AtLeast, Mode::Above, Mode::Equal, Mode::NotEqual, Mode::Member];
        usize::try_from(number).ok().and_then(|number| MODES.get(number).copied())
    }
}

/// A branch before it becomes a split.
struct Branch {
    feature: i64,
    mode: Mode,
    threshold: f64,
    /// Members of a [`Mode::Member`] set.
    members: Vec<f64>,
    missing_goes_true: bool,
    when_true: usize,
    when_false: usize,
}

impl Branch {
    /// The split that sends every value the same way.
    fn split(self, forest: &mut Forest) -> Result<SourceNode, String> {
        let column = u32::try_from(self.feature).map_err(|_| format!("feature {} is no column", self.feature))?;
        let (test, negated) = match self.mode {
            Mode::AtMost => (Test::AtMost(self.threshold), false),
            Mode::Below => (Test::Below(self.threshold), false),
            Mode::AtLeast => (Test::Below(self.threshold), true),
            Mode::Above => (Test::AtMost(self.threshold), true),
            Mode::Equal => (Test::Equal(self.threshold), false),
            Mode::NotEqual => (Test::Equal(self.threshold), true),
            Mode::Member => (Test::Member(forest.set(self.members)), false),
        };
        if self.mode != Mode::Member && self.threshold.is_nan() {
            return Err("it compares with NaN".to_owned());
        }
        let missing_goes_true = self.missing_goes_true || self.mode == Mode::NotEqual;
        let (yes, no) = if negated { (self.when_false, self.when_true) } else { (self.when_true, self.when_false) };
        Ok(SourceNode::Split {
            column,
            test,
            missing_goes_yes: missing_goes_true != negated,
            zero_is_missing: false,
            yes,
            no,
        })
    }
}

/// The attributes that `TreeEnsembleClassifier` (`class_*`) and `TreeEnsembleRegressor` (`target_*`) share. Floats of
/// either width are given as f64; an absent list is empty.
#[derive(Clone, Debug, Default)]
struct Classic {
    nodes_treeids: Vec<i64>,
    nodes_nodeids: Vec<i64>,
    nodes_featureids: Vec<i64>,
    nodes_modes: Vec<String>,
    nodes_values: Vec<f64>,
    nodes_truenodeids: Vec<i64>,
    nodes_falsenodeids: Vec<i64>,
    nodes_missing_value_tracks_true: Vec<i64>,
    nodes_hitrates: Vec<f64>,
    weight_treeids: Vec<i64>,
    weight_nodeids: Vec<i64>,
    weight_ids: Vec<i64>,
    weights: Vec<f64>,
    base_values: Vec<f64>,
}

/// The attributes of `TreeEnsemble`; an absent list is empty.
#[derive(Clone, Debug, Default)]
struct Flat {
    n_targets: i64,
    tree_roots: Vec<i64>,
    nodes_featureids: Vec<i64>,
    nodes_splits: Vec<f64>,
    nodes_modes: Vec<i64>,
    nodes_truenodeids: Vec<i64>,
    nodes_trueleafs: Vec<i64>,
    nodes_falsenodeids: Vec<i64>,
    nodes_falseleafs: Vec<i64>,
    nodes_missing_value_tracks_true: Vec<i64>,
    leaf_targetids: Vec<i64>,
    leaf_weights: Vec<f64>,
    membership_values: Vec<f64>,
}

/// A classifier's ensemble and what follows it.
#[derive(Debug, PartialEq)]
struct Classifier {
    /// One margin per class, or one margin in all.
    ensemble: EnsembleParts,
    /// What a single margin says of the other class.
    second: SecondScore,
    /// Whether the single margin is the second class's, next to a score that is constantly 0 before the transform.
    zero_first: bool,
    /// How the margins, as f32, decide the class.
    decision: Decision,
}

/// The aggregate function called `name`.
fn aggregate(name: &str) -> Result<Aggregate, String> {
    match name {
        "SUM" => Ok(Aggregate::Sum),
        "AVERAGE" => Ok(Aggregate::Average),
        "MIN" => Ok(Aggregate::Minimum),
        "MAX" => Ok(Aggregate::Maximum),
        other => Err(format!("aggregate_function `{other}` is none of SUM, AVERAGE, MIN, MAX")),
    }
}

/// The aggregate function of number `number` (`TreeEnsemble`).
fn numbered_aggregate(number: i64) -> Result<Aggregate, String> {
    match number {
        0 => Ok(Aggregate::Average),
        1 => Ok(Aggregate::Sum),
        2 => Ok(Aggregate::Minimum),
        3 => Ok(Aggregate::Maximum),
        other => Err(format!("aggregate_function {other} is none of 0 to 3")),
    }
}

/// The post-transform called `name`.
fn transform(name: &str) -> Result<PostTransform, String> {
    match name {
        "NONE" => Ok(PostTransform::None),
        "SOFTMAX" => Ok(PostTransform::Softmax),
        "LOGISTIC" => Ok(PostTransform::Logistic),
        "SOFTMAX_ZERO" => Ok(PostTransform::SoftmaxZero),
        "PROBIT" => Ok(PostTransform::Probit),
        other => Err(format!("post_transform `{other}` is none of NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO, PROBIT")),
    }
}

/// The post-transform of number `number` (`TreeEnsemble`).
fn numbered_transform(number: i64) -> Result<PostTransform, String> {
    match number {
        0 => Ok(PostTransform::None),
        1 => Ok(PostTransform::Softmax),
        2 => Ok(PostTransform::Logistic),
        3 => Ok(PostTransform::SoftmaxZero),
        4 => Ok(PostTransform::Probit),
        other => Err(format!("post_transform {other} is none of 0 to 4")),
    }
}

/// The ensemble of a `TreeEnsembleRegressor` over `columns` columns.
///
/// # Errors
/// The node, weight or attribute that breaks a rule.
fn regressor(
    attributes: &Classic,
    columns: u32,
    n_targets: i64,
    aggregate: Aggregate,
) -> Result<EnsembleParts, String> {
    let targets = outputs("n_targets", n_targets)?;
    let base = match attributes.base_values.len() {
        0 => vec![0.0; targets],
        found if found == targets => attributes.base_values.clone(),
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
fn classifier(attributes: &Classic, columns: u32, classes: usize) -> Result<Classifier, String> {
    let outputs = outputs("the number of class labels", i64::try_from(classes).unwrap_or(i64::MAX))?;
    let base = &attributes.base_values;
    let lone_class = match attributes.weight_ids.split_first() {
        Some((first, rest)) if classes == 2 && rest.iter().all(|id| id == first) => Some(*first),
        _ => None,
    };
    let positive = attributes.weights.iter().all(|&weight| weight >= 0.0);
    match (lone_class, base.len()) {
        (Some(0), 0 | 1) => {
            let (second, threshold) = if positive { (SecondScore::Complement, 0.5) } else { (SecondScore::Opposite, 0.0) };
            let base = vec![base.first().copied().unwrap_or(0.0)];
            let ensemble = finish(plant(attributes, columns, 1, |_| 0)?, base, Aggregate::Sum);
            Ok(Classifier { ensemble, second, zero_first: false, decision: Decision::Above { column: 0, threshold } })
        }
        (Some(1), 0) => {
            let threshold = if positive { 0.5 } else { 0.0 };
            let ensemble = finish(plant(attributes, columns, 1, |_| 0)?, vec![0.0], Aggregate::Sum);
            let decision = Decision::Above { column: 0, threshold };
            Ok(Classifier { ensemble, second: SecondScore::Absent, zero_first: true, decision })
        }
        (Some(id), found) => Err(format!("{found} base_values with weights of class {id} alone, out of two classes")),
        (None, found) if found != 0 && found != outputs => Err(format!("{found} base_values for {outputs} classes")),
        (None, _) => {
            let base = if base.is_empty() { vec![0.0; outputs] } else { base.clone() };
            let ensemble = finish(plant(attributes, columns, outputs, |id| id)?, base, Aggregate::Sum);
            let decision =
                if classes == 2 { Decision::Above { column: 1, threshold: 0.0 } } else { Decision::Largest };
            Ok(Classifier { ensemble, second: SecondScore::Absent, zero_first: false, decision })
        }
    }
}

/// The ensemble of a `TreeEnsemble` over `columns` columns.
///
/// # Errors
/// The node, leaf or attribute that breaks a rule.
fn flat(attributes: &Flat, columns: u32, aggregate: Aggregate) -> Result<EnsembleParts, String> {
    let targets = outputs("n_targets", attributes.n_targets)?;
    let nodes = attributes.nodes_featureids.len();
    let leaves = attributes.leaf_weights.len();
    same_lengths(nodes, [
        ("nodes_splits", attributes.nodes_splits.len()),
        ("nodes_modes", attributes.nodes_modes.len()),
        ("nodes_truenodeids", attributes.nodes_truenodeids.len()),
        ("nodes_trueleafs", attributes.nodes_trueleafs.len()),
        ("nodes_falsenodeids", attributes.nodes_falsenodeids.len()),
        ("nodes_falseleafs", attributes.nodes_falseleafs.len()),
    ])?;
    same_lengths(leaves, [("leaf_targetids", attributes.leaf_targetids.len())])?;
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
                let ends = if slot % 2 == 0 { &attributes.nodes_truenodeids } else { &attributes.nodes_falsenodeids };
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
                mode: Mode::numbered(mode).ok_or_else(|| format!("node {place} has the mode {mode}, none of 0 to 6"))?,
                threshold: attributes.nodes_splits[place],
                members: std::mem::take(&mut members[place]),
                missing_goes_true: attributes.nodes_missing_value_tracks_true.get(place).is_some_and(|&track| track != 0),
                when_true: end(attributes.nodes_trueleafs[place], attributes.nodes_truenodeids[place], 0),
                when_false: end(attributes.nodes_falseleafs[place], attributes.nodes_falsenodeids[place], 1),
            };
            Ok((branch.split(forest).map_err(|reason| format!("node {place}: {reason}"))?, 0.0))
        })?;
    }
    // Leaves have no hit rates here, so there are no covers to have.
    Ok(forest.finish(vec![0.0; targets], aggregate, false))
}

/// What leaf `id` of a `TreeEnsemble` adds.
fn flat_leaf(attributes: &Flat, id: i64, targets: usize) -> Result<SourceNode, String> {
    let leaf = usize::try_from(id).ok().filter(|&leaf| leaf < attributes.leaf_weights.len());
    let leaf = leaf.ok_or_else(|| format!("leaf {id} of {}", attributes.leaf_weights.len()))?;
    let output = output(attributes.leaf_targetids[leaf], targets)?;
    Ok(SourceNode::Leaf(vec![Weight { output, value: attributes.leaf_weights[leaf] }]))
}

/// The members of each node's set: `membership_values` lists them in node order, a NaN behind each set.
fn members_by_node(attributes: &Flat) -> Result<Vec<Vec<f64>>, String> {
    let mut values = attributes.membership_values.iter().copied();
    let members = attributes
        .nodes_modes
        .iter()
        .map(|&mode| match Mode::numbered(mode) {
            Some(Mode::Member) => values.by_ref().take_while(|value| !value.is_nan()).collect(),
            _ => Vec::new(),
        })
        .collect();
    match values.count() {
        0 => Ok(members),
        left => Err(format!("{left} membership_values belong to no BRANCH_MEMBER node")),
    }
}

/// Grows the trees of the older operators; `slot` maps a weight's id to an output.
fn plant(attributes: &Classic, columns: u32, outputs: usize, slot: impl Fn(i64) -> i64) -> Result<Forest, String> {
    let nodes = attributes.nodes_treeids.len();
    same_lengths(nodes, [
        ("nodes_nodeids", attributes.nodes_nodeids.len()),
        ("nodes_featureids", attributes.nodes_featureids.len()),
        ("nodes_modes", attributes.nodes_modes.len()),
        ("nodes_values", attributes.nodes_values.len()),
        ("nodes_truenodeids", attributes.nodes_truenodeids.len()),
        ("nodes_falsenodeids", attributes.nodes_falsenodeids.len()),
    ])?;
    same_lengths(attributes.weights.len(), [
        ("the weights' tree ids", attributes.weight_treeids.len()),
        ("the weights' node ids", attributes.weight_nodeids.len()),
        ("the weights' output ids", attributes.weight_ids.len()),
    ])?;
    optional_lengths(nodes, &attributes.nodes_missing_value_tracks_true, &attributes.nodes_hitrates)?;
    let places = places(attributes)?;
    let mut leaves: Vec<Vec<Weight>> = Vec::new();
    leaves.resize(nodes, Vec::new());
    for (index, (&tree, &node)) in attributes.weight_treeids.iter().zip(&attributes.weight_nodeids).enumerate() {
        let place = places.get(&(tree, node));
        let place = *place.ok_or_else(|| format!("weight {index} belongs to node {node} of tree {tree}, which does not exist"))?;
        if attributes.nodes_modes[place] != "LEAF" {
            return Err(format!("weight {index} belongs to node {node} of tree {tree}, which is no leaf"));
        }
        let output = output(slot(attributes.weight_ids[index]), outputs)?;
        leaves[place].push(Weight { output, value: attributes.weights[index] });
    }
    let mut forest = Forest::new(columns, outputs as u32);
    let mut reached = vec![false; nodes];
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
                places.get(&(tree, id)).copied().ok_or_else(|| format!("node {node} leads to node {id}, which does not exist"))
            };
            let branch = Branch {
                feature: attributes.nodes_featureids[place],
                mode: Mode::named(name).ok_or_else(|| format!("node {node} has the unknown mode `{name}`"))?,
                threshold: attributes.nodes_values[place],
                members: Vec::new(),
                missing_goes_true: attributes.nodes_missing_value_tracks_true.get(place).is_some_and(|&track| track != 0),
                when_true: child(attributes.nodes_truenodeids[place])?,
                when_false: child(attributes.nodes_falsenodeids[place])?,
            };
            Ok((branch.split(forest).map_err(|reason| format!("node {node}: {reason}"))?, cover))
        });
        grown.map_err(|reason| format!("tree {tree}: {reason}"))?;
    }
    Ok(forest)
}

/// Place of each (tree, node) in the attribute lists.
fn places(attributes: &Classic) -> Result<BTreeMap<(i64, i64), usize>, String> {
    let mut places = BTreeMap::new();
    for (place, (&tree, &node)) in attributes.nodes_treeids.iter().zip(&attributes.nodes_nodeids).enumerate() {
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
            for child in [attributes.nodes_truenodeids[place], attributes.nodes_falsenodeids[place]] {
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
        if !has_parent[place] {
            if let Some(first) = root.replace(place) {
                return Err(format!(
                    "tree {tree} has two roots, the nodes {} and {}",
                    attributes.nodes_nodeids[first], attributes.nodes_nodeids[place]
                ));
            }
        }
    }
    order
        .into_iter()
        .map(|tree| root_of[&tree].ok_or_else(|| format!("tree {tree} has no root: its nodes go in circles")))
        .collect()
}

/// The ensemble; hit rates count as covers when they add up, which placeholders do not.
fn finish(forest: Forest, base: Vec<f64>, aggregate: Aggregate) -> EnsembleParts {
    let covers = forest.has_covers() && forest.covers_add_up();
    forest.finish(base, aggregate, covers)
}

fn outputs(what: &str, number: i64) -> Result<usize, String> {
    match usize::try_from(number) {
        Ok(outputs) if (1..=MAX_OUTPUTS).contains(&outputs) => Ok(outputs),
        _ => Err(format!("{what} is {number}; 1 to {MAX_OUTPUTS} are supported")),
    }
}

fn output(id: i64, outputs: usize) -> Result<u32, String> {
    match u32::try_from(id) {
        Ok(output) if (output as usize) < outputs => Ok(output),
        _ => Err(format!("a leaf speaks about output {id} of {outputs}")),
    }
}

fn same_lengths<const N: usize>(expected: usize, lengths: [(&str, usize); N]) -> Result<(), String> {
    match lengths.iter().find(|(_, length)| *length != expected) {
        Some((name, length)) => Err(format!("{name} has {length} entries, expected {expected}")),
        None => Ok(()),
    }
}

fn optional_lengths(nodes: usize, tracks: &[i64], hitrates: &[f64]) -> Result<(), String> {
    for (name, length) in [("nodes_missing_value_tracks_true", tracks.len()), ("nodes_hitrates", hitrates.len())] {
        if length != 0 && length != nodes {
            return Err(format!("{name} has {length} entries, expected {nodes}"));
        }
    }
    Ok(())
}
