//! Windows that slide over up to three spatial axes.

/// Where a window of `kernel` elements stands for every output: axes of extent 1 fill up what is missing to three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Extents of the operand.
    pub input: [usize; 3],
    /// Elements of the window.
    pub kernel: [usize; 3],
    /// Steps from one output to the next.
    pub stride: [usize; 3],
    /// Steps from one element of the window to the next.
    pub dilation: [usize; 3],
    /// Padding before the first element.
    pub begin: [usize; 3],
    /// Extents of the result.
    pub output: [usize; 3],
}

impl Window {
    /// Elements of one plane of the operand.
    pub fn input_size(&self) -> usize {
        self.input.iter().product()
    }

    /// Elements of one plane of the result.
    pub fn output_size(&self) -> usize {
        self.output.iter().product()
    }

    /// Elements of the window.
    pub fn kernel_size(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Extents of the padded operand as far as windows reach.
    pub fn padded(&self) -> [usize; 3] {
        std::array::from_fn(|axis| {
            let reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
            (self.output[axis].max(1) - 1) * self.stride[axis] + reach
        })
    }

    /// The outputs of axis `axis` whose element `at` of the window lies inside the operand, and the operand's position
    /// for the first of them.
    pub(crate) fn inside(&self, axis: usize, at: usize) -> (std::ops::Range<usize>, usize) {
        let (stride, offset) = (self.stride[axis], at * self.dilation[axis]);
        let first = self.begin[axis].saturating_sub(offset).div_ceil(stride);
        let end = (self.input[axis] + self.begin[axis])
            .saturating_sub(offset)
            .div_ceil(stride);
        let end = end.min(self.output[axis]);
        let first = first.min(end);
        (
            first..end,
            (first * stride + offset).saturating_sub(self.begin[axis]),
        )
    }
}
