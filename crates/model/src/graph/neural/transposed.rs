//! Transposed convolutions.

use borsh::{BorshDeserialize, BorshSerialize};
use hyaline_kernels::{Window, spread};

use super::window::{Padding, Sliding};
use super::{floats, only_floats};
use crate::graph::operator::{Flow, Operands, Operator, element_count, operand, tensor};
use crate::{Data, ElementType, Tensor};

/// `[rows, channels, spatial…]` → `[rows, outputs, spatial…]`, f32: every element spreads its weighted window.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct ConvTranspose {
    /// The windows as they stand in the result; its padding is cut off from it.
    pub sliding: Sliding,
    /// Elements that the result has more behind its end, per axis.
    pub extra: Vec<u32>,
    /// Groups of channels.
    pub groups: u32,
    /// `[channels, outputs of a group, window]`
    pub weights: Tensor,
    /// One number per output.
    pub bias: Tensor,
}

impl ConvTranspose {
    /// Where the windows stand: the operand's elements are the window's outputs.
    fn window(&self, spatial: &[usize]) -> Result<Window, String> {
        let rank = self.sliding.kernel.len();
        let fail = || format!("a transposed convolution of spatial axes {spatial:?}");
        let Padding::Explicit(begin, end) = &self.sliding.padding else {
            return Err(fail());
        };
        let lists = [
            &self.sliding.strides,
            &self.sliding.dilations,
            begin,
            end,
            &self.extra,
        ];
        if !(1..=3).contains(&rank)
            || spatial.len() != rank
            || lists.iter().any(|l| l.len() != rank)
        {
            return Err(fail());
        }
        let mut window = Window {
            input: [1; 3],
            kernel: [1; 3],
            stride: [1; 3],
            dilation: [1; 3],
            begin: [0; 3],
            output: [1; 3],
        };
        for (at, &extent) in spatial.iter().enumerate() {
            let axis = 3 - rank + at;
            let number = |list: &[u32]| list[at] as usize;
            let (kernel, stride) = (number(&self.sliding.kernel), number(&self.sliding.strides));
            let dilation = number(&self.sliding.dilations);
            let sizes = [kernel, stride, dilation, extent];
            let rest = [number(begin), number(end), number(&self.extra)];
            let small =
                sizes.iter().all(|&x| x > 0 && x < 1 << 12) && rest.iter().all(|&x| x < 1 << 12);
            if !small {
                return Err(fail());
            }
            let whole = (extent - 1) * stride + (kernel - 1) * dilation + 1 + rest[2];
            window.input[axis] = whole.checked_sub(rest[0] + rest[1]).ok_or_else(fail)?;
            window.kernel[axis] = kernel;
            window.stride[axis] = stride;
            window.dilation[axis] = dilation;
            window.begin[axis] = rest[0];
            window.output[axis] = extent;
        }
        Ok(window)
    }
}

impl Operator for ConvTranspose {
    fn name(&self) -> &'static str {
        "ConvTranspose"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        only_floats(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let (values, weights, bias) = (floats(x)?, floats(&self.weights)?, floats(&self.bias)?);
        let (&[rows, channels, ref spatial @ ..], groups) = (x.shape(), self.groups as usize)
        else {
            return Err(format!("a transposed convolution of shape {:?}", x.shape()));
        };
        let window = self.window(spatial)?;
        let (size, taps) = (window.output_size(), window.kernel_size());
        let own = self.weights.shape().get(1).copied().unwrap_or(0);
        let outputs = own.saturating_mul(groups);
        let fits = groups > 0
            && channels.is_multiple_of(groups)
            && Some(weights.len()) == element_count(&[channels, own, taps]).ok()
            && bias.len() == outputs;
        if !fits {
            return Err(format!(
                "{channels} channels for weights of shape {:?}",
                self.weights.shape()
            ));
        }
        let rank = self.sliding.kernel.len();
        let mut shape = vec![rows, outputs];
        shape.extend(&window.input[3 - rank..]);
        element_count(&shape)?;
        let mut made = Vec::with_capacity(element_count(&shape)?);
        for row in values.chunks_exact((channels * size).max(1)) {
            for (output, &bias) in bias.iter().enumerate() {
                let first = made.len();
                made.resize(first + window.input_size(), bias);
                let per_group = channels / groups;
                let group = output / own;
                for channel in group * per_group..(group + 1) * per_group {
                    let weights = &weights[(channel * own + output % own) * taps..][..taps];
                    spread(
                        &window,
                        weights,
                        &row[channel * size..][..size],
                        &mut made[first..],
                    );
                }
            }
        }
        Ok(vec![tensor(shape, Data::F32(made))?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}
