//! Lowering of the ai.onnx.ml domain, trees apart.

mod encoders;
mod linear;
mod preprocessing;
mod svm;

use hyaline_model::graph::dense::Cast;
use hyaline_model::graph::ml::{Labels, PostTransform};
use hyaline_model::{ElementType, Label, Tensor};

use super::builder::{Builder, Value};
use super::node::Node;
use crate::ImportError;

/// What a lookup of texts answers for an unknown key, unless the file says otherwise.
pub(super) const DEFAULT_TEXT: &str = "_Unused";

/// Adds what the operator `node` does to `graph`; one value per output comes back.
///
/// # Errors
/// [`ImportError::Unsupported`] for operators and variants that cannot run, [`ImportError::Invalid`] for attributes that
/// contradict each other or the operand.
pub(super) fn lower(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    match node.op() {
        "LinearClassifier" => linear::classifier(node, graph),
        "LinearRegressor" => linear::regressor(node, graph),
        "SVMClassifier" => svm::classifier(node, graph),
        "SVMRegressor" => svm::regressor(node, graph),
        "Scaler" => preprocessing::scaler(node, graph),
        "Imputer" => preprocessing::imputer(node, graph),
        "Normalizer" => preprocessing::normalizer(node, graph),
        "Binarizer" => preprocessing::binarizer(node, graph),
        "FeatureVectorizer" => preprocessing::feature_vectorizer(node, graph),
        "ArrayFeatureExtractor" => preprocessing::array_feature_extractor(node, graph),
        "OneHotEncoder" => encoders::one_hot(node, graph),
        "LabelEncoder" => encoders::label_encoder(node, graph),
        "CategoryMapper" => encoders::category_mapper(node, graph),
        _ => Err(node.unsupported("this operator of ai.onnx.ml is not known here")),
    }
}

/// The attribute `post_transform`.
pub(super) fn post_transform(node: &Node<'_>) -> Result<PostTransform, ImportError> {
    match node.text("post_transform")?.unwrap_or("NONE") {
        "NONE" => Ok(PostTransform::None),
        "SOFTMAX" => Ok(PostTransform::Softmax),
        "LOGISTIC" => Ok(PostTransform::Logistic),
        "SOFTMAX_ZERO" => Ok(PostTransform::SoftmaxZero),
        "PROBIT" => Ok(PostTransform::Probit),
        other => Err(node.invalid(format!(
            "attribute `post_transform` is `{}`, expected NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT",
            super::shorten(other)
        ))),
    }
}

/// The class labels: `classlabels_strings`, or else `integers` (`classlabels_ints`, or `classlabels_int64s` of the tree
/// operators). Empty when the file has neither.
pub(super) fn class_labels(node: &Node<'_>, integers: &str) -> Result<ClassLabels, ImportError> {
    let texts = node.texts("classlabels_strings")?;
    if texts.is_empty() {
        let integers = node.ints(integers)?.to_vec();
        let names = integers
            .iter()
            .map(|&label| Label::Integer(label))
            .collect();
        return Ok(ClassLabels {
            labels: Labels::Integers(integers),
            names,
        });
    }
    let symbols = texts.iter().map(|text| node.symbol(text)).collect();
    let names = texts
        .iter()
        .map(|&text| Label::Text(text.to_owned()))
        .collect();
    Ok(ClassLabels {
        labels: Labels::Symbols(symbols),
        names,
    })
}

/// Class labels as the graph's operators and as the head know them, in score order.
pub(super) struct ClassLabels {
    /// For operators.
    pub(super) labels: Labels,
    /// For the head.
    pub(super) names: Vec<Label>,
}

/// The operand of an estimator, as f32: ONNX Runtime casts it.
fn as_f32(node: &Node<'_>, graph: &mut Builder) -> Result<Value, ImportError> {
    graph.push(
        node,
        Cast {
            to: ElementType::F32,
        },
        &[node.operand(0)?],
    )
}

/// Refuses an operator with one number per column (or one for all) for an operand of another width.
fn check_columns(
    node: &Node<'_>,
    graph: &Builder,
    what: &str,
    found: usize,
) -> Result<(), ImportError> {
    let columns = graph
        .sample(node.operand(0)?)
        .map(Tensor::shape)
        .and_then(<[usize]>::last)
        .copied();
    match columns {
        Some(columns) if found != 1 && found != columns => Err(node.invalid(format!(
            "{found} {what} for an operand of {columns} columns"
        ))),
        _ => Ok(()),
    }
}

/// An attribute's integer as a size that fits 32 bits.
fn size(node: &Node<'_>, name: &str, value: i64) -> Result<u32, ImportError> {
    u32::try_from(value).map_err(|_| {
        node.invalid(format!(
            "attribute `{name}` holds {value}, expected 0 to {}",
            u32::MAX
        ))
    })
}

#[cfg(test)]
mod tests;
