//! Convolutions: the weights become panels, one layer per group.

use hyaline_kernels::{Activation, Layer, Panels};
use hyaline_model::graph::neural::{Conv, ConvTranspose, Padding, Sliding};
use hyaline_model::{Data, Tensor};

use super::{per_axis, rank, shape, weights};
use crate::ImportError;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::node::Node;

pub(super) fn conv(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let (shape, values) = weights(node, graph, 1)?;
    let bias = bias(node, graph, shape.first().copied().unwrap_or(0))?;
    let op = prepared(node, shape, values, &bias)?;
    Ok(vec![graph.push(node, op, &[node.operand(0)?])?])
}

/// The convolution with weights `[outputs, channels of a group, window…]`.
pub(super) fn prepared(
    node: &Node<'_>,
    shape: &[usize],
    values: &[f32],
    bias: &[f32],
) -> Result<Conv, ImportError> {
    let &[outputs, channels, ref kernel @ ..] = shape else {
        return Err(node.invalid(format!("weights of shape {shape:?}")));
    };
    let taps = channels * kernel.iter().product::<usize>();
    let groups = groups(node, outputs)?;
    let own = outputs / groups;
    let layers: Option<Vec<Layer>> = (0..groups)
        .map(|group| {
            let weight = |output, input| values[(group * own + output) * taps + input];
            let panels = Panels::new(taps, own, weight)?;
            let bias = bias[group * own..(group + 1) * own].to_vec();
            Layer::new(panels, bias, Activation::None)
        })
        .collect();
    let layers = layers.ok_or_else(|| node.unsupported("weights that are not finite numbers"))?;
    Ok(Conv {
        sliding: sliding(node, kernel)?,
        groups: layers,
    })
}

/// Attribute `group`, which divides the outputs.
pub(super) fn groups(node: &Node<'_>, outputs: usize) -> Result<usize, ImportError> {
    let group = node.int("group", 1)?;
    usize::try_from(group)
        .ok()
        .filter(|&groups| groups > 0 && outputs > 0 && outputs.is_multiple_of(groups))
        .ok_or_else(|| node.invalid(format!("{outputs} outputs in {group} groups")))
}

/// Operand 2, or zeros.
pub(super) fn bias(
    node: &Node<'_>,
    graph: &Builder,
    outputs: usize,
) -> Result<Vec<f32>, ImportError> {
    match node.optional(2) {
        None => Ok(vec![0.0; outputs]),
        Some(_) => match weights(node, graph, 2)? {
            (_, values) if values.len() == outputs => Ok(values.to_vec()),
            (shape, _) => {
                Err(node.invalid(format!("a bias of shape {shape:?} for {outputs} outputs")))
            }
        },
    }
}

/// The window that the node's attributes describe.
pub(super) fn sliding(node: &Node<'_>, kernel: &[usize]) -> Result<Sliding, ImportError> {
    let rank = kernel.len();
    if !(1..=3).contains(&rank) {
        return Err(node.unsupported(format!("{rank} spatial axes, expected 1 to 3")));
    }
    let kernel: Option<Vec<u32>> = kernel.iter().map(|&x| u32::try_from(x).ok()).collect();
    Ok(Sliding {
        kernel: kernel.ok_or_else(|| node.invalid("a window of absurd extent"))?,
        strides: per_axis(node, "strides", rank, 1)?,
        dilations: per_axis(node, "dilations", rank, 1)?,
        padding: padding(node, rank)?,
        ceil: node.flag("ceil_mode", false)?,
    })
}

fn padding(node: &Node<'_>, rank: usize) -> Result<Padding, ImportError> {
    match node.text("auto_pad")?.unwrap_or("NOTSET") {
        "NOTSET" | "" => {
            let mut begin = per_axis(node, "pads", 2 * rank, 0)?;
            let end = begin.split_off(rank);
            Ok(Padding::Explicit(begin, end))
        }
        "VALID" => Ok(Padding::Explicit(vec![0; rank], vec![0; rank])),
        "SAME_UPPER" => Ok(Padding::SameUpper),
        "SAME_LOWER" => Ok(Padding::SameLower),
        other => Err(node.invalid(format!("attribute `auto_pad` is {other}"))),
    }
}

pub(super) fn transposed(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let x = node.operand(0)?;
    let spatial = shape(node, graph, x)?.split_off(2.min(rank(node, graph, x)?));
    let (shape, values) = weights(node, graph, 1)?;
    let &[channels, own, ref kernel @ ..] = shape else {
        return Err(node.invalid(format!("weights of shape {shape:?}")));
    };
    let count = kernel.len();
    let groups = groups(node, channels)?;
    let weights = Tensor::new(
        vec![channels, own, kernel.iter().product()],
        Data::F32(values.to_vec()),
    );
    let bias = bias(node, graph, own * groups)?;
    let bias = Tensor::new(vec![own * groups], Data::F32(bias));
    let (Some(weights), Some(bias)) = (weights, bias) else {
        return Err(node.invalid("weights of absurd extent"));
    };
    if spatial.len() != count || !(1..=3).contains(&count) {
        return Err(node.unsupported(format!("spatial axes {spatial:?}, expected {count}")));
    }
    let mut extra = per_axis(node, "output_padding", count, 0)?;
    let strides = per_axis(node, "strides", count, 1)?;
    let dilations = per_axis(node, "dilations", count, 1)?;
    let auto = node.text("auto_pad")?.unwrap_or("NOTSET");
    let wanted: Option<Vec<usize>> = match (node.ints("output_shape")?, auto) {
        ([], "SAME_UPPER" | "SAME_LOWER") => Some(
            spatial
                .iter()
                .zip(&strides)
                .map(|(extent, &stride)| extent * stride as usize)
                .collect(),
        ),
        ([], _) => None,
        (listed, _) => {
            let last = &listed[listed.len().saturating_sub(count)..];
            let extents = last.iter().map(|&extent| usize::try_from(extent).ok());
            Some(
                extents
                    .collect::<Option<Vec<_>>>()
                    .filter(|extents| extents.len() == count)
                    .ok_or_else(|| {
                        node.invalid(format!("attribute `output_shape` is {listed:?}"))
                    })?,
            )
        }
    };
    let padding = match wanted {
        None if auto == "VALID" => Padding::Explicit(vec![0; count], vec![0; count]),
        None => {
            let mut begin = per_axis(node, "pads", 2 * count, 0)?;
            let end = begin.split_off(count);
            Padding::Explicit(begin, end)
        }
        Some(wanted) => {
            let (mut begin, mut end) = (Vec::new(), Vec::new());
            for (axis, &size) in kernel.iter().enumerate() {
                let reach = size.saturating_sub(1) * dilations[axis] as usize + 1;
                let whole =
                    strides[axis] as usize * (spatial[axis] - 1) + extra[axis] as usize + reach;
                extra[axis] += wanted[axis].saturating_sub(whole) as u32;
                let cut = whole.saturating_sub(wanted[axis]) as u32;
                let less = cut / 2;
                let first = if auto == "SAME_UPPER" {
                    less
                } else {
                    cut - less
                };
                begin.push(first);
                end.push(cut - first);
            }
            Padding::Explicit(begin, end)
        }
    };
    let op = ConvTranspose {
        sliding: Sliding {
            kernel: kernel.iter().map(|&x| x as u32).collect(),
            strides,
            dilations,
            padding,
            ceil: false,
        },
        extra,
        groups: groups as u32,
        weights,
        bias,
    };
    Ok(vec![graph.push(node, op, &[x])?])
}
