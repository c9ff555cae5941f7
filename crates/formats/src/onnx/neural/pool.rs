//! Pools.

use hyaline_model::graph::dense::{Reduce, Reduction};
use hyaline_model::graph::neural::{PoolKind, Pooling};

use super::convolution::sliding;
use super::rank;
use crate::ImportError;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::node::Node;

pub(super) fn sliding_pool(
    node: &Node<'_>,
    graph: &mut Builder,
) -> Result<Vec<Value>, ImportError> {
    let kernel: Option<Vec<usize>> = node
        .ints("kernel_shape")?
        .iter()
        .map(|&x| usize::try_from(x).ok())
        .collect();
    let kernel =
        kernel.ok_or_else(|| node.invalid("attribute `kernel_shape` has a negative extent"))?;
    if node.outputs() > 1 && node.proto.output[1..].iter().any(|name| !name.is_empty()) {
        return Err(node.unsupported("the positions of the largest elements"));
    }
    let kind = match node.op() {
        "MaxPool" => PoolKind::Max,
        "LpPool" => PoolKind::Norm(norm(node)?),
        _ if node.flag("count_include_pad", false)? => PoolKind::AveragePadded,
        _ => PoolKind::Average,
    };
    let op = Pooling {
        kind,
        sliding: sliding(node, &kernel)?,
    };
    Ok(vec![graph.push(node, op, &[node.operand(0)?])?])
}

fn norm(node: &Node<'_>) -> Result<u32, ImportError> {
    let p = node.int("p", 2)?;
    u32::try_from(p)
        .ok()
        .filter(|&p| p > 0)
        .ok_or_else(|| node.invalid(format!("attribute `p` is {p}, expected 1 or more")))
}

/// A summary of every plane.
pub(super) fn global(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let x = node.operand(0)?;
    let reduction = match node.op() {
        "GlobalMaxPool" => Reduction::Max,
        "GlobalAveragePool" => Reduction::Mean,
        _ => match norm(node)? {
            1 => Reduction::L1,
            2 => Reduction::L2,
            p => return Err(node.unsupported(format!("the norm {p} of a plane, expected 1 or 2"))),
        },
    };
    let op = Reduce {
        reduction,
        axes: Some((2..rank(node, graph, x)? as i64).collect()),
        keep: true,
    };
    Ok(vec![graph.push(node, op, &[x])?])
}
