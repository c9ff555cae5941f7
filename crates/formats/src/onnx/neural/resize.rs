//! Resize and Upsample: every resized axis becomes a table of places and weights at import.

use hyaline_model::graph::neural::Resample;
use hyaline_model::{Data, Tensor};

use super::{constant_integers, shape};
use crate::ImportError;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::node::Node;

/// How places of the result lie over places of the operand, along one axis.
struct Axis {
    from: usize,
    to: usize,
    scale: f64,
    /// Beginning and end of the cropped part.
    region: (f64, f64),
}

/// What is the same for all axes.
struct Mode<'a> {
    mode: &'a str,
    coordinates: &'a str,
    nearest: &'a str,
    cubic: f64,
    exclude_outside: bool,
    antialias: bool,
}

pub(super) fn lower(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let mut x = node.operand(0)?;
    let extents = shape(node, graph, x)?;
    let old = node.op() == "Upsample" || node.version < 11;
    let (scales, sizes, roi) = match node.op() {
        "Upsample" if node.version < 9 => (Some(node.floats("scales")?.to_vec()), None, None),
        _ if old => (floats(node, graph, 1)?, None, None),
        _ => {
            let sizes = match node.optional(3) {
                None => None,
                Some(_) => Some(constant_integers(node, graph, 3)?).filter(|s| !s.is_empty()),
            };
            (floats(node, graph, 2)?, sizes, floats(node, graph, 1)?)
        }
    };
    let axes: Vec<i64> = match node.ints("axes")? {
        [] => (0..extents.len() as i64).collect(),
        axes => axes
            .iter()
            .map(|&axis| {
                if axis < 0 {
                    axis + extents.len() as i64
                } else {
                    axis
                }
            })
            .collect(),
    };
    let listed = scales
        .as_ref()
        .map(Vec::len)
        .or(sizes.as_ref().map(Vec::len));
    let inside = axes
        .iter()
        .all(|&axis| usize::try_from(axis).is_ok_and(|axis| axis < extents.len()));
    if listed != Some(axes.len()) || !inside {
        return Err(node.invalid(format!("{listed:?} scales or sizes for the axes {axes:?}")));
    }
    let mode = Mode {
        mode: match node.text("mode")?.unwrap_or("nearest") {
            "bilinear" => "linear",
            other => other,
        },
        coordinates: match node.text("coordinate_transformation_mode")? {
            Some(name) => name,
            None if old => "asymmetric",
            None => "half_pixel",
        },
        nearest: match node.text("nearest_mode")? {
            Some(name) => name,
            None if old => "floor",
            None => "round_prefer_floor",
        },
        cubic: f64::from(node.float("cubic_coeff_a", -0.75)?),
        exclude_outside: node.flag("exclude_outside", false)?,
        antialias: node.flag("antialias", false)?,
    };
    let fill = node.float("extrapolation_value", 0.0)?;
    let policy = node.text("keep_aspect_ratio_policy")?.unwrap_or("stretch");
    let common = match (&sizes, policy) {
        (None, _) | (_, "stretch") => None,
        (Some(sizes), policy) => {
            let ratios = sizes.iter().zip(&axes);
            let ratios = ratios.map(|(&size, &axis)| size as f64 / extents[axis as usize] as f64);
            Some(match policy {
                "not_larger" => ratios.fold(f64::INFINITY, f64::min),
                "not_smaller" => ratios.fold(0.0, f64::max),
                other => {
                    let reason = format!("attribute `keep_aspect_ratio_policy` is {other}");
                    return Err(node.invalid(reason));
                }
            })
        }
    };
    for (at, &axis) in axes.iter().enumerate() {
        let from = extents[axis as usize];
        let region = match &roi {
            Some(roi)
                if roi.len() == 2 * axes.len() && mode.coordinates == "tf_crop_and_resize" =>
            {
                (f64::from(roi[at]), f64::from(roi[axes.len() + at]))
            }
            _ => (0.0, 1.0),
        };
        let length = from as f64 * (region.1 - region.0);
        let (to, scale) = match (&scales, &sizes, common) {
            (Some(scales), ..) => {
                let scale = f64::from(scales[at]);
                (libm::floor(length * scale), scale)
            }
            (None, Some(_), Some(common)) => (libm::floor(from as f64 * common + 0.5), common),
            (None, Some(sizes), None) => (sizes[at] as f64, sizes[at] as f64 / from as f64),
            (None, None, _) => return Err(node.invalid("neither scales nor sizes")),
        };
        if axis == 0 {
            if to != from as f64 || scale != 1.0 && sizes.is_none() {
                // The number of rows is the batch's; a size of 1 is that of an example.
                if !(sizes.is_some() && to == 1.0) {
                    return Err(node.unsupported("resizing the axis that counts the rows"));
                }
            }
            continue;
        }
        if !(1.0..f64::from(1 << 20)).contains(&to) || from == 0 {
            return Err(node.invalid(format!("an axis of {from} resized to {to}")));
        }
        let own = Axis {
            from,
            to: to as usize,
            scale,
            region,
        };
        let whole = length * scale == to;
        if mode.coordinates == "align_corners" && scales.is_some() && !whole {
            // ONNX counts the places that were cut off, ONNX Runtime does not.
            return Err(node
                .unsupported("aligned corners with a scale that makes no whole number of places"));
        }
        if own.to == from && scale == 1.0 && region == (0.0, 1.0) {
            continue;
        }
        let taps = own.taps(&mode).ok_or_else(|| {
            node.unsupported(format!(
                "mode {} with coordinates {} and rounding {}",
                mode.mode, mode.coordinates, mode.nearest
            ))
        })?;
        let op = Resample::new(axis as u32, from as u32, &taps, fill)
            .ok_or_else(|| node.invalid(format!("an axis of {from} resized to {to}")))?;
        x = graph.push(node, op, &[x])?;
    }
    Ok(vec![x])
}

fn floats(
    node: &Node<'_>,
    graph: &Builder,
    operand: usize,
) -> Result<Option<Vec<f32>>, ImportError> {
    let Some(value) = node.optional(operand) else {
        return Ok(None);
    };
    match graph.constant_of(value).map(Tensor::data) {
        Some(Data::F32(values)) => Ok((!values.is_empty()).then(|| values.clone())),
        Some(Data::F64(values)) => {
            Ok((!values.is_empty()).then(|| values.iter().map(|&x| x as f32).collect()))
        }
        _ => Err(node.unsupported(format!(
            "operand {operand} is computed from the row, expected constant floats"
        ))),
    }
}

impl Axis {
    /// For every place of the result: places of the operand and their weights; none outside a cropped region's operand.
    fn taps(&self, mode: &Mode<'_>) -> Option<Vec<Vec<(u32, f32)>>> {
        (0..self.to)
            .map(|place| {
                let at = self.coordinate(place as f64, mode.coordinates)?;
                let last = (self.from - 1) as f64;
                if mode.coordinates == "tf_crop_and_resize" && !(0.0..=last).contains(&at) {
                    return Some(Vec::new());
                }
                match mode.mode {
                    "nearest" => {
                        let near = nearest(at, mode.nearest)?.clamp(0.0, last);
                        Some(vec![(near as u32, 1.0)])
                    }
                    "linear" => Some(self.spread(at, 1.0, mode, |x| (1.0 - x.abs()).max(0.0))),
                    "cubic" => Some(self.spread(at, 2.0, mode, |x| cubic(x.abs(), mode.cubic))),
                    _ => None,
                }
            })
            .collect()
    }

    fn coordinate(&self, place: f64, coordinates: &str) -> Option<f64> {
        let (from, to) = (self.from as f64, self.to as f64);
        Some(match coordinates {
            "half_pixel" => (place + 0.5) / self.scale - 0.5,
            "half_pixel_symmetric" => {
                let whole = from * self.scale;
                let offset = from / 2.0 * (1.0 - to / whole);
                offset + (place + 0.5) / self.scale - 0.5
            }
            "pytorch_half_pixel" if self.to > 1 => (place + 0.5) / self.scale - 0.5,
            "pytorch_half_pixel" => 0.0,
            "asymmetric" => place / self.scale,
            "tf_half_pixel_for_nn" => (place + 0.5) / self.scale,
            "align_corners" if self.to > 1 => place * (from - 1.0) / (to - 1.0),
            "align_corners" => 0.0,
            "tf_crop_and_resize" => {
                let (begin, end) = self.region;
                if self.to > 1 {
                    begin * (from - 1.0) + place * (end - begin) * (from - 1.0) / (to - 1.0)
                } else {
                    0.5 * (begin + end) * (from - 1.0)
                }
            }
            _ => return None,
        })
    }

    /// Weights by distance from `at`, of places up to `reach` away; places outside count as the nearest one inside, or not
    /// at all.
    fn spread(
        &self,
        at: f64,
        reach: f64,
        mode: &Mode<'_>,
        weight: impl Fn(f64) -> f64,
    ) -> Vec<(u32, f32)> {
        let shrink = if mode.antialias {
            self.scale.min(1.0)
        } else {
            1.0
        };
        let reach = reach / shrink;
        let last = (self.from - 1) as i64;
        let (low, high) = (
            libm::floor(at - reach) as i64,
            libm::ceil(at + reach) as i64,
        );
        let mut weights: Vec<(u32, f64)> = Vec::new();
        let excluded = mode.exclude_outside;
        for place in low..=high {
            let weight = weight((place as f64 - at) * shrink);
            if weight == 0.0 || excluded && !(0..=last).contains(&place) {
                continue;
            }
            let place = place.clamp(0, last) as u32;
            match weights.iter_mut().find(|(own, _)| *own == place) {
                Some((_, own)) => *own += weight,
                None => weights.push((place, weight)),
            }
        }
        let total: f64 = if excluded || mode.antialias {
            weights.iter().map(|tap| tap.1).sum()
        } else {
            1.0
        };
        let scaled = weights
            .into_iter()
            .map(|(place, weight)| (place, (weight / total) as f32));
        scaled.collect()
    }
}

fn nearest(at: f64, rounding: &str) -> Option<f64> {
    Some(match rounding {
        "floor" => libm::floor(at),
        "ceil" => libm::ceil(at),
        "round_prefer_floor" => libm::ceil(at - 0.5),
        "round_prefer_ceil" => libm::floor(at + 0.5),
        _ => return None,
    })
}

/// The cubic convolution kernel with parameter `a`.
fn cubic(x: f64, a: f64) -> f64 {
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}
