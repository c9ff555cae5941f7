//! Derivatives of layers, convolutions and pools with respect to their operands.

use crate::convolution::slide;
use crate::dense::through;
use crate::panels::PANEL;
use crate::pool::{counts, ways};
use crate::{Activation, Layer, Pool, Window, exp, sigmoid, spread, tanh};

impl Activation {
    /// The derivative at `x`; at a kink, that of the side above for limits and of the side below for `max(x, 0)`.
    pub fn slope(self, x: f32) -> f32 {
        let step = |inside: bool, slope: f32| if inside { slope } else { 0.0 };
        match self {
            Activation::None => 1.0,
            Activation::Relu => step(x > 0.0, 1.0),
            Activation::LeakyRelu(alpha) => {
                if x < 0.0 {
                    alpha
                } else {
                    1.0
                }
            }
            Activation::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
            Activation::Tanh => 1.0 - tanh(x) * tanh(x),
            Activation::Clip(low, high) => step(x >= low && x <= high, 1.0),
            Activation::Silu => sigmoid(x) + x * sigmoid(x) * (1.0 - sigmoid(x)),
            Activation::HardSigmoid(alpha, beta) => {
                let y = alpha * x + beta;
                step(y > 0.0 && y < 1.0, alpha)
            }
            Activation::HardSwish if x <= -3.0 => 0.0,
            Activation::HardSwish if x >= 3.0 => 1.0,
            Activation::HardSwish => x / 3.0 + 0.5,
            Activation::Elu(alpha) => {
                if x < 0.0 {
                    alpha * exp(x)
                } else {
                    1.0
                }
            }
            Activation::Selu(alpha, gamma) => {
                if x <= 0.0 {
                    gamma * alpha * exp(x)
                } else {
                    gamma
                }
            }
            Activation::Affine(alpha, _) => alpha,
            Activation::ScaledTanh(alpha, beta) => {
                alpha * beta * (1.0 - tanh(beta * x) * tanh(beta * x))
            }
            Activation::ThresholdedRelu(alpha) => step(x > alpha, 1.0),
            Activation::Softplus => sigmoid(x),
            Activation::Softsign => 1.0 / ((1.0 + x.abs()) * (1.0 + x.abs())),
        }
    }
}

/// What `gradient[rows, outputs]` of the chain's results is of its operand `x[rows, inputs]`.
///
/// # Panics
/// As [`crate::layers`].
pub fn layers_backward(chain: &[Layer], x: &[f32], rows: usize, gradient: &[f32]) -> Vec<f32> {
    let mut now = x.to_vec();
    let mut before = Vec::with_capacity(chain.len());
    for layer in chain {
        now = through(std::slice::from_ref(layer), &now, rows, false);
        before.push(now.clone());
        layer.activation().apply_all(&mut now);
    }
    let mut gradient = gradient.to_vec();
    for (layer, before) in chain.iter().zip(&before).rev() {
        let slopes = before.iter().map(|&x| layer.activation().slope(x));
        gradient
            .iter_mut()
            .zip(slopes)
            .for_each(|(g, slope)| *g *= slope);
        gradient = transposed(layer, &gradient, rows);
    }
    gradient
}

/// `gradient[rows, outputs]` times the transposed weights.
fn transposed(layer: &Layer, gradient: &[f32], rows: usize) -> Vec<f32> {
    let (inputs, outputs) = (layer.panels().inputs(), layer.panels().outputs());
    let mut made = vec![0.0; rows * inputs];
    for (gradient, made) in gradient
        .chunks_exact(outputs)
        .zip(made.chunks_exact_mut(inputs))
    {
        for (weights, gradient) in layer.panels().panels().zip(gradient.chunks(PANEL)) {
            let mut four = [0.0; PANEL];
            four[..gradient.len()].copy_from_slice(gradient);
            for (made, weights) in made.iter_mut().zip(weights) {
                let terms = weights.iter().zip(&four);
                *made += terms.fold(0.0, |sum, (weight, g)| sum + weight * g);
            }
        }
    }
    made
}

/// What `gradient[samples, outputs, output]` of a convolution's results is of its operand.
///
/// # Panics
/// As [`crate::convolve`].
pub fn convolve_backward(
    groups: &[Layer],
    channels: usize,
    window: &Window,
    x: &[f32],
    gradient: &[f32],
) -> Vec<f32> {
    let mut gradient = gradient.to_vec();
    if groups
        .iter()
        .any(|layer| layer.activation() != Activation::None)
    {
        let before = slide(groups, channels, window, x, false);
        let outputs: usize = groups.iter().map(|layer| layer.panels().outputs()).sum();
        let group = outputs / groups.len() * window.output_size();
        let parts = gradient.chunks_mut(group).zip(before.chunks(group));
        for ((gradient, before), layer) in parts.zip(groups.iter().cycle()) {
            let slopes = before.iter().map(|&x| layer.activation().slope(x));
            gradient
                .iter_mut()
                .zip(slopes)
                .for_each(|(g, slope)| *g *= slope);
        }
    }
    let mut made = vec![0.0; x.len()];
    let (own, taps) = (channels / groups.len(), window.kernel_size());
    let mut planes = gradient.chunks_exact(window.output_size());
    for (at, made) in made.chunks_exact_mut(own * window.input_size()).enumerate() {
        let panels = groups[at % groups.len()].panels();
        for (output, plane) in planes.by_ref().take(panels.outputs()).enumerate() {
            for (channel, sums) in made.chunks_exact_mut(window.input_size()).enumerate() {
                let weight = |tap| panels.weight(output, channel * taps + tap);
                let weights: Vec<f32> = (0..taps).map(weight).collect();
                spread(window, &weights, plane, sums);
            }
        }
    }
    made
}

/// What `gradient[planes, output]` of a pool's results is of its operand; a largest element that stands several times
/// counts where it stands first. `None` for norms.
///
/// # Panics
/// If a slice is no whole number of planes.
pub fn pool_backward(kind: Pool, window: &Window, x: &[f32], gradient: &[f32]) -> Option<Vec<f32>> {
    let ways = ways(window);
    let counts = counts(kind, window, &ways);
    let mut made = vec![0.0; x.len()];
    let planes = x
        .chunks_exact(window.input_size())
        .zip(made.chunks_exact_mut(window.input_size()));
    for ((plane, made), gradient) in planes.zip(gradient.chunks_exact(window.output_size())) {
        match kind {
            Pool::Max => {
                let mut best: Vec<Option<usize>> = vec![None; gradient.len()];
                visit(window, &ways, |input, output| {
                    if best[output].is_none_or(|own| plane[input] > plane[own]) {
                        best[output] = Some(input);
                    }
                });
                for (best, g) in best.into_iter().zip(gradient) {
                    if let Some(input) = best {
                        made[input] += g;
                    }
                }
            }
            Pool::Average | Pool::AveragePadded(_) => {
                visit(window, &ways, |input, output| {
                    made[input] += gradient[output] / counts[output];
                });
            }
            Pool::Norm(_) => return None,
        }
    }
    Some(made)
}

/// Every pair of an element of a plane and an output whose window holds it.
fn visit(
    window: &Window,
    ways: &[[(std::ops::Range<usize>, usize); 3]],
    mut visit: impl FnMut(usize, usize),
) {
    let (stride, [_, height, width]) = (window.stride, window.input);
    for [(zs, z0), (ys, y0), (xs, x0)] in ways {
        for (z, output_z) in zs.clone().enumerate() {
            for (y, output_y) in ys.clone().enumerate() {
                let row = ((z0 + z * stride[0]) * height + y0 + y * stride[1]) * width;
                let to = (output_z * window.output[1] + output_y) * window.output[2];
                for (x, output_x) in xs.clone().enumerate() {
                    visit(row + x0 + x * stride[2], to + output_x);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_central_differences() {
        let all = [
            Activation::None,
            Activation::Relu,
            Activation::LeakyRelu(0.1),
            Activation::Sigmoid,
            Activation::Tanh,
            Activation::Clip(-1.0, 1.0),
            Activation::Silu,
            Activation::HardSigmoid(0.2, 0.5),
            Activation::HardSwish,
            Activation::Elu(0.7),
            Activation::Selu(1.6, 1.05),
            Activation::Affine(2.0, 1.0),
            Activation::ScaledTanh(1.5, 0.5),
            Activation::ThresholdedRelu(0.4),
            Activation::Softplus,
            Activation::Softsign,
        ];
        for activation in all {
            for x in [-3.7, -1.3, -0.3, 0.3, 0.9, 2.2, 4.1] {
                let step = 1e-2;
                let difference = (activation.of(x + step) - activation.of(x - step)) / (2.0 * step);
                let slope = activation.slope(x);
                assert!(
                    (difference - slope).abs() < 2e-3,
                    "{activation:?} at {x}: {slope} {difference}"
                );
            }
        }
    }
}
