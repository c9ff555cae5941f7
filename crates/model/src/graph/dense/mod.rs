//! The ai.onnx operators of tabular graphs. NumPy broadcasting; f32 is calculated in f32, f64 in f64, every integer type
//! as i64; sums over an axis in f64 or i64.

mod broadcast;
mod cast;
mod distance;
mod elementwise;
mod gather;
mod layers;
mod layout;
mod matmul;
mod normalise;
mod ranking;
mod reduce;
mod select;

pub use cast::Cast;
pub use distance::{Distance, Metric};
pub use elementwise::{Binary, Compare, Logical, Unary};
pub use gather::{Compress, Gather, GatherElements, GatherNd, OneHot, ScatterElements, ScatterNd};
pub use layers::Layers;
pub use layout::{
    Concat, Expand, Flatten, Reshape, Slice, Split, Squeeze, Tile, Transpose, Unsqueeze,
};
pub use matmul::{Gemm, MatMul};
pub use normalise::{LpNormalize, Softmax};
pub use ranking::{ArgExtreme, CumSum, NonZero, TopK};
pub use reduce::{Reduce, Reduction};
pub use select::{Clip, ConstantOfShape, Identity, Range, Select, Shape, Size};

/// `values` of `shape` broadcast to `target`; `None` when they do not.
pub(in crate::graph) fn broadcast_to<T: Copy>(
    shape: &[usize],
    values: &[T],
    target: &[usize],
) -> Option<Vec<T>> {
    broadcast::expand(shape, values, target)
        .ok()
        .map(std::borrow::Cow::into_owned)
}
