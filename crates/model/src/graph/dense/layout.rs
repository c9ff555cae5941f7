//! Operators that move elements by position: the values stay as they are.

use borsh::{BorshDeserialize, BorshSerialize};

use super::broadcast::{broadcast_shape, expand, for_each_offset, strides};
use super::select::extents;
use crate::graph::operator::{
    Arity, FREE_TEXT, Flow, Operands, Operator, axis_of, element_count, integers, map_data,
    operand, operand_type, tensor,
};
use crate::{Data, ElementType, Tensor};

/// Declares an operator whose first operand's elements move and whose other operands are integers.
macro_rules! moves {
    ($type:ty, $name:literal, $arity:expr, $evaluate:expr) => {
        impl Operator for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn arity(&self) -> Arity {
                $arity
            }

            fn element_types(
                &self,
                operands: &[Option<ElementType>],
            ) -> Result<Vec<ElementType>, String> {
                Ok(vec![operand_type(operands, 0)?])
            }

            fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
                let evaluate: fn(&$type, &Tensor, &Operands<'_>) -> Result<Vec<Tensor>, String> =
                    $evaluate;
                evaluate(self, operand(operands, 0)?, operands)
            }

            fn flow(&self) -> Flow {
                Flow::Moves(Some(1))
            }
        }
    };
}

/// The same elements in the shape that operand 1 lists; one extent may be -1 (what is left), 0 keeps the operand's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Reshape {
    /// Whether 0 means an empty axis.
    pub allow_zero: bool,
}

moves!(Reshape, "Reshape", Arity::exactly(2), |own, x, operands| {
    let wanted = integers(operands, 1)?;
    let mut shape = Vec::with_capacity(wanted.len());
    let mut rest = None;
    for (axis, &extent) in wanted.iter().enumerate() {
        shape.push(match extent {
            -1 if rest.is_none() => {
                rest = Some(axis);
                1
            }
            0 if !own.allow_zero => *x
                .shape()
                .get(axis)
                .ok_or_else(|| format!("shape {:?} does not become {wanted:?}", x.shape()))?,
            _ => usize::try_from(extent)
                .map_err(|_| format!("shape {:?} does not become {wanted:?}", x.shape()))?,
        });
    }
    if let Some(axis) = rest {
        let known = element_count(&shape)?;
        shape[axis] = x.data().len().checked_div(known).unwrap_or(0);
    }
    if element_count(&shape)? != x.data().len() {
        return Err(format!("shape {:?} does not become {wanted:?}", x.shape()));
    }
    Ok(vec![tensor(shape, x.data().clone())?])
});

/// `[product of the axes before, product of the others]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Flatten {
    /// First axis of the second group, up to the rank; negative counts from the end.
    pub axis: i64,
}

moves!(Flatten, "Flatten", Arity::exactly(1), |own, x, _| {
    let rank = x.shape().len();
    let axis = if own.axis == rank as i64 {
        rank
    } else {
        axis_of(own.axis, rank)?
    };
    let (outer, inner) = x.shape().split_at(axis);
    Ok(vec![tensor(
        vec![outer.iter().product(), inner.iter().product()],
        x.data().clone(),
    )?])
});

/// Without the axes of extent 1: those listed, or all.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Squeeze {
    /// Axes; negative counts from the end.
    pub axes: Option<Vec<i64>>,
}

moves!(Squeeze, "Squeeze", Arity::exactly(1), |own, x, _| {
    let mut drop = vec![false; x.shape().len()];
    match &own.axes {
        None => x
            .shape()
            .iter()
            .zip(&mut drop)
            .for_each(|(&extent, drop)| *drop = extent == 1),
        Some(axes) => {
            for &axis in axes {
                let index = axis_of(axis, drop.len())?;
                if x.shape()[index] != 1 {
                    return Err(format!("axis {axis} of the shape {:?} is not 1", x.shape()));
                }
                drop[index] = true;
            }
        }
    }
    let shape = x
        .shape()
        .iter()
        .zip(drop)
        .filter(|(_, drop)| !drop)
        .map(|(&extent, _)| extent)
        .collect();
    Ok(vec![tensor(shape, x.data().clone())?])
});

/// With axes of extent 1 at the listed places of the result.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Unsqueeze {
    /// Axes of the result; negative counts from the end.
    pub axes: Vec<i64>,
}

moves!(Unsqueeze, "Unsqueeze", Arity::exactly(1), |own, x, _| {
    let rank = x.shape().len() + own.axes.len();
    let mut new = vec![false; rank];
    for &axis in &own.axes {
        new[axis_of(axis, rank)?] = true;
    }
    if new.iter().filter(|&&new| new).count() != own.axes.len() {
        return Err(format!("axes {:?} repeat", own.axes));
    }
    let mut extents = x.shape().iter();
    let shape = new
        .into_iter()
        .map(|new| {
            if new {
                1
            } else {
                extents.next().copied().unwrap_or(1)
            }
        })
        .collect();
    Ok(vec![tensor(shape, x.data().clone())?])
});

/// Axis `i` of the result is axis `permutation[i]` of the operand; reversed without a permutation.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Transpose {
    /// Axes of the operand.
    pub permutation: Option<Vec<u32>>,
}

moves!(Transpose, "Transpose", Arity::exactly(1), |own, x, _| {
    let rank = x.shape().len();
    let permutation: Vec<usize> = match &own.permutation {
        Some(axes) => axes.iter().map(|&axis| axis as usize).collect(),
        None => (0..rank).rev().collect(),
    };
    Ok(vec![permute(x, &permutation)?])
});

/// Axis `i` of the result is axis `permutation[i]` of `x`.
pub(super) fn permute(x: &Tensor, permutation: &[usize]) -> Result<Tensor, String> {
    let mut free = vec![true; x.shape().len()];
    let mut take = |axis: usize| free.get_mut(axis).is_some_and(std::mem::take);
    if permutation.len() != x.shape().len() || !permutation.iter().all(|&axis| take(axis)) {
        return Err(format!(
            "{permutation:?} is no permutation of the axes of {:?}",
            x.shape()
        ));
    }
    let own = strides(x.shape());
    let shape: Vec<usize> = permutation.iter().map(|&axis| x.shape()[axis]).collect();
    let strides: Vec<usize> = permutation.iter().map(|&axis| own[axis]).collect();
    let data = map_data!(x.data(), values => {
        let mut moved = Vec::with_capacity(values.len());
        for_each_offset(&shape, &strides, |offset| moved.push(values[offset]));
        moved
    });
    tensor(shape, data)
}

/// The operands one after the other along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Concat {
    /// The axis; negative counts from the end.
    pub axis: i64,
}

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "Concat"
    }

    fn arity(&self) -> Arity {
        Arity::between(1, usize::MAX)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        let first = operand_type(operands, 0)?;
        match operands.iter().flatten().find(|&&other| other != first) {
            Some(other) => Err(format!("{other:?} after {first:?}")),
            None => Ok(vec![first]),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let first = operand(operands, 0)?;
        let axis = axis_of(self.axis, first.shape().len())?;
        let mut shape = first.shape().to_vec();
        shape[axis] = 0;
        for x in operands.iter().flatten() {
            let extent = *x.shape().get(axis).unwrap_or(&0);
            shape[axis] = shape[axis].saturating_add(extent);
            let fits = x.shape().len() == shape.len()
                && (0..shape.len()).all(|other| other == axis || x.shape()[other] == shape[other]);
            if !fits {
                return Err(format!(
                    "shapes {:?} and {:?} along axis {axis}",
                    first.shape(),
                    x.shape()
                ));
            }
        }
        let elements = element_count(&shape)?;
        let outer: usize = shape[..axis].iter().product();
        let data = match first.data() {
            Data::F32(_) => Data::F32(join(operands, outer, elements, |d| {
                if let Data::F32(v) = d { Some(v) } else { None }
            })?),
            Data::F64(_) => Data::F64(join(operands, outer, elements, |d| {
                if let Data::F64(v) = d { Some(v) } else { None }
            })?),
            Data::I64(_) => Data::I64(join(operands, outer, elements, |d| {
                if let Data::I64(v) = d { Some(v) } else { None }
            })?),
            Data::Bool(_) => Data::Bool(join(operands, outer, elements, |d| {
                if let Data::Bool(v) = d { Some(v) } else { None }
            })?),
            Data::Symbol(_) => Data::Symbol(join(operands, outer, elements, |d| {
                if let Data::Symbol(v) = d {
                    Some(v)
                } else {
                    None
                }
            })?),
            Data::Text(_) => return Err(FREE_TEXT.to_owned()),
        };
        Ok(vec![tensor(shape, data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Moves(None)
    }
}

/// Takes an `outer`-th of every operand in turn, `outer` times.
fn join<T: Copy>(
    operands: &Operands<'_>,
    outer: usize,
    elements: usize,
    of: impl Fn(&Data) -> Option<&Vec<T>>,
) -> Result<Vec<T>, String> {
    let parts: Vec<&[T]> = operands
        .iter()
        .flatten()
        .map(|x| {
            of(x.data())
                .map(Vec::as_slice)
                .ok_or_else(|| format!("{:?} among others", x.element_type()))
        })
        .collect::<Result<_, _>>()?;
    if let [only] = parts[..] {
        return Ok(only.to_vec());
    }
    let mut joined = Vec::with_capacity(elements);
    for block in 0..outer {
        for part in &parts {
            let size = part.len() / outer;
            joined.extend_from_slice(&part[block * size..(block + 1) * size]);
        }
    }
    Ok(joined)
}

/// Parts of the operand along an axis.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Split {
    /// The axis; negative counts from the end.
    pub axis: i64,
    /// Extents of the parts; `None` splits evenly, the last part being smaller when need be.
    pub sizes: Option<Vec<u32>>,
    /// How many parts.
    pub parts: u32,
}

impl Operator for Split {
    fn name(&self) -> &'static str {
        "Split"
    }

    fn arity(&self) -> Arity {
        Arity {
            operands: 1..=1,
            outputs: self.parts..=self.parts,
        }
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        Ok(vec![operand_type(operands, 0)?])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let axis = axis_of(self.axis, x.shape().len())?;
        let extent = x.shape()[axis];
        let even = extent.div_ceil((self.parts as usize).max(1));
        let size = |part: usize| match &self.sizes {
            Some(sizes) => sizes.get(part).map_or(0, |&size| size as usize),
            None => even.min(extent.saturating_sub(part * even)),
        };
        let mut start = 0usize;
        let mut parts = Vec::new();
        for part in 0..self.parts as usize {
            let end = start.saturating_add(size(part));
            if end > extent {
                return Err(format!(
                    "axis {axis} of the shape {:?} does not split into {:?}",
                    x.shape(),
                    self.sizes
                ));
            }
            parts.push(range(x, axis, start, 1, end - start)?);
            start = end;
        }
        if start != extent {
            return Err(format!(
                "axis {axis} of the shape {:?} does not split into {:?}",
                x.shape(),
                self.sizes
            ));
        }
        Ok(parts)
    }

    fn flow(&self) -> Flow {
        Flow::Moves(Some(1))
    }
}

/// `count` indices of `axis`, from `start` by `step`; all exist.
fn range(
    x: &Tensor,
    axis: usize,
    start: usize,
    step: isize,
    count: usize,
) -> Result<Tensor, String> {
    let mut shape = x.shape().to_vec();
    let inner: usize = shape[axis + 1..].iter().product();
    let block = shape[axis] * inner;
    let outer: usize = shape[..axis].iter().product();
    shape[axis] = count;
    let elements = element_count(&shape)?;
    let data = map_data!(x.data(), values => {
        let mut taken = Vec::with_capacity(elements);
        for outer in 0..outer {
            if step == 1 {
                let from = outer * block + start * inner;
                taken.extend_from_slice(&values[from..from + count * inner]);
                continue;
            }
            for index in 0..count as isize {
                let from = outer * block + (start as isize + index * step) as usize * inner;
                taken.extend_from_slice(&values[from..from + inner]);
            }
        }
        taken
    });
    tensor(shape, data)
}

/// Ranges of axes: operands are the tensor, starts, ends and, where present, axes and steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Slice;

moves!(Slice, "Slice", Arity::between(3, 5), |_, x, operands| {
    let (starts, ends) = (integers(operands, 1)?, integers(operands, 2)?);
    let present = |index: usize| operands.get(index).copied().flatten().is_some();
    let axes: Vec<i64> = if present(3) {
        integers(operands, 3)?.to_vec()
    } else {
        (0..starts.len() as i64).collect()
    };
    let steps: Vec<i64> = if present(4) {
        integers(operands, 4)?.to_vec()
    } else {
        vec![1; starts.len()]
    };
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(format!(
            "{} starts, {} ends, {} axes, {} steps",
            starts.len(),
            ends.len(),
            axes.len(),
            steps.len()
        ));
    }
    let mut result = x.clone();
    for (((&start, &end), &axis), &step) in starts.iter().zip(ends).zip(&axes).zip(&steps) {
        let axis = axis_of(axis, result.shape().len())?;
        let extent = result.shape()[axis] as i64;
        let absolute = |index: i64| {
            if index < 0 {
                index.saturating_add(extent)
            } else {
                index
            }
        };
        let (start, count) = match step {
            0 => return Err("a step of 0".to_owned()),
            1.. => {
                let (start, end) = (
                    absolute(start).clamp(0, extent),
                    absolute(end).clamp(0, extent),
                );
                (
                    start,
                    (end - start)
                        .max(0)
                        .unsigned_abs()
                        .div_ceil(step.unsigned_abs()),
                )
            }
            _ => {
                let (start, end) = (
                    absolute(start).clamp(-1, extent - 1),
                    absolute(end).clamp(-1, extent - 1),
                );
                (
                    start,
                    (start - end)
                        .max(0)
                        .unsigned_abs()
                        .div_ceil(step.unsigned_abs()),
                )
            }
        };
        // With at most one element the step is of no account, however large.
        let step = if count > 1 { step as isize } else { 1 };
        let start = if count == 0 { 0 } else { start as usize };
        result = range(&result, axis, start, step, count as usize)?;
    }
    Ok(vec![result])
});

/// Broadcast to the shape that operand 1 lists (both ways, as NumPy does).
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Expand;

moves!(Expand, "Expand", Arity::exactly(2), |_, x, operands| {
    let shape = broadcast_shape(x.shape(), &extents(integers(operands, 1)?)?)?;
    let data = map_data!(x.data(), values => expand(x.shape(), values, &shape)?.into_owned());
    Ok(vec![tensor(shape, data)?])
});

/// Repeated along every axis as often as operand 1 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Tile;

moves!(Tile, "Tile", Arity::exactly(2), |_, x, operands| {
    let repeats = extents(integers(operands, 1)?)?;
    if repeats.len() != x.shape().len() {
        return Err(format!(
            "{} repeats for the shape {:?}",
            repeats.len(),
            x.shape()
        ));
    }
    let shape: Vec<usize> = x
        .shape()
        .iter()
        .zip(&repeats)
        .map(|(a, b)| a.saturating_mul(*b))
        .collect();
    let elements = element_count(&shape)?;
    let own = strides(x.shape());
    let data = map_data!(x.data(), values => {
        let mut tiled = Vec::with_capacity(elements);
        if elements > 0 {
            let mut index = vec![0; shape.len()];
            for _ in 0..elements {
                let offset: usize = index.iter().zip(x.shape()).zip(&own).map(|((i, extent), stride)| i % extent * stride).sum();
                tiled.push(values[offset]);
                for axis in (0..shape.len()).rev() {
                    index[axis] += 1;
                    if index[axis] < shape[axis] {
                        break;
                    }
                    index[axis] = 0;
                }
            }
        }
        tiled
    });
    Ok(vec![tensor(shape, data)?])
});
