//! Elements picked by indices, and put back.

use borsh::{BorshDeserialize, BorshSerialize};

use super::broadcast::strides;
use crate::graph::operator::{
    Arity, Flow, Operands, Operator, axis_of, element_count, integers, map_data, operand,
    operand_type, tensor,
};
use crate::{Data, ElementType, Tensor};

/// An index into an axis of `extent`, counted from the end when negative.
fn index_of(index: i64, extent: usize) -> Result<usize, String> {
    let absolute = if index < 0 {
        index.saturating_add(extent as i64)
    } else {
        index
    };
    usize::try_from(absolute)
        .ok()
        .filter(|&at| at < extent)
        .ok_or_else(|| format!("index {index} on an axis of extent {extent}"))
}

fn indexed(operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
    match operand_type(operands, 1)? {
        ElementType::I64 => Ok(vec![operand_type(operands, 0)?]),
        other => Err(format!("indices of {other:?}")),
    }
}

/// Entries of one axis: the axis is replaced by the shape of the indices (operand 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Gather {
    /// The axis; negative counts from the end.
    pub axis: i64,
}

impl Operator for Gather {
    fn name(&self) -> &'static str {
        "Gather"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(2)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        indexed(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let axis = axis_of(self.axis, x.shape().len())?;
        let extent = x.shape()[axis];
        let indices: Vec<usize> = integers(operands, 1)?
            .iter()
            .map(|&index| index_of(index, extent))
            .collect::<Result<_, _>>()?;
        let inner: usize = x.shape()[axis + 1..].iter().product();
        let outer: usize = x.shape()[..axis].iter().product();
        let mut shape = x.shape()[..axis].to_vec();
        shape.extend_from_slice(operand(operands, 1)?.shape());
        shape.extend_from_slice(&x.shape()[axis + 1..]);
        let elements = element_count(&shape)?;
        let data = map_data!(x.data(), values => {
            let mut picked = Vec::with_capacity(elements);
            for block in 0..outer {
                for index in &indices {
                    let from = (block * extent + index) * inner;
                    picked.extend_from_slice(&values[from..from + inner]);
                }
            }
            picked
        });
        Ok(vec![tensor(shape, data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Moves(Some(1))
    }
}

/// `result[i][j] = x[index[i][j]][j]` for axis 0, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GatherElements {
    /// The axis; negative counts from the end.
    pub axis: i64,
}

/// Offsets into a tensor of `shape` that the elements of `indices` mean along `axis`.
fn element_offsets(shape: &[usize], axis: usize, indices: &Tensor) -> Result<Vec<usize>, String> {
    let fits = indices.shape().len() == shape.len()
        && (0..shape.len()).all(|other| other == axis || indices.shape()[other] <= shape[other]);
    let Data::I64(values) = indices.data() else {
        return Err(format!("indices of {:?}", indices.element_type()));
    };
    if !fits {
        return Err(format!(
            "indices of the shape {:?} into {shape:?}",
            indices.shape()
        ));
    }
    let own = strides(shape);
    let theirs = strides(indices.shape());
    values
        .iter()
        .enumerate()
        .map(|(position, &index)| {
            let mut offset = index_of(index, shape[axis])? * own[axis];
            for other in 0..shape.len() {
                if other != axis {
                    offset += position / theirs[other] % indices.shape()[other] * own[other];
                }
            }
            Ok(offset)
        })
        .collect()
}

impl Operator for GatherElements {
    fn name(&self) -> &'static str {
        "GatherElements"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(2)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        indexed(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let (x, indices) = (operand(operands, 0)?, operand(operands, 1)?);
        let offsets = element_offsets(x.shape(), axis_of(self.axis, x.shape().len())?, indices)?;
        let data =
            map_data!(x.data(), values => offsets.iter().map(|&offset| values[offset]).collect());
        Ok(vec![tensor(indices.shape().to_vec(), data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Moves(Some(1))
    }
}

/// Offsets and extent of the slices that the last axis of `indices` names in a tensor of `shape`.
fn slice_offsets(shape: &[usize], indices: &Tensor) -> Result<(Vec<usize>, usize), String> {
    let Data::I64(values) = indices.data() else {
        return Err(format!("indices of {:?}", indices.element_type()));
    };
    let depth = match indices.shape().last() {
        Some(&depth) if depth >= 1 && depth <= shape.len() => depth,
        _ => {
            return Err(format!(
                "indices of the shape {:?} into {shape:?}",
                indices.shape()
            ));
        }
    };
    let own = strides(shape);
    let offsets = values
        .chunks_exact(depth)
        .map(|index| {
            index.iter().enumerate().try_fold(0, |sum, (axis, &index)| {
                Ok(sum + index_of(index, shape[axis])? * own[axis])
            })
        })
        .collect::<Result<_, String>>()?;
    Ok((offsets, shape[depth..].iter().product()))
}

/// Slices named by the last axis of the indices (operand 1), without batch axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GatherNd;

impl Operator for GatherNd {
    fn name(&self) -> &'static str {
        "GatherND"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(2)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        indexed(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let (x, indices) = (operand(operands, 0)?, operand(operands, 1)?);
        let (offsets, size) = slice_offsets(x.shape(), indices)?;
        let (depth, outer) = indices
            .shape()
            .split_last()
            .ok_or("indices without an axis")?;
        let mut shape = outer.to_vec();
        shape.extend_from_slice(&x.shape()[*depth..]);
        element_count(&shape)?;
        let data = map_data!(x.data(), values => {
            offsets.iter().flat_map(|&offset| values[offset..offset + size].iter().copied()).collect()
        });
        Ok(vec![tensor(shape, data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Moves(Some(1))
    }
}

/// A copy of operand 0 with the updates (operand 2) at the indices (operand 1); the inverse of [`GatherElements`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ScatterElements {
    /// The axis; negative counts from the end.
    pub axis: i64,
}

/// A copy of operand 0 with slices (operand 2) at the indices (operand 1); the inverse of [`GatherNd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ScatterNd;

/// Puts `size` elements of the updates at every offset.
fn scatter(
    x: &Tensor,
    offsets: &[usize],
    size: usize,
    updates: &Tensor,
) -> Result<Vec<Tensor>, String> {
    if updates.data().len() != offsets.len() * size {
        return Err(format!(
            "updates of the shape {:?} for {} places of {size}",
            updates.shape(),
            offsets.len()
        ));
    }
    let data = match (x.data(), updates.data()) {
        (Data::F32(x), Data::F32(u)) => Data::F32(put(x, offsets, size, u)),
        (Data::F64(x), Data::F64(u)) => Data::F64(put(x, offsets, size, u)),
        (Data::I64(x), Data::I64(u)) => Data::I64(put(x, offsets, size, u)),
        (Data::Bool(x), Data::Bool(u)) => Data::Bool(put(x, offsets, size, u)),
        (Data::Symbol(x), Data::Symbol(u)) => Data::Symbol(put(x, offsets, size, u)),
        (x, u) => {
            return Err(format!(
                "updates of {:?} for {:?}",
                u.element_type(),
                x.element_type()
            ));
        }
    };
    Ok(vec![tensor(x.shape().to_vec(), data)?])
}

fn put<T: Copy>(x: &[T], offsets: &[usize], size: usize, updates: &[T]) -> Vec<T> {
    let mut result = x.to_vec();
    for (position, &offset) in offsets.iter().enumerate() {
        result[offset..offset + size]
            .copy_from_slice(&updates[position * size..(position + 1) * size]);
    }
    result
}

impl Operator for ScatterElements {
    fn name(&self) -> &'static str {
        "ScatterElements"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(3)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        indexed(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let offsets = element_offsets(
            x.shape(),
            axis_of(self.axis, x.shape().len())?,
            operand(operands, 1)?,
        )?;
        scatter(x, &offsets, 1, operand(operands, 2)?)
    }

    fn flow(&self) -> Flow {
        Flow::All
    }
}

impl Operator for ScatterNd {
    fn name(&self) -> &'static str {
        "ScatterND"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(3)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        indexed(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let (offsets, size) = slice_offsets(x.shape(), operand(operands, 1)?)?;
        scatter(x, &offsets, size, operand(operands, 2)?)
    }

    fn flow(&self) -> Flow {
        Flow::All
    }
}

/// A new axis of `depth` (operand 1) that holds the on-value where the index (operand 0) says and the off-value elsewhere;
/// operand 2 lists off and on. An index out of range gives only off-values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OneHot {
    /// Where the new axis stands in the result; negative counts from the end.
    pub axis: i64,
}

impl Operator for OneHot {
    fn name(&self) -> &'static str {
        "OneHot"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(3)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        Ok(vec![operand_type(operands, 2)?])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let indices = crate::graph::operator::as_f64(x)?;
        let depth = match *crate::graph::operator::as_f64(operand(operands, 1)?)? {
            [depth] if depth >= 1.0 => depth as usize,
            ref other => return Err(format!("a depth of {other:?}")),
        };
        let mut shape = x.shape().to_vec();
        let axis = axis_of(self.axis, shape.len() + 1)?;
        shape.insert(axis, depth);
        let elements = element_count(&shape)?;
        let inner: usize = shape[axis + 1..].iter().product();
        let mut places = Vec::with_capacity(indices.len());
        for (position, &index) in indices.iter().enumerate() {
            let absolute = if index < 0.0 {
                index + depth as f64
            } else {
                index
            };
            if absolute >= 0.0 && absolute < depth as f64 {
                places.push(
                    (position / inner * depth + absolute as usize) * inner + position % inner,
                );
            }
        }
        let values = operand(operands, 2)?;
        if values.data().len() != 2 {
            return Err(format!(
                "{} values, expected off and on",
                values.data().len()
            ));
        }
        let data = map_data!(values.data(), values => {
            let mut result = vec![values[0]; elements];
            places.iter().for_each(|&place| result[place] = values[1]);
            result
        });
        Ok(vec![tensor(shape, data)?])
    }

    fn flow(&self) -> Flow {
        if self.axis == -1 {
            Flow::Expands
        } else {
            Flow::All
        }
    }
}

/// The entries of an axis (of the flattened tensor without one) whose condition (operand 1, booleans) holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Compress {
    /// The axis; negative counts from the end.
    pub axis: Option<i64>,
}

impl Operator for Compress {
    fn name(&self) -> &'static str {
        "Compress"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(2)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match operand_type(operands, 1)? {
            ElementType::Bool => Ok(vec![operand_type(operands, 0)?]),
            other => Err(format!("a condition of {other:?}")),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let Data::Bool(condition) = operand(operands, 1)?.data() else {
            return Err(format!(
                "a condition of {:?}",
                operand(operands, 1)?.element_type()
            ));
        };
        let kept: Vec<i64> = (0..)
            .zip(condition)
            .filter(|(_, holds)| **holds)
            .map(|(index, _)| index)
            .collect();
        let kept = tensor(vec![kept.len()], Data::I64(kept))?;
        match self.axis {
            Some(axis) => Gather { axis }.evaluate(&[Some(x), Some(&kept)]),
            None => {
                let flat = tensor(vec![x.data().len()], x.data().clone())?;
                Gather { axis: 0 }.evaluate(&[Some(&flat), Some(&kept)])
            }
        }
    }

    fn flow(&self) -> Flow {
        Flow::Moves(Some(1))
    }
}
