//! Lowering of the ai.onnx operators of networks.

mod activation;
mod convolution;
mod einsum;
mod layout;
mod normalise;
mod pool;
mod quantise;
mod recurrent;
mod resize;

use hyaline_model::graph::dense::Reshape;
use hyaline_model::{Data, ElementType, Tensor};

use super::builder::{Builder, Value};
use super::node::Node;
use crate::ImportError;

/// Adds what `node` does to `graph`.
///
/// # Errors
/// [`ImportError::Unsupported`] for operators and variants that cannot run, [`ImportError::Invalid`] for contradictions.
pub(super) fn lower(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    if let Some(made) = activation::lower(node, graph)? {
        return Ok(vec![made]);
    }
    match node.op() {
        "ConvTranspose" => convolution::transposed(node, graph),
        "LayerNormalization" | "RMSNormalization" => normalise::layer(node, graph),
        "InstanceNormalization" => normalise::instance(node, graph),
        "GroupNormalization" => normalise::group(node, graph),
        "LRN" => normalise::local_response(node, graph),
        "LSTM" | "GRU" | "RNN" => recurrent::lower(node, graph),
        "DepthToSpace" | "SpaceToDepth" => layout::blocks(node, graph),
        "Trilu" => layout::triangle(node, graph),
        "Pad" => layout::pad(node, graph),
        "Resize" | "Upsample" => resize::lower(node, graph),
        "QuantizeLinear" => quantise::quantise(node, graph),
        "DequantizeLinear" => quantise::dequantise(node, graph),
        "MatMulInteger" => quantise::matrix(node, graph),
        "QLinearMatMul" => quantise::scaled_matrix(node, graph),
        "ConvInteger" => quantise::convolution(node, graph),
        "QLinearConv" => quantise::scaled_convolution(node, graph),
        "DynamicQuantizeLinear" => Err(node.unsupported("a scale that all rows have together")),
        "Einsum" => einsum::lower(node, graph),
        "Conv" => convolution::conv(node, graph),
        "MaxPool" | "AveragePool" | "LpPool" => pool::sliding_pool(node, graph),
        "GlobalMaxPool" | "GlobalAveragePool" | "GlobalLpPool" => pool::global(node, graph),
        _ => Err(node.unsupported("this operator is not one that functions run")),
    }
}

/// A value of shape `[channels]` in the shape in which it broadcasts against operand 0, `[rows, channels, spatial…]`.
pub(super) fn per_channel(
    node: &Node<'_>,
    graph: &mut Builder,
    value: Value,
) -> Result<Value, ImportError> {
    let rank = rank(node, graph, node.operand(0)?)?;
    if rank <= 2 {
        return Ok(value);
    }
    let mut shape = vec![1; rank - 1];
    shape[0] = -1;
    let shape = integers(graph, &shape);
    graph.push(node, Reshape { allow_zero: false }, &[value, shape])
}

/// A constant f32 operand: weights.
fn weights<'a>(
    node: &Node<'_>,
    graph: &'a Builder,
    operand: usize,
) -> Result<(&'a [usize], &'a [f32]), ImportError> {
    match graph.constant_of(node.operand(operand)?) {
        Some(tensor) => match tensor.data() {
            Data::F32(values) => Ok((tensor.shape(), values)),
            other => Err(node.unsupported(format!(
                "operand {operand} holds {:?}, expected F32; export the model in single precision",
                other.element_type()
            ))),
        },
        None => Err(node.unsupported(format!(
            "operand {operand} is computed from the row, expected a constant"
        ))),
    }
}

/// The integers of a constant operand.
fn constant_integers(
    node: &Node<'_>,
    graph: &Builder,
    operand: usize,
) -> Result<Vec<i64>, ImportError> {
    match graph.constant_of(node.operand(operand)?).map(Tensor::data) {
        Some(Data::I64(values)) => Ok(values.clone()),
        Some(other) => Err(node.invalid(format!(
            "operand {operand} holds {:?}, expected integers",
            other.element_type()
        ))),
        None => Err(node.unsupported(format!(
            "operand {operand} is computed from the row, expected a constant"
        ))),
    }
}

/// Attribute `name` as one number per axis, or `default` for each.
fn per_axis(
    node: &Node<'_>,
    name: &str,
    rank: usize,
    default: u32,
) -> Result<Vec<u32>, ImportError> {
    let found = node.ints(name)?;
    if found.is_empty() {
        return Ok(vec![default; rank]);
    }
    let numbers: Option<Vec<u32>> = found.iter().map(|&x| u32::try_from(x).ok()).collect();
    numbers
        .filter(|numbers| numbers.len() == rank)
        .ok_or_else(|| {
            node.invalid(format!(
                "attribute `{name}` is {found:?}, expected {rank} extents"
            ))
        })
}

/// The operand's rank, as the sample tells it.
fn rank(node: &Node<'_>, graph: &Builder, value: Value) -> Result<usize, ImportError> {
    Ok(shape(node, graph, value)?.len())
}

/// The operand's shape for two rows.
fn shape(node: &Node<'_>, graph: &Builder, value: Value) -> Result<Vec<usize>, ImportError> {
    match graph.sample(value) {
        Some(sample) => Ok(sample.shape().to_vec()),
        None => Err(node.unsupported("an operand whose shape depends on the row's values")),
    }
}

/// A constant of one number, of the type of `like`.
fn scalar(graph: &mut Builder, like: Value, value: f64) -> Value {
    let data = match graph.element_type(like) {
        ElementType::F64 => Data::F64(vec![value]),
        ElementType::I64 => Data::I64(vec![value as i64]),
        _ => Data::F32(vec![value as f32]),
    };
    graph.constant(Tensor::new(vec![], data).expect("one element"))
}

/// A constant list of integers.
fn integers(graph: &mut Builder, values: &[i64]) -> Value {
    let data = Data::I64(values.to_vec());
    graph.constant(Tensor::new(vec![values.len()], data).expect("one element per integer"))
}
