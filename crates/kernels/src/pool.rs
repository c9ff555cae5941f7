//! Summaries of sliding windows, and the sums of a transposed convolution.

use crate::Window;

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The largest element inside the operand; NaN when one is.
    Max,
    /// The mean of the elements inside the operand.
    Average,
    /// The sum of the elements inside the operand, divided by the elements inside the padded operand; its end is given
    /// per axis.
    AveragePadded([usize; 3]),
    /// The p-th root of the sum of `|x|ᵖ`.
    Norm(u32),
}

/// `x[planes, input]` → `[planes, output]`, row-major.
///
/// # Panics
/// If `x` is no whole number of planes.
pub fn pool(kind: Pool, window: &Window, x: &[f32]) -> Vec<f32> {
    let planes = x.len() / window.input_size().max(1);
    let mut result = Vec::with_capacity(planes * window.output_size());
    let ways: Vec<[(std::ops::Range<usize>, usize); 3]> = ways(window);
    let counts = counts(kind, window, &ways);
    let start = if kind == Pool::Max {
        f32::NEG_INFINITY
    } else {
        0.0
    };
    for plane in x.chunks_exact(window.input_size().max(1)) {
        let first = result.len();
        result.resize(first + window.output_size(), start);
        let out = &mut result[first..];
        for way in &ways {
            match kind {
                Pool::Max => gather(window, way, plane, out, |a, b| {
                    // A NaN stays, and a NaN is taken.
                    if b <= *a || a.is_nan() { *a } else { b }
                }),
                Pool::Norm(1) => gather(window, way, plane, out, |a, b| a + b.abs()),
                Pool::Norm(2) => gather(window, way, plane, out, |a, b| a + b * b),
                Pool::Norm(p) => gather(window, way, plane, out, |a, b| {
                    a + libm::powf(b.abs(), p as f32)
                }),
                Pool::Average | Pool::AveragePadded(_) => {
                    gather(window, way, plane, out, |a, b| a + b)
                }
            }
        }
        match kind {
            Pool::Max | Pool::Norm(1) => {}
            Pool::Norm(2) => out.iter_mut().for_each(|x| *x = libm::sqrtf(*x)),
            Pool::Norm(p) => out
                .iter_mut()
                .for_each(|x| *x = libm::powf(*x, 1.0 / p as f32)),
            Pool::Average | Pool::AveragePadded(_) => {
                out.iter_mut()
                    .zip(&counts)
                    .for_each(|(x, count)| *x /= count);
            }
        }
    }
    result
}

/// For every element of the window: outputs and first position, per axis.
pub(crate) fn ways(window: &Window) -> Vec<[(std::ops::Range<usize>, usize); 3]> {
    let mut ways = Vec::with_capacity(window.kernel_size());
    for z in 0..window.kernel[0] {
        for y in 0..window.kernel[1] {
            for x in 0..window.kernel[2] {
                ways.push([
                    window.inside(0, z),
                    window.inside(1, y),
                    window.inside(2, x),
                ]);
            }
        }
    }
    ways
}

/// Calls `fold` for every output with the element that `way` puts under it.
fn gather(
    window: &Window,
    way: &[(std::ops::Range<usize>, usize); 3],
    plane: &[f32],
    out: &mut [f32],
    fold: impl Fn(&f32, f32) -> f32,
) {
    let [(zs, z0), (ys, y0), (xs, x0)] = way;
    let (stride, [_, height, width]) = (window.stride, window.input);
    for (z, output_z) in zs.clone().enumerate() {
        for (y, output_y) in ys.clone().enumerate() {
            let row = ((z0 + z * stride[0]) * height + y0 + y * stride[1]) * width;
            let values = &plane[row + x0..row + width];
            let to = (output_z * window.output[1] + output_y) * window.output[2];
            let out = &mut out[to + xs.start..to + xs.end];
            if stride[2] == 1 {
                out.iter_mut()
                    .zip(values)
                    .for_each(|(out, &x)| *out = fold(out, x));
            } else {
                out.iter_mut()
                    .zip(values.iter().step_by(stride[2]))
                    .for_each(|(out, &x)| *out = fold(out, x));
            }
        }
    }
}

/// What sums are divided by, per output.
pub(crate) fn counts(
    kind: Pool,
    window: &Window,
    ways: &[[(std::ops::Range<usize>, usize); 3]],
) -> Vec<f32> {
    match kind {
        Pool::Max | Pool::Norm(_) => Vec::new(),
        Pool::Average => {
            let ones = vec![1.0; window.input_size()];
            let mut counts = vec![0.0; window.output_size()];
            for way in ways {
                gather(window, way, &ones, &mut counts, |a, b| a + b);
            }
            counts
        }
        Pool::AveragePadded(end) => {
            // Windows may go beyond the padded operand where extents are rounded up; that part does not count.
            let along = |axis: usize, output: usize| {
                let limit = window.begin[axis] + window.input[axis] + end[axis];
                let taps = 0..window.kernel[axis];
                taps.filter(|tap| {
                    output * window.stride[axis] + tap * window.dilation[axis] < limit
                })
                .count()
            };
            (0..window.output_size())
                .map(|place| {
                    let x = place % window.output[2];
                    let y = place / window.output[2] % window.output[1];
                    let z = place / window.output[2] / window.output[1];
                    (along(0, z) * along(1, y) * along(2, x)) as f32
                })
                .collect()
        }
    }
}

/// Adds every element of `x[planes, output]`, weighted, to the places of `sums[input]` that its window covers: what a
/// transposed convolution does. `weights` has one number per element of the window.
///
/// # Panics
/// If a slice has another length than the window says.
pub fn spread(window: &Window, weights: &[f32], x: &[f32], sums: &mut [f32]) {
    let (stride, [_, height, width]) = (window.stride, window.input);
    for (way, &weight) in ways(window).iter().zip(weights) {
        let [(zs, z0), (ys, y0), (xs, x0)] = way;
        for (z, output_z) in zs.clone().enumerate() {
            for (y, output_y) in ys.clone().enumerate() {
                let row = ((z0 + z * stride[0]) * height + y0 + y * stride[1]) * width;
                let sums = &mut sums[row + x0..row + width];
                let from = (output_z * window.output[1] + output_y) * window.output[2];
                let x = &x[from + xs.start..from + xs.end];
                sums.iter_mut()
                    .step_by(stride[2])
                    .zip(x)
                    .for_each(|(sum, x)| *sum += weight * x);
            }
        }
    }
}
