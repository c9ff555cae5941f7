//! Blocks and depth, padding, triangles.

use hyaline_model::graph::dense::{Gather, Reshape, Select, Transpose};
use hyaline_model::graph::neural::Resample;
use hyaline_model::{Data, ElementType, Tensor};

use super::{constant_integers, integers, scalar, shape};
use crate::ImportError;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::node::Node;

/// DepthToSpace and SpaceToDepth.
pub(super) fn blocks(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let x = node.operand(0)?;
    let extents = shape(node, graph, x)?;
    let block = node.int("blocksize", 0)?;
    let (&[_, channels, height, width], 1..) = (&extents[..], block) else {
        return Err(node.invalid(format!(
            "an operand of shape {extents:?}, blocks of {block}"
        )));
    };
    let [channels, height, width] = [channels, height, width].map(|extent| extent as i64);
    let (split, permutation, joined) = if node.op() == "SpaceToDepth" {
        (
            [0, channels, height / block, block, width / block, block],
            [0, 3, 5, 1, 2, 4],
            [0, channels * block * block, height / block, width / block],
        )
    } else {
        let outer = channels / block / block;
        let joined = [0, outer, height * block, width * block];
        match node.text("mode")?.unwrap_or("DCR") {
            "DCR" => (
                [0, block, block, outer, height, width],
                [0, 3, 4, 1, 5, 2],
                joined,
            ),
            "CRD" => (
                [0, outer, block, block, height, width],
                [0, 1, 4, 2, 5, 3],
                joined,
            ),
            other => return Err(node.invalid(format!("attribute `mode` is {other}"))),
        }
    };
    let reshape = Reshape { allow_zero: false };
    let (split, joined) = (integers(graph, &split), integers(graph, &joined));
    let made = graph.push(node, reshape, &[x, split])?;
    let transpose = Transpose {
        permutation: Some(permutation.to_vec()),
    };
    let made = graph.push(node, transpose, &[made])?;
    Ok(vec![graph.push(node, reshape, &[made, joined])?])
}

/// Trilu.
pub(super) fn triangle(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let diagonal = match node.optional(1) {
        None => 0,
        Some(_) => match constant_integers(node, graph, 1)?[..] {
            [diagonal] => diagonal,
            ref other => return Err(node.invalid(format!("the diagonal {other:?}"))),
        },
    };
    let x = node.operand(0)?;
    let &[.., height, width] = &shape(node, graph, x)?[..] else {
        return Err(node.invalid("an operand of fewer than two axes"));
    };
    let upper = node.flag("upper", true)?;
    let kept = (0..height * width).map(|index| {
        let (row, column) = ((index / width) as i64, (index % width) as i64);
        let offset = (column - row).saturating_sub(diagonal);
        if upper { offset >= 0 } else { offset <= 0 }
    });
    let kept = Tensor::new(vec![height, width], Data::Bool(kept.collect()));
    let kept = graph.constant(kept.ok_or_else(|| node.invalid("a matrix of absurd extent"))?);
    let zero = scalar(graph, x, 0.0);
    Ok(vec![graph.push(node, Select, &[kept, x, zero])?])
}

/// Pad: constants, or other places of the operand.
pub(super) fn pad(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let mut x = node.operand(0)?;
    let extents = shape(node, graph, x)?;
    let rank = extents.len();
    let pads = match node.version {
        ..11 => node
            .ints(if node.has("pads") { "pads" } else { "paddings" })?
            .to_vec(),
        _ => constant_integers(node, graph, 1)?,
    };
    let axes = match node.optional(3) {
        None => (0..rank as i64).collect(),
        Some(_) => constant_integers(node, graph, 3)?,
    };
    let fill = match node.optional(2) {
        None => node.float("value", 0.0)?,
        Some(value) => match graph.constant_of(value).map(Tensor::data) {
            Some(Data::F32(values)) if values.len() == 1 => values[0],
            Some(Data::F64(values)) if values.len() == 1 => values[0] as f32,
            Some(Data::I64(values)) if values.len() == 1 => values[0] as f32,
            _ => return Err(node.unsupported("a padding value that is computed from the row")),
        },
    };
    if pads.len() != 2 * axes.len() {
        return Err(node.invalid(format!("{} paddings for {} axes", pads.len(), axes.len())));
    }
    let mode = node.text("mode")?.unwrap_or("constant");
    for (at, axis) in axes.iter().enumerate() {
        let (begin, end) = (pads[at], pads[axes.len() + at]);
        if begin == 0 && end == 0 {
            continue;
        }
        let axis = if *axis < 0 { axis + rank as i64 } else { *axis };
        let extent = usize::try_from(axis)
            .ok()
            .and_then(|axis| extents.get(axis));
        let Some(extent) = extent.map(|&extent| extent as i64).filter(|_| axis > 0) else {
            return Err(
                node.unsupported(format!("padding along axis {axis}, which counts the rows"))
            );
        };
        let length = begin.saturating_add(extent).saturating_add(end);
        if !(0..1 << 20).contains(&length) {
            return Err(node.invalid(format!("an axis of {extent} padded by {begin} and {end}")));
        }
        let places = (-begin..length - begin).map(|place| source(mode, place, extent));
        let places: Option<Vec<Option<i64>>> = places.collect();
        let places =
            places.ok_or_else(|| node.invalid(format!("mode `{mode}` of {extent} places")))?;
        x = match (mode, graph.element_type(x)) {
            ("constant", ElementType::F32) => {
                let taps: Vec<Vec<(u32, f32)>> = places
                    .iter()
                    .map(|place| place.iter().map(|&place| (place as u32, 1.0)).collect())
                    .collect();
                let op = Resample::new(axis as u32, extent as u32, &taps, fill);
                let op = op.ok_or_else(|| node.invalid("padding with what is no number"))?;
                graph.push(node, op, &[x])?
            }
            ("constant", found) => {
                return Err(node.unsupported(format!("padding of {found:?}, expected F32")));
            }
            _ => {
                let places: Vec<i64> = places.into_iter().flatten().collect();
                let places = integers(graph, &places);
                graph.push(node, Gather { axis }, &[x, places])?
            }
        };
    }
    Ok(vec![x])
}

/// The place of an axis of `extent` that stands in place `place` of the padded one; the inner `None` is the constant.
fn source(mode: &str, place: i64, extent: i64) -> Option<Option<i64>> {
    let inside = (0..extent).contains(&place);
    Some(match mode {
        "constant" => inside.then_some(place),
        _ if extent == 0 => return None,
        "edge" => Some(place.clamp(0, extent - 1)),
        "wrap" => Some(place.rem_euclid(extent)),
        "reflect" => {
            let period = (2 * (extent - 1)).max(1);
            let folded = place.rem_euclid(period);
            Some(if folded < extent {
                folded
            } else {
                period - folded
            })
        }
        _ => return None,
    })
}
