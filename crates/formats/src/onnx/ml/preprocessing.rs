//! Operators that change numbers or arrange columns.

use hyaline_model::graph::dense::Cast;
use hyaline_model::graph::ml::{
    ArrayFeatureExtractor, Binarizer, FeatureVectorizer, Imputer, Normalizer, Scaler,
};
use hyaline_model::{Data, ElementType, Tensor};

use super::{Builder, Node, Value, check_columns, size};
use crate::ImportError;

/// Most columns that `FeatureVectorizer` makes.
const MAX_COLUMNS: u64 = 1 << 16;

pub(super) fn scaler(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let (offset, scale) = (
        node.floats("offset")?.to_vec(),
        node.floats("scale")?.to_vec(),
    );
    let columns = scale.len();
    let scaler = Scaler::new(offset, scale).map_err(|reason| node.invalid(reason))?;
    check_columns(node, graph, "scales", columns)?;
    Ok(vec![graph.push(node, scaler, &[node.operand(0)?])?])
}

pub(super) fn imputer(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let (floats, integers) = (
        node.floats("imputed_value_floats")?,
        node.ints("imputed_value_int64s")?,
    );
    let imputer = match (floats, integers) {
        ([], []) => {
            return Err(node.invalid("neither `imputed_value_floats` nor `imputed_value_int64s`"));
        }
        (floats, []) => Imputer::floats(
            node.any_float("replaced_value_float")?.unwrap_or(0.0),
            floats.to_vec(),
        ),
        ([], integers) => {
            Imputer::integers(node.int("replaced_value_int64", 0)?, integers.to_vec())
        }
        _ => return Err(node.invalid("both `imputed_value_floats` and `imputed_value_int64s`")),
    };
    let imputer = imputer.map_err(|reason| node.invalid(reason))?;
    check_columns(
        node,
        graph,
        "imputed values",
        floats.len().max(integers.len()),
    )?;
    Ok(vec![graph.push(node, imputer, &[node.operand(0)?])?])
}

pub(super) fn normalizer(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let normalizer = match node.text("norm")?.unwrap_or("MAX") {
        "MAX" => Normalizer::Max,
        "L1" => Normalizer::L1,
        "L2" => Normalizer::L2,
        other => {
            let other = crate::onnx::shorten(other);
            return Err(node.invalid(format!(
                "attribute `norm` is `{other}`, expected MAX, L1 or L2"
            )));
        }
    };
    graph.columns(node, node.operand(0)?)?;
    Ok(vec![graph.push(node, normalizer, &[node.operand(0)?])?])
}

pub(super) fn binarizer(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let threshold = node.any_float("threshold")?.unwrap_or(0.0);
    let binarizer = Binarizer::new(threshold).map_err(|reason| node.invalid(reason))?;
    Ok(vec![graph.push(node, binarizer, &[node.operand(0)?])?])
}

pub(super) fn feature_vectorizer(
    node: &Node<'_>,
    graph: &mut Builder,
) -> Result<Vec<Value>, ImportError> {
    let widths = node
        .ints("inputdimensions")?
        .iter()
        .map(|&width| size(node, "inputdimensions", width));
    let widths = widths.collect::<Result<Vec<u32>, ImportError>>()?;
    let total: u64 = widths.iter().map(|&width| u64::from(width)).sum();
    if widths.len() != node.operands.len() {
        return Err(node.invalid(format!(
            "{} inputdimensions for {} operands",
            widths.len(),
            node.operands.len()
        )));
    }
    if !(1..=MAX_COLUMNS).contains(&total) {
        return Err(node.unsupported(format!("{total} columns, expected 1 to {MAX_COLUMNS}")));
    }
    for index in 0..widths.len() {
        graph.columns(node, node.operand(index)?)?;
    }
    let joined = graph.push_many(node, FeatureVectorizer { widths }, &node.operands, 1)?;
    Ok(vec![graph.push(
        node,
        Cast {
            to: ElementType::F32,
        },
        &joined,
    )?])
}

pub(super) fn array_feature_extractor(
    node: &Node<'_>,
    graph: &mut Builder,
) -> Result<Vec<Value>, ImportError> {
    let (x, indices) = (node.operand(0)?, node.operand(1)?);
    let extent = graph
        .sample(x)
        .map(Tensor::shape)
        .and_then(<[usize]>::last)
        .copied();
    if let (Some(extent), Some(Data::I64(indices))) =
        (extent, graph.constant_of(indices).map(Tensor::data))
    {
        let outside = indices
            .iter()
            .find(|&&index| index < 0 || index as u64 >= extent as u64);
        if let Some(index) = outside {
            return Err(node.invalid(format!("index {index}, the operand has {extent} columns")));
        }
    }
    Ok(vec![graph.push(
        node,
        ArrayFeatureExtractor,
        &[x, indices],
    )?])
}
