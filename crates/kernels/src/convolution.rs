//! Convolutions: the windows of a few outputs side by side, times prepared weights.

use crate::dense::{finish, product};
use crate::panels::PANEL;
use crate::{LANES, Lane, Layer, Window};

/// A few outputs: where the window of each starts in the padded operand, and where its result goes.
struct Tile {
    starts: [usize; LANES],
    /// Whether the starts follow each other.
    dense: bool,
    first: usize,
    filled: usize,
}

/// `x[samples, channels, input]` → `[samples, outputs, output]`, row-major.
///
/// One layer per group; its inputs are a group's channels and the window's elements, row-major.
///
/// # Panics
/// If the layers' inputs are not the channels of a group times the window, or `x` is no whole number of samples.
pub fn convolve(groups: &[Layer], channels: usize, window: &Window, x: &[f32]) -> Vec<f32> {
    slide(groups, channels, window, x, true)
}

/// The same; without the activations where they are not `active`.
pub(crate) fn slide(
    groups: &[Layer],
    channels: usize,
    window: &Window,
    x: &[f32],
    active: bool,
) -> Vec<f32> {
    let own = channels / groups.len();
    let taps = own * window.kernel_size();
    assert!(
        groups.iter().all(|layer| layer.panels().inputs() == taps),
        "layers take the windows of a group"
    );
    let samples = x.len() / (channels * window.input_size()).max(1);
    let outputs: usize = groups.iter().map(|layer| layer.panels().outputs()).sum();
    let mut result = vec![0.0; samples * outputs * window.output_size()];
    let (tiles, offsets) = (tiles(window), offsets(window, own));
    let padded: usize = window.padded().iter().product();
    // Room for a last load that goes beyond the end.
    let mut inside = vec![0.0; own * padded + LANES];
    let mut lanes = vec![[0.0; LANES]; taps];
    let planes = x.chunks_exact((own * window.input_size()).max(1));
    let mut made = result.as_mut_slice();
    for (at, planes) in planes.enumerate() {
        let layer = &groups[at % groups.len()];
        pad(window, planes, &mut inside);
        let (out, rest) = made.split_at_mut(layer.panels().outputs() * window.output_size());
        made = rest;
        for tile in &tiles {
            gather(&inside, tile, &offsets, &mut lanes);
            emit(layer, active, &lanes, tile, window.output_size(), out);
        }
    }
    result
}

/// Offsets of the window's elements in the padded planes of a group.
fn offsets(window: &Window, channels: usize) -> Vec<usize> {
    let [depth, height, width] = window.padded();
    let mut offsets = Vec::with_capacity(channels * window.kernel_size());
    for channel in 0..channels {
        for z in 0..window.kernel[0] {
            for y in 0..window.kernel[1] {
                for x in 0..window.kernel[2] {
                    let z = channel * depth + z * window.dilation[0];
                    let y = z * height + y * window.dilation[1];
                    offsets.push(y * width + x * window.dilation[2]);
                }
            }
        }
    }
    offsets
}

fn tiles(window: &Window) -> Vec<Tile> {
    let [_, height, width] = window.padded();
    let start = |output: usize| {
        let x = output % window.output[2];
        let y = output / window.output[2] % window.output[1];
        let z = output / window.output[2] / window.output[1];
        let y = z * window.stride[0] * height + y * window.stride[1];
        y * width + x * window.stride[2]
    };
    let outputs = window.output_size();
    (0..outputs)
        .step_by(LANES)
        .map(|first| {
            let filled = LANES.min(outputs - first);
            // Unfilled places repeat the last output.
            let starts = std::array::from_fn(|at| start(first + at.min(filled - 1)));
            let dense = (0..filled).all(|at| starts[at] == starts[0] + at);
            Tile {
                starts,
                dense,
                first,
                filled,
            }
        })
        .collect()
}

/// The planes with their padding; what a window never reaches is left out.
fn pad(window: &Window, planes: &[f32], inside: &mut [f32]) {
    let [depth, height, width] = window.padded();
    inside.fill(0.0);
    let [begin_z, begin_y, begin_x] = window.begin;
    let (rows, columns) = (window.input[1], window.input[2]);
    let kept = columns.min(width.saturating_sub(begin_x));
    for (channel, plane) in planes.chunks_exact(window.input_size().max(1)).enumerate() {
        for (row, values) in plane.chunks_exact(columns).enumerate() {
            let (z, y) = (row / rows + begin_z, row % rows + begin_y);
            if z < depth && y < height {
                let at = ((channel * depth + z) * height + y) * width + begin_x;
                inside[at..at + kept].copy_from_slice(&values[..kept]);
            }
        }
    }
}

fn gather(inside: &[f32], tile: &Tile, offsets: &[usize], lanes: &mut [Lane]) {
    if tile.dense {
        let inside = &inside[tile.starts[0]..];
        for (lane, &offset) in lanes.iter_mut().zip(offsets) {
            lane.copy_from_slice(&inside[offset..offset + LANES]);
        }
    } else {
        for (lane, &offset) in lanes.iter_mut().zip(offsets) {
            for (lane, &start) in lane.iter_mut().zip(&tile.starts) {
                *lane = inside[start + offset];
            }
        }
    }
}

fn emit(layer: &Layer, active: bool, lanes: &[Lane], tile: &Tile, size: usize, out: &mut [f32]) {
    let activation = layer.activation_if(active);
    let planes = out.chunks_mut(PANEL * size);
    let panels = layer.panels().panels().zip(layer.bias().chunks(PANEL));
    for ((weights, bias), planes) in panels.zip(planes) {
        let mut sums = product(weights, lanes);
        finish(&mut sums, bias, activation);
        for (plane, sum) in planes.chunks_exact_mut(size).zip(&sums) {
            let place = &mut plane[tile.first..tile.first + tile.filled];
            if let Ok(whole) = <&mut Lane>::try_from(&mut *place) {
                *whole = *sum;
            } else {
                place.copy_from_slice(&sum[..tile.filled]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, Panels};

    fn number(i: usize) -> f32 {
        ((i * 7919) % 1013) as f32 / 499.0 - 1.0
    }

    /// The definition, one output at a time, terms in the same order.
    fn plain(groups: &[Layer], channels: usize, window: &Window, x: &[f32]) -> Vec<f32> {
        let own = channels / groups.len();
        let mut result = Vec::new();
        for sample in x.chunks_exact(channels * window.input_size()) {
            for (layer, planes) in groups
                .iter()
                .zip(sample.chunks_exact(own * window.input_size()))
            {
                for output in 0..layer.panels().outputs() {
                    for place in 0..window.output_size() {
                        let place = [
                            place / window.output[2] / window.output[1],
                            place / window.output[2] % window.output[1],
                            place % window.output[2],
                        ];
                        let mut sum = 0.0;
                        for input in 0..own * window.kernel_size() {
                            let at = [
                                input / window.kernel[2] / window.kernel[1] % window.kernel[0],
                                input / window.kernel[2] % window.kernel[1],
                                input % window.kernel[2],
                            ];
                            let channel = input / window.kernel_size();
                            let position: [Option<usize>; 3] = std::array::from_fn(|axis| {
                                (place[axis] * window.stride[axis]
                                    + at[axis] * window.dilation[axis])
                                    .checked_sub(window.begin[axis])
                                    .filter(|&p| p < window.input[axis])
                            });
                            let value = match position {
                                [Some(z), Some(y), Some(x)] => {
                                    let row = (channel * window.input[0] + z) * window.input[1] + y;
                                    planes[row * window.input[2] + x]
                                }
                                _ => 0.0,
                            };
                            sum += layer.panels().weight(output, input) * value;
                        }
                        result.push(layer.activation().of(sum + layer.bias()[output]));
                    }
                }
            }
        }
        result
    }

    #[test]
    fn equals_the_definition_to_the_bit() {
        let windows = [
            (
                [1, 8, 8],
                [1, 3, 3],
                [1, 1, 1],
                [1, 1, 1],
                [0, 1, 1],
                [1, 8, 8],
            ),
            (
                [1, 7, 9],
                [1, 3, 2],
                [1, 2, 3],
                [1, 2, 1],
                [0, 1, 2],
                [1, 3, 4],
            ),
            (
                [3, 4, 5],
                [2, 2, 2],
                [1, 1, 1],
                [1, 1, 2],
                [0, 0, 0],
                [2, 3, 3],
            ),
            (
                [1, 1, 20],
                [1, 1, 5],
                [1, 1, 1],
                [1, 1, 1],
                [0, 0, 4],
                [1, 1, 24],
            ),
        ];
        for (input, kernel, stride, dilation, begin, output) in windows {
            let window = Window {
                input,
                kernel,
                stride,
                dilation,
                begin,
                output,
            };
            for (groups, channels, outputs) in [(1, 3, 6), (2, 4, 5), (4, 4, 1)] {
                let taps = channels / groups * window.kernel_size();
                let layers: Vec<Layer> = (0..groups)
                    .map(|group| {
                        let weight = |o, i| number(o * 131 + i * 17 + group * 1009);
                        let panels = Panels::new(taps, outputs, weight).expect("weights");
                        let bias = (0..outputs).map(number).collect();
                        Layer::new(panels, bias, Activation::Relu).expect("a layer")
                    })
                    .collect();
                let x: Vec<f32> = (0..2 * channels * window.input_size())
                    .map(number)
                    .collect();
                let found = convolve(&layers, channels, &window, &x);
                let truth = plain(&layers, channels, &window, &x);
                assert_eq!(found.len(), truth.len());
                let same = found
                    .iter()
                    .zip(&truth)
                    .all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{window:?} {groups}");
            }
        }
    }
}
