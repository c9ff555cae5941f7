//! `TreeEnsembleClassifier`, `TreeEnsembleRegressor` (ai.onnx.ml 1 and 3) and `TreeEnsemble` (ai.onnx.ml 5), with ONNX
//! Runtime's answers where the specification is silent.
//!
//! A branch asks a question and goes to its true child when the answer is yes. A missing value (NaN) answers no, except
//! to `BRANCH_NEQ`, or where `nodes_missing_value_tracks_true` says yes.

mod branch;
mod classic;
mod flat;

use hyaline_model::graph::dense::{Binary, Cast};
use hyaline_model::graph::ml::{ClassLabel, ClassScores, Labels, PostTransform, SecondScore};
use hyaline_model::trees::{Aggregate, EnsembleParts, TreeEnsemble};
use hyaline_model::{Data, ElementType, Tensor};

use super::builder::{Builder, Value};
use super::node::Node;
use crate::ImportError;
use classic::{Classic, classifier, regressor};
use flat::{Flat, flat};

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
            let aggregate =
                aggregate(node.text("aggregate_function")?.unwrap_or("SUM")).map_err(invalid)?;
            let transform =
                transform(node.text("post_transform")?.unwrap_or("NONE")).map_err(invalid)?;
            let attributes = classic(node, "target")?;
            let parts = regressor(&attributes, columns, node.int("n_targets", 1)?, aggregate)
                .map_err(invalid)?;
            let margins = push_ensemble(node, graph, parts, x)?;
            Ok(vec![push_scores(
                node,
                graph,
                margins,
                transform,
                SecondScore::Absent,
            )?])
        }
        _ => {
            let aggregate =
                numbered_aggregate(node.int("aggregate_function", 1)?).map_err(invalid)?;
            let transform = numbered_transform(node.int("post_transform", 0)?).map_err(invalid)?;
            let parts = flat(&flat_attributes(node)?, columns, aggregate).map_err(invalid)?;
            let margins = push_ensemble(node, graph, parts, x)?;
            let element_type = graph.element_type(x);
            let scores = match transform {
                PostTransform::None => margins,
                _ => push_scores(node, graph, margins, transform, SecondScore::Absent)?,
            };
            Ok(vec![graph.push(
                node,
                Cast { to: element_type },
                &[scores],
            )?])
        }
    }
}

fn lower_classifier(
    node: &Node<'_>,
    graph: &mut Builder,
    x: Value,
    columns: u32,
) -> Result<Vec<Value>, ImportError> {
    let texts = node.texts("classlabels_strings")?;
    let labels = if texts.is_empty() {
        Labels::Integers(node.ints("classlabels_int64s")?.to_vec())
    } else {
        Labels::Symbols(texts.into_iter().map(|text| node.symbol(text)).collect())
    };
    if labels.len() == 1 {
        return Err(node.unsupported("a classifier of one class"));
    }
    let attributes = classic(node, "class")?;
    if labels.len() == 2 && !attributes.base_values.is_empty() && !attributes.speaks_of_one_output()
    {
        let reason = "base_values next to weights for both of two classes, where ONNX Runtime counts the first class's only";
        return Err(node.unsupported(reason));
    }
    let transform = transform(node.text("post_transform")?.unwrap_or("NONE"))
        .map_err(|reason| node.invalid(reason))?;
    let classifier =
        classifier(&attributes, columns, labels.len()).map_err(|reason| node.invalid(reason))?;
    let margins = push_ensemble(node, graph, classifier.ensemble, x)?;
    // In f32, as ONNX Runtime compares: the last bits of an f64 sum must not decide a tie.
    let rounded = graph.push(
        node,
        Cast {
            to: ElementType::F32,
        },
        &[margins],
    )?;
    let rule =
        ClassLabel::new(classifier.decision, labels).map_err(|reason| node.invalid(reason))?;
    let label = graph.push(node, rule, &[rounded])?;
    let scored = if classifier.zero_first {
        let second_only = Tensor::new(vec![2], Data::F64(vec![0.0, 1.0])).expect("two elements");
        let second_only = graph.constant(second_only);
        graph.push(node, Binary::Mul, &[margins, second_only])?
    } else {
        margins
    };
    Ok(vec![
        label,
        push_scores(node, graph, scored, transform, classifier.second)?,
    ])
}

fn push_ensemble(
    node: &Node<'_>,
    graph: &mut Builder,
    parts: EnsembleParts,
    x: Value,
) -> Result<Value, ImportError> {
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
        return graph.push(
            node,
            Cast {
                to: ElementType::F32,
            },
            &[margins],
        );
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
        nodes_modes: node
            .texts("nodes_modes")?
            .into_iter()
            .map(str::to_owned)
            .collect(),
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
    let modes = match node
        .tensor("nodes_modes")?
        .map(|tensor| tensor.into_parts().1)
    {
        None => Vec::new(),
        Some(Data::I64(modes)) => modes,
        Some(other) => {
            return Err(node.invalid(format!(
                "nodes_modes holds {:?}, expected integers",
                other.element_type()
            )));
        }
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
    Ok(node
        .floats(name)?
        .iter()
        .map(|&number| f64::from(number))
        .collect())
}

/// The numbers of the tensor `name`; empty when absent.
fn tensor_floats(node: &Node<'_>, name: &str) -> Result<Vec<f64>, ImportError> {
    match node.tensor(name)?.map(|tensor| tensor.into_parts().1) {
        None => Ok(Vec::new()),
        Some(Data::F32(numbers)) => Ok(numbers.into_iter().map(f64::from).collect()),
        Some(Data::F64(numbers)) => Ok(numbers),
        Some(other) => Err(node.invalid(format!(
            "{name} holds {:?}, expected floats",
            other.element_type()
        ))),
    }
}

/// The aggregate function called `name`.
fn aggregate(name: &str) -> Result<Aggregate, String> {
    match name {
        "SUM" => Ok(Aggregate::Sum),
        "AVERAGE" => Ok(Aggregate::Average),
        "MIN" => Ok(Aggregate::Minimum),
        "MAX" => Ok(Aggregate::Maximum),
        other => Err(format!(
            "aggregate_function `{other}` is none of SUM, AVERAGE, MIN, MAX"
        )),
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
        other => Err(format!(
            "post_transform `{other}` is none of NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO, PROBIT"
        )),
    }
}

/// The post-transform of number `number` (`TreeEnsemble`), as ONNX Runtime counts; the specification has 1 and 2 the other
/// way round.
fn numbered_transform(number: i64) -> Result<PostTransform, String> {
    match number {
        0 => Ok(PostTransform::None),
        1 => Ok(PostTransform::Logistic),
        2 => Ok(PostTransform::Softmax),
        3 => Ok(PostTransform::SoftmaxZero),
        4 => Ok(PostTransform::Probit),
        other => Err(format!("post_transform {other} is none of 0 to 4")),
    }
}
