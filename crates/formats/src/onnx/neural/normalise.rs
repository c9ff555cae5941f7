//! Normalisation: standardised axes, then scale and bias.

use hyaline_model::graph::dense::{Binary, Reduce, Reduction, Reshape, Shape, Unary};
use hyaline_model::graph::neural::{LocalResponse, Standardise};

use super::{integers, per_channel, scalar, shape};
use crate::ImportError;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::node::Node;

/// LayerNormalization and RMSNormalization.
pub(super) fn layer(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let x = node.operand(0)?;
    let axis = node.int("axis", -1)?;
    let epsilon = node.float("epsilon", 1e-5)?;
    let centred = node.op() == "LayerNormalization";
    let op = Standardise {
        axis,
        epsilon,
        centred,
    };
    let mut made = graph.push(node, op, &[x])?;
    made = graph.push(node, Binary::Mul, &[made, node.operand(1)?])?;
    if let Some(bias) = node.optional(2) {
        made = graph.push(node, Binary::Add, &[made, bias])?;
    }
    let more = node.proto.output.iter().skip(1);
    if !centred || more.filter(|name| !name.is_empty()).count() == 0 {
        return Ok(vec![made]);
    }
    let rank = shape(node, graph, x)?.len() as i64;
    let first = if axis < 0 { axis + rank } else { axis };
    let over = Reduce {
        reduction: Reduction::Mean,
        axes: Some((first..rank).collect()),
        keep: true,
    };
    let mean = graph.push(node, over.clone(), &[x])?;
    let centred = graph.push(node, Binary::Sub, &[x, mean])?;
    let square = graph.push(node, Binary::Mul, &[centred, centred])?;
    let variance = graph.push(node, over, &[square])?;
    let epsilon = scalar(graph, x, f64::from(epsilon));
    let variance = graph.push(node, Binary::Add, &[variance, epsilon])?;
    let deviation = graph.push(node, Unary::Sqrt, &[variance])?;
    Ok(vec![
        made,
        mean,
        graph.push(node, Unary::Reciprocal, &[deviation])?,
    ])
}

/// InstanceNormalization: every plane.
pub(super) fn instance(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let op = Standardise {
        axis: 2,
        epsilon: node.float("epsilon", 1e-5)?,
        centred: true,
    };
    let made = graph.push(node, op, &[node.operand(0)?])?;
    scaled(node, graph, made)
}

/// GroupNormalization: the planes of a group of channels together.
pub(super) fn group(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    if node.version < 21 {
        return Err(
            node.unsupported("scale and bias per group (before opset 21); export with opset 21")
        );
    }
    let x = node.operand(0)?;
    let reshape = Reshape { allow_zero: false };
    let groups = integers(graph, &[0, node.int("num_groups", 1)?, -1]);
    let grouped = graph.push(node, reshape, &[x, groups])?;
    let op = Standardise {
        axis: 2,
        epsilon: node.float("epsilon", 1e-5)?,
        centred: true,
    };
    let made = graph.push(node, op, &[grouped])?;
    let whole = Shape {
        start: 0,
        end: None,
    };
    let to = graph.push(node, whole, &[x])?;
    let made = graph.push(node, reshape, &[made, to])?;
    scaled(node, graph, made)
}

/// Times operand 1, plus operand 2, per channel.
fn scaled(node: &Node<'_>, graph: &mut Builder, x: Value) -> Result<Vec<Value>, ImportError> {
    let scale = per_channel(node, graph, node.operand(1)?)?;
    let bias = per_channel(node, graph, node.operand(2)?)?;
    let made = graph.push(node, Binary::Mul, &[x, scale])?;
    Ok(vec![graph.push(node, Binary::Add, &[made, bias])?])
}

/// LRN.
pub(super) fn local_response(
    node: &Node<'_>,
    graph: &mut Builder,
) -> Result<Vec<Value>, ImportError> {
    let x = node.operand(0)?;
    let size = node.int("size", 0)?;
    let channels = shape(node, graph, x)?.get(1).copied().unwrap_or(0);
    let size = u32::try_from(size)
        .ok()
        .filter(|&size| size > 0 && size as usize <= 2 * channels.max(1) + 64)
        .ok_or_else(|| node.invalid(format!("attribute `size` is {size}")))?;
    let op = LocalResponse {
        size,
        alpha: node.float("alpha", 1e-4)?,
        beta: node.float("beta", 0.75)?,
        bias: node.float("bias", 1.0)?,
    };
    Ok(vec![graph.push(node, op, &[x])?])
}
