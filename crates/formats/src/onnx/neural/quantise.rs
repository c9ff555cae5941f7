//! Numbers as small integers: scales, zero points, and the layers over them. Integers up to 2^24 are exact in f32, and what a
//! layer multiplies is made of bytes.

use hyaline_model::graph::dense::{Binary, Cast, Clip, MatMul, Reshape, Unary};
use hyaline_model::{Data, ElementType, Tensor};

use super::convolution::prepared;
use super::{integers, scalar, shape};
use crate::ImportError;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::node::Node;

/// Most products of two bytes whose sum f32 holds exactly.
const EXACT: usize = (1 << 24) / (255 * 255);

/// QuantizeLinear: `round(x / scale) + zero point`, within the limits of the integer type.
pub(super) fn quantise(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    refuse_blocks(node)?;
    let x = node.operand(0)?;
    let scale = along_axis(node, graph, x, node.operand(1)?)?;
    let scaled = graph.push(node, Binary::Div, &[x, scale])?;
    Ok(vec![rounded(node, graph, scaled, node.optional(2), x)?])
}

/// DequantizeLinear: `(x - zero point) · scale`.
pub(super) fn dequantise(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    refuse_blocks(node)?;
    let x = node.operand(0)?;
    let mut made = centred(node, graph, x, node.optional(2), ElementType::F32)?;
    let scale = along_axis(node, graph, x, node.operand(1)?)?;
    made = graph.push(node, Binary::Mul, &[made, scale])?;
    Ok(vec![made])
}

/// MatMulInteger.
pub(super) fn matrix(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let a = centred(
        node,
        graph,
        node.operand(0)?,
        node.optional(2),
        ElementType::F64,
    )?;
    let b = centred(
        node,
        graph,
        node.operand(1)?,
        node.optional(3),
        ElementType::F64,
    )?;
    let made = graph.push(node, MatMul, &[a, b])?;
    let to = ElementType::I64;
    Ok(vec![graph.push(node, Cast { to }, &[made])?])
}

/// QLinearMatMul.
pub(super) fn scaled_matrix(
    node: &Node<'_>,
    graph: &mut Builder,
) -> Result<Vec<Value>, ImportError> {
    let a = centred(
        node,
        graph,
        node.operand(0)?,
        node.optional(2),
        ElementType::F64,
    )?;
    let b = centred(
        node,
        graph,
        node.operand(3)?,
        node.optional(5),
        ElementType::F64,
    )?;
    let product = graph.push(node, MatMul, &[a, b])?;
    let mut made = graph.push(
        node,
        Cast {
            to: ElementType::F32,
        },
        &[product],
    )?;
    let factor = factor(node, graph, [1, 4, 6])?;
    made = graph.push(node, Binary::Mul, &[made, factor])?;
    Ok(vec![rounded(node, graph, made, node.optional(7), product)?])
}

/// ConvInteger.
pub(super) fn convolution(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let made = convolved(node, graph, [0, 1], [2, 3], None)?;
    let to = ElementType::I64;
    Ok(vec![graph.push(node, Cast { to }, &[made])?])
}

/// QLinearConv.
pub(super) fn scaled_convolution(
    node: &Node<'_>,
    graph: &mut Builder,
) -> Result<Vec<Value>, ImportError> {
    let made = convolved(node, graph, [0, 3], [2, 5], node.optional(8))?;
    let factor = factor(node, graph, [1, 4, 6])?;
    let factor = match graph.constant_of(factor).map(|factor| factor.data().len()) {
        Some(1) => factor,
        _ => super::per_channel(node, graph, factor)?,
    };
    let scaled = graph.push(node, Binary::Mul, &[made, factor])?;
    Ok(vec![rounded(node, graph, scaled, node.optional(7), made)?])
}

/// The integers of a convolution of `operands` around their zero points.
fn convolved(
    node: &Node<'_>,
    graph: &mut Builder,
    operands: [usize; 2],
    zeros: [usize; 2],
    bias: Option<Value>,
) -> Result<Value, ImportError> {
    let zero = |index: usize| node.optional(index);
    let x = centred(
        node,
        graph,
        node.operand(operands[0])?,
        zero(zeros[0]),
        ElementType::F32,
    )?;
    let w = node.operand(operands[1])?;
    let extents = shape(node, graph, w)?;
    let taps: usize = extents.iter().skip(1).product();
    if node.op() == "ConvInteger" && taps > EXACT {
        return Err(node.unsupported(format!("sums of {taps} products, expected up to {EXACT}")));
    }
    let w = centred(node, graph, w, zero(zeros[1]), ElementType::F32)?;
    let weights = constant(node, graph, w)?;
    let bias = match bias {
        None => vec![0.0; extents.first().copied().unwrap_or(0)],
        Some(bias) => {
            let bias = graph.push(
                node,
                Cast {
                    to: ElementType::F32,
                },
                &[bias],
            )?;
            constant(node, graph, bias)?
        }
    };
    if Some(&bias.len()) != extents.first() {
        return Err(node.invalid(format!("a bias of {} numbers", bias.len())));
    }
    let op = prepared(node, &extents, &weights, &bias)?;
    graph.push(node, op, &[x])
}

fn constant(node: &Node<'_>, graph: &Builder, value: Value) -> Result<Vec<f32>, ImportError> {
    match graph.constant_of(value).map(Tensor::data) {
        Some(Data::F32(values)) => Ok(values.clone()),
        _ => Err(node.unsupported("weights that are computed from the row, expected constants")),
    }
}

/// The product of the operands' two scales by the answer's.
fn factor(node: &Node<'_>, graph: &mut Builder, scales: [usize; 3]) -> Result<Value, ImportError> {
    let [a, b, y] = scales.map(|index| node.operand(index));
    let product = graph.push(node, Binary::Mul, &[a?, b?])?;
    graph.push(node, Binary::Div, &[product, y?])
}

/// `x - zero`, as floats.
fn centred(
    node: &Node<'_>,
    graph: &mut Builder,
    x: Value,
    zero: Option<Value>,
    to: ElementType,
) -> Result<Value, ImportError> {
    let floats = graph.push(node, Cast { to }, &[x])?;
    let Some(zero) = zero else { return Ok(floats) };
    let zero = graph.push(node, Cast { to }, &[zero])?;
    let zero = match node.op() {
        // One zero point per output.
        "QLinearConv" | "ConvInteger" => per_output(node, graph, x, zero)?,
        "QLinearMatMul" | "MatMulInteger" => zero,
        _ => along_axis(node, graph, x, zero)?,
    };
    graph.push(node, Binary::Sub, &[floats, zero])
}

/// A list along the first axis of `x`.
fn per_output(
    node: &Node<'_>,
    graph: &mut Builder,
    x: Value,
    list: Value,
) -> Result<Value, ImportError> {
    if graph.sample(list).is_none_or(|list| list.data().len() == 1) {
        return Ok(list);
    }
    let mut extents = vec![1; shape(node, graph, x)?.len()];
    extents[0] = -1;
    let extents = integers(graph, &extents);
    graph.push(node, Reshape { allow_zero: false }, &[list, extents])
}

/// A scalar as it is, a list along the axis that the node names.
fn along_axis(
    node: &Node<'_>,
    graph: &mut Builder,
    x: Value,
    list: Value,
) -> Result<Value, ImportError> {
    if graph.sample(list).is_none_or(|list| list.data().len() == 1) {
        return Ok(list);
    }
    let rank = shape(node, graph, x)?.len() as i64;
    let axis = node.int("axis", 1)?;
    let axis = if axis < 0 { axis + rank } else { axis };
    if !(0..rank).contains(&axis) {
        return Err(node.invalid(format!("axis {axis} of {rank} axes")));
    }
    let mut extents = vec![1; rank as usize];
    extents[axis as usize] = -1;
    let extents = integers(graph, &extents);
    graph.push(node, Reshape { allow_zero: false }, &[list, extents])
}

/// Rounded, moved by the zero point and kept within its type's limits.
fn rounded(
    node: &Node<'_>,
    graph: &mut Builder,
    x: Value,
    zero: Option<Value>,
    like: Value,
) -> Result<Value, ImportError> {
    let (low, high) = match (
        zero.map(|zero| graph.limits(zero)),
        node.int("output_dtype", 0)?,
    ) {
        (Some(Some(limits)), _) => limits,
        (None, 0 | 2) => (0, 255),
        (None, 3) => (-128, 127),
        (None, 4) => (0, 65_535),
        (None, 5) => (-32_768, 32_767),
        _ => return Err(node.unsupported("integers of a type that is not of one or two bytes")),
    };
    let mut made = graph.push(node, Unary::Round, &[x])?;
    if let Some(zero) = zero {
        let to = graph.element_type(made);
        let zero = graph.push(node, Cast { to }, &[zero])?;
        let zero = match node.op() {
            "QuantizeLinear" => along_axis(node, graph, like, zero)?,
            _ => zero,
        };
        made = graph.push(node, Binary::Add, &[made, zero])?;
    }
    let (low, high) = (
        scalar(graph, made, low as f64),
        scalar(graph, made, high as f64),
    );
    made = graph.push(node, Clip, &[made, low, high])?;
    graph.push(
        node,
        Cast {
            to: ElementType::I64,
        },
        &[made],
    )
}

fn refuse_blocks(node: &Node<'_>) -> Result<(), ImportError> {
    match node.int("block_size", 0)? {
        0 => Ok(()),
        size => Err(node.unsupported(format!("blocks of {size} numbers with a scale each"))),
    }
}
