//! NumPy broadcasting.

use std::borrow::Cow;

use crate::graph::operator::element_count;

/// The shape two operands broadcast to.
///
/// # Errors
/// When an extent differs and neither is 1, or the result is too large.
pub(super) fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let mut shape = vec![0; rank];
    for (axis, extent) in shape.iter_mut().enumerate() {
        let own = |shape: &[usize]| {
            (axis + shape.len())
                .checked_sub(rank)
                .map_or(1, |at| shape[at])
        };
        *extent = match (own(a), own(b)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return Err(format!("shapes {a:?} and {b:?} do not broadcast")),
        };
    }
    element_count(&shape)?;
    Ok(shape)
}

/// `f` of every pair of elements, after broadcasting.
///
/// # Errors
/// As [`broadcast_shape`].
pub(super) fn zip<A: Copy, B: Copy, C>(
    a: (&[usize], &[A]),
    b: (&[usize], &[B]),
    f: impl Fn(A, B) -> C,
) -> Result<(Vec<usize>, Vec<C>), String> {
    let (shape, a, b) = align(a, b)?;
    Ok((
        shape,
        a.iter().zip(b.iter()).map(|(&a, &b)| f(a, b)).collect(),
    ))
}

/// Two operands broadcast to their common shape, once for all functions of a pair of types.
type Aligned<'a, A, B> = (Vec<usize>, Cow<'a, [A]>, Cow<'a, [B]>);

#[inline(never)]
fn align<'a, A: Copy, B: Copy>(
    (a_shape, a): (&[usize], &'a [A]),
    (b_shape, b): (&[usize], &'a [B]),
) -> Result<Aligned<'a, A, B>, String> {
    let shape = broadcast_shape(a_shape, b_shape)?;
    let (a, b) = (expand(a_shape, a, &shape)?, expand(b_shape, b, &shape)?);
    Ok((shape, a, b))
}

/// The elements of a tensor broadcast to `target`.
///
/// # Errors
/// When the shape does not broadcast to exactly `target`, or `target` is too large.
#[inline(never)]
pub(super) fn expand<'a, T: Copy>(
    shape: &[usize],
    values: &'a [T],
    target: &[usize],
) -> Result<Cow<'a, [T]>, String> {
    if shape == target {
        return Ok(Cow::Borrowed(values));
    }
    if broadcast_shape(shape, target)? != target {
        return Err(format!("shape {shape:?} does not broadcast to {target:?}"));
    }
    let elements = element_count(target)?;
    let mut strides = vec![0; target.len()];
    let mut stride = 1;
    for (own, &extent) in shape.iter().enumerate().rev() {
        if extent > 1 {
            strides[own + target.len() - shape.len()] = stride;
        }
        stride *= extent;
    }
    let mut result = Vec::with_capacity(elements);
    for_each_offset(target, &strides, |offset| result.push(values[offset]));
    Ok(Cow::Owned(result))
}

/// Calls `visit` with `Σ index · strides` for every index of `shape`, last axis fastest.
pub(super) fn for_each_offset(shape: &[usize], strides: &[usize], mut visit: impl FnMut(usize)) {
    if shape.contains(&0) {
        return;
    }
    let Some((&inner, outer)) = shape.split_last() else {
        visit(0);
        return;
    };
    let inner_stride = strides[outer.len()];
    let mut index = vec![0; outer.len()];
    let mut base = 0;
    loop {
        for step in 0..inner {
            visit(base + step * inner_stride);
        }
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            base += strides[axis];
            if index[axis] < outer[axis] {
                break;
            }
            base -= strides[axis] * outer[axis];
            index[axis] = 0;
        }
    }
}

/// Row-major strides of `shape`.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}
