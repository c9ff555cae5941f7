//! Chains of dense layers, a few rows at a time so that what passes between layers stays in the nearest cache.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::panels::PANEL;
use crate::vector::Four;
use crate::{Activation, LANES, Lane, Panels};

/// `activation(x · weights + bias)`.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Layer {
    panels: Panels,
    bias: Vec<f32>,
    activation: Activation,
}

impl Layer {
    /// `None` when there is not one finite bias per output.
    pub fn new(panels: Panels, bias: Vec<f32>, activation: Activation) -> Option<Layer> {
        (bias.len() == panels.outputs() && bias.iter().all(|x| x.is_finite())).then_some(Layer {
            panels,
            bias,
            activation,
        })
    }

    /// The linear map.
    pub fn panels(&self) -> &Panels {
        &self.panels
    }

    /// One number per output.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// What follows.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// What follows, or nothing.
    pub(crate) fn activation_if(&self, active: bool) -> Activation {
        if active {
            self.activation
        } else {
            Activation::None
        }
    }
}

impl BorshDeserialize for Layer {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Layer> {
        let panels = Panels::deserialize_reader(reader)?;
        let bias = Vec::deserialize_reader(reader)?;
        let activation = Activation::deserialize_reader(reader)?;
        Layer::new(panels, bias, activation).ok_or_else(|| {
            borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, "the bias of a layer")
        })
    }
}

/// `x[rows, inputs of the first layer]` through all layers: `[rows, outputs of the last layer]`, row-major.
///
/// # Panics
/// If there is no layer, a layer takes another number of inputs than the one before makes, or `x` is no whole number of
/// rows.
pub fn layers(layers: &[Layer], x: &[f32], rows: usize) -> Vec<f32> {
    through(layers, x, rows, true)
}

/// The same; without the activations where they are not `active`.
pub(crate) fn through(layers: &[Layer], x: &[f32], rows: usize, active: bool) -> Vec<f32> {
    let inputs = layers[0].panels.inputs();
    let outputs = layers[layers.len() - 1].panels.outputs();
    assert_eq!(x.len(), rows * inputs, "x holds rows of the first layer");
    let width = layers.iter().map(|layer| layer.panels.outputs());
    let width = width
        .chain([inputs])
        .max()
        .unwrap_or(0)
        .next_multiple_of(PANEL);
    let mut result = vec![0.0; rows * outputs];
    let full = rows / LANES * LANES;
    if full > 0 {
        let (mut now, mut next) = (vec![[0.0; LANES]; width], vec![[0.0; LANES]; width]);
        for first in (0..full).step_by(LANES) {
            gather(
                &x[first * inputs..(first + LANES) * inputs],
                inputs,
                &mut now,
            );
            for layer in layers {
                tile(layer, &now, &mut next, active);
                std::mem::swap(&mut now, &mut next);
            }
            let block = &mut result[first * outputs..(first + LANES) * outputs];
            for (row, out) in block.chunks_exact_mut(outputs.max(1)).enumerate() {
                out.iter_mut()
                    .zip(&now)
                    .for_each(|(out, lane)| *out = lane[row]);
            }
        }
    }
    let (mut now, mut next) = (vec![0.0; width], vec![0.0; width]);
    for row in full..rows {
        now[..inputs].copy_from_slice(&x[row * inputs..(row + 1) * inputs]);
        for layer in layers {
            one(layer, &now, &mut next, active);
            std::mem::swap(&mut now, &mut next);
        }
        result[row * outputs..(row + 1) * outputs].copy_from_slice(&now[..outputs]);
    }
    result
}

/// Rows side by side: number `i` of every row in `lanes[i]`.
fn gather(x: &[f32], inputs: usize, lanes: &mut [Lane]) {
    for (row, x) in x.chunks_exact(inputs.max(1)).enumerate() {
        for (lane, &x) in lanes.iter_mut().zip(x) {
            lane[row] = x;
        }
    }
}

/// One layer for [`LANES`] rows.
fn tile(layer: &Layer, x: &[Lane], out: &mut [Lane], active: bool) {
    let activation = layer.activation_if(active);
    let x = &x[..layer.panels.inputs()];
    let panels = layer.panels.panels().zip(out.as_chunks_mut::<PANEL>().0);
    for ((weights, out), bias) in panels.zip(layer.bias.chunks(PANEL)) {
        *out = product(weights, x);
        finish(out, bias, activation);
    }
}

/// Adds the bias and applies the activation.
#[inline(always)]
pub(crate) fn finish(sums: &mut [Lane; PANEL], bias: &[f32], activation: Activation) {
    let mut four = [0.0; PANEL];
    match bias.first_chunk() {
        Some(bias) => four = *bias,
        None => four[..bias.len()].copy_from_slice(bias),
    }
    for (sum, bias) in sums.iter_mut().zip(four) {
        for sum in sum {
            *sum += bias;
        }
    }
    for sum in sums {
        activation.apply(sum);
    }
}

/// The sums of 4 outputs for [`LANES`] samples, terms in the order of the inputs.
#[inline(never)]
pub(crate) fn product(weights: &[[f32; PANEL]], x: &[Lane]) -> [Lane; PANEL] {
    let x = &x[..weights.len()];
    let [mut a0, mut a1, mut a2, mut a3] = [Four::zero(); PANEL];
    let [mut b0, mut b1, mut b2, mut b3] = [Four::zero(); PANEL];
    macro_rules! step {
        ($weights:expr, $x:expr) => {
            let (low, high) = halves($x);
            let weights = Four::load($weights);
            let weight = weights.spread::<0>();
            (a0, b0) = (a0.plus(weight, low), b0.plus(weight, high));
            let weight = weights.spread::<1>();
            (a1, b1) = (a1.plus(weight, low), b1.plus(weight, high));
            let weight = weights.spread::<2>();
            (a2, b2) = (a2.plus(weight, low), b2.plus(weight, high));
            let weight = weights.spread::<3>();
            (a3, b3) = (a3.plus(weight, low), b3.plus(weight, high));
        };
    }
    // Interrupted wasm keeps the sums in memory at every jump backwards, so a turn does much; but Cranelift loads all
    // that a turn needs first, so three inputs are what the registers hold.
    let (groups, last_weights) = weights.as_chunks::<3>();
    let (x_groups, last_x) = x.as_chunks::<3>();
    for (weights, x) in groups.iter().zip(x_groups) {
        step!(&weights[0], &x[0]);
        step!(&weights[1], &x[1]);
        step!(&weights[2], &x[2]);
    }
    for (weights, x) in last_weights.iter().zip(last_x) {
        step!(weights, x);
    }
    [
        joined(a0, b0),
        joined(a1, b1),
        joined(a2, b2),
        joined(a3, b3),
    ]
}

#[inline(always)]
pub(crate) fn halves(x: &Lane) -> (Four, Four) {
    let ([low, high], []) = x.as_chunks::<4>() else {
        unreachable!("a lane is two halves")
    };
    (Four::load(low), Four::load(high))
}

#[inline(always)]
pub(crate) fn joined(low: Four, high: Four) -> Lane {
    let mut lane = [0.0; LANES];
    if let ([to_low, to_high], []) = lane.as_chunks_mut::<4>() {
        low.store(to_low);
        high.store(to_high);
    }
    lane
}

/// Panels that a single row walks together, so that enough sums are in flight.
const TOGETHER: usize = 4;

/// One layer for one row.
fn one(layer: &Layer, x: &[f32], out: &mut [f32], active: bool) {
    let inputs = layer.panels.inputs();
    let x = &x[..inputs];
    let weights = layer.panels.weights();
    let mut sums = out.as_chunks_mut::<PANEL>().0.iter_mut();
    let mut groups = weights.chunks_exact(inputs * TOGETHER);
    for group in &mut groups {
        let group = together(group, x);
        group
            .into_iter()
            .zip(&mut sums)
            .for_each(|(sum, out)| *out = sum);
    }
    for panel in groups.remainder().chunks_exact(inputs) {
        let sum = alone(panel, x);
        sums.by_ref().take(1).for_each(|out| *out = sum);
    }
    let out = &mut out[..layer.panels.outputs()];
    out.iter_mut()
        .zip(&layer.bias)
        .for_each(|(out, bias)| *out += bias);
    layer.activation_if(active).apply_all(out);
}

/// The sums of [`TOGETHER`] panels for one row, terms in the order of the inputs.
#[inline(never)]
fn together(weights: &[[f32; PANEL]], x: &[f32]) -> [[f32; PANEL]; TOGETHER] {
    let (p0, rest) = weights.split_at(x.len());
    let (p1, rest) = rest.split_at(x.len());
    let (p2, p3) = rest.split_at(x.len());
    let [mut s0, mut s1, mut s2, mut s3] = [Four::zero(); TOGETHER];
    for ((((x, w0), w1), w2), w3) in x.iter().zip(p0).zip(p1).zip(p2).zip(p3) {
        let x = Four::all(x);
        s0 = s0.plus(x, Four::load(w0));
        s1 = s1.plus(x, Four::load(w1));
        s2 = s2.plus(x, Four::load(w2));
        s3 = s3.plus(x, Four::load(w3));
    }
    let mut made = [[0.0; PANEL]; TOGETHER];
    let [m0, m1, m2, m3] = &mut made;
    s0.store(m0);
    s1.store(m1);
    s2.store(m2);
    s3.store(m3);
    made
}

/// The sums of one panel for one row.
fn alone(weights: &[[f32; PANEL]], x: &[f32]) -> [f32; PANEL] {
    let mut sum = Four::zero();
    for (x, weights) in x.iter().zip(weights) {
        sum = sum.plus(Four::all(x), Four::load(weights));
    }
    let mut made = [0.0; PANEL];
    sum.store(&mut made);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(i: usize) -> f32 {
        ((i * 7919) % 1013) as f32 / 499.0 - 1.0
    }

    fn network(widths: &[usize], activation: Activation) -> Vec<Layer> {
        widths
            .windows(2)
            .map(|pair| {
                let weight = |output, input| number(output * 31 + input * 17);
                let panels = Panels::new(pair[0], pair[1], weight).expect("finite weights");
                let bias = (0..pair[1]).map(number).collect();
                Layer::new(panels, bias, activation).expect("one bias per output")
            })
            .collect()
    }

    fn plain(network: &[Layer], x: &[f32]) -> Vec<f32> {
        network.iter().fold(x.to_vec(), |x, layer| {
            (0..layer.panels.outputs())
                .map(|output| {
                    let terms = x.iter().enumerate();
                    let sum = terms.fold(0.0, |sum: f32, (input, x)| {
                        sum + layer.panels.weight(output, input) * x
                    });
                    layer.activation.of(sum + layer.bias[output])
                })
                .collect()
        })
    }

    #[test]
    fn every_row_gets_the_bits_of_the_plain_loops() {
        for widths in [&[20, 64, 64, 1][..], &[3, 5], &[1, 33, 10], &[7, 130, 4]] {
            for activation in [Activation::Relu, Activation::Tanh, Activation::None] {
                let network = network(widths, activation);
                for rows in [1, 7, 8, 21] {
                    let x: Vec<f32> = (0..rows * widths[0]).map(number).collect();
                    let answers = layers(&network, &x, rows);
                    let outputs = widths[widths.len() - 1];
                    for (x, answer) in x.chunks(widths[0]).zip(answers.chunks(outputs)) {
                        let plain = plain(&network, x);
                        let bits =
                            |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                        assert_eq!(
                            bits(answer),
                            bits(&plain),
                            "{widths:?} {activation:?} {rows}"
                        );
                    }
                }
            }
        }
    }
}
