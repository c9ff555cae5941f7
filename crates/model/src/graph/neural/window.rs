//! What windows that slide over spatial axes have in common: extents, steps and padding.

use borsh::{BorshDeserialize, BorshSerialize};
use hyaline_kernels::Window;

use crate::graph::operator::element_count;

/// Longest step or padding.
const MOST: usize = 1 << 24;

/// How an operand is padded.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Padding {
    /// So many elements before and after, per axis.
    Explicit(Vec<u32>, Vec<u32>),
    /// So that there is an output for every step; the odd element goes after the end.
    SameUpper,
    /// The same; the odd element goes before the beginning.
    SameLower,
}

/// A window over the axes behind samples and channels.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Sliding {
    /// Elements per axis.
    pub kernel: Vec<u32>,
    /// Steps from one output to the next, per axis.
    pub strides: Vec<u32>,
    /// Steps from one element of the window to the next, per axis.
    pub dilations: Vec<u32>,
    /// What lies around the operand.
    pub padding: Padding,
    /// Whether a last window that goes beyond the padded operand counts.
    pub ceil: bool,
}

/// Where the windows stand in an operand, and what is padded behind its end.
pub(in crate::graph) struct Placed {
    pub(in crate::graph) window: Window,
    pub(in crate::graph) end: [usize; 3],
    /// Extents of the result, without the axes that fill up to three.
    pub(in crate::graph) extents: Vec<usize>,
}

impl Sliding {
    /// # Errors
    /// When the operand has other axes, or is smaller than the window.
    pub(in crate::graph) fn over(&self, spatial: &[usize]) -> Result<Placed, String> {
        let rank = self.kernel.len();
        let fail = || format!("spatial axes {spatial:?} for a window of {:?}", self.kernel);
        let lists = [&self.strides, &self.dilations];
        if rank == 0
            || rank > 3
            || spatial.len() != rank
            || lists.iter().any(|list| list.len() != rank)
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
        let mut end = [0; 3];
        for (at, &input) in spatial.iter().enumerate() {
            let axis = 3 - rank + at;
            let (kernel, stride) = (self.kernel[at] as usize, self.strides[at] as usize);
            let dilation = self.dilations[at] as usize;
            let steps = [kernel, stride, dilation];
            if steps.contains(&0) || steps.iter().any(|&step| step > MOST) {
                return Err(fail());
            }
            let reach = (kernel - 1)
                .checked_mul(dilation)
                .and_then(|reach| reach.checked_add(1))
                .ok_or_else(fail)?;
            let (begin, after) = match &self.padding {
                Padding::Explicit(begin, end) => (
                    *begin.get(at).ok_or_else(fail)? as usize,
                    *end.get(at).ok_or_else(fail)? as usize,
                ),
                same => {
                    let steps = input.div_ceil(stride).max(1);
                    let all = ((steps - 1) * stride + reach).saturating_sub(input);
                    match same {
                        Padding::SameLower => (all - all / 2, all / 2),
                        _ => (all / 2, all - all / 2),
                    }
                }
            };
            if begin > MOST || after > MOST {
                return Err(fail());
            }
            let room = (input + begin + after)
                .checked_sub(reach)
                .ok_or_else(fail)?;
            let mut output = room / stride + 1;
            // A window that would start in the padding behind the end does not count.
            if self.ceil && !room.is_multiple_of(stride) && output * stride < input + begin {
                output += 1;
            }
            window.input[axis] = input;
            window.kernel[axis] = kernel;
            window.stride[axis] = stride;
            window.dilation[axis] = dilation;
            window.begin[axis] = begin;
            window.output[axis] = output;
            end[axis] = after;
        }
        element_count(&window.input)?;
        element_count(&window.output)?;
        element_count(&window.kernel)?;
        element_count(&window.padded())?;
        Ok(Placed {
            window,
            end,
            extents: window.output[3 - rank..].to_vec(),
        })
    }
}
