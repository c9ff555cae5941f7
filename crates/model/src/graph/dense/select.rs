//! Choosing elements by a condition or a range, and tensors made of shapes.

use borsh::{BorshDeserialize, BorshSerialize};

use super::broadcast::{broadcast_shape, expand};
use crate::graph::operator::{
    Arity, FREE_TEXT, Flow, Operands, Operator, element_count, integers, numeric, operand,
    operand_type, tensor,
};
use crate::{Data, ElementType, Tensor};

/// The operand itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Identity;

impl Operator for Identity {
    fn name(&self) -> &'static str {
        "Identity"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        Ok(vec![operand_type(operands, 0)?])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        Ok(vec![operand(operands, 0)?.clone()])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}

/// `condition ? a : b`, element by element (ONNX `Where`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Select;

impl Operator for Select {
    fn name(&self) -> &'static str {
        "Where"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(3)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match (
            operand_type(operands, 0)?,
            operand_type(operands, 1)?,
            operand_type(operands, 2)?,
        ) {
            (ElementType::Bool, a, b) if a == b => Ok(vec![a]),
            (condition, a, b) => Err(format!(
                "a condition of {condition:?} chooses between {a:?} and {b:?}"
            )),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let (condition, a, b) = (
            operand(operands, 0)?,
            operand(operands, 1)?,
            operand(operands, 2)?,
        );
        let Data::Bool(choices) = condition.data() else {
            return Err(format!("a condition of {:?}", condition.element_type()));
        };
        let shape = broadcast_shape(&broadcast_shape(condition.shape(), a.shape())?, b.shape())?;
        let choices = expand(condition.shape(), choices, &shape)?;
        let data = match (a.data(), b.data()) {
            (Data::F32(x), Data::F32(y)) => {
                Data::F32(choose(&choices, (a.shape(), x), (b.shape(), y), &shape)?)
            }
            (Data::F64(x), Data::F64(y)) => {
                Data::F64(choose(&choices, (a.shape(), x), (b.shape(), y), &shape)?)
            }
            (Data::I64(x), Data::I64(y)) => {
                Data::I64(choose(&choices, (a.shape(), x), (b.shape(), y), &shape)?)
            }
            (Data::Bool(x), Data::Bool(y)) => {
                Data::Bool(choose(&choices, (a.shape(), x), (b.shape(), y), &shape)?)
            }
            (Data::Symbol(x), Data::Symbol(y)) => {
                Data::Symbol(choose(&choices, (a.shape(), x), (b.shape(), y), &shape)?)
            }
            (x, y) => {
                return Err(format!(
                    "a choice between {:?} and {:?}",
                    x.element_type(),
                    y.element_type()
                ));
            }
        };
        Ok(vec![tensor(shape, data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}

type View<'a, T> = (&'a [usize], &'a [T]);

fn choose<T: Copy>(
    choices: &[bool],
    a: View<'_, T>,
    b: View<'_, T>,
    shape: &[usize],
) -> Result<Vec<T>, String> {
    let a = expand(a.0, a.1, shape)?;
    let b = expand(b.0, b.1, shape)?;
    Ok(choices
        .iter()
        .zip(a.iter().zip(b.iter()))
        .map(|(&first, (&a, &b))| if first { a } else { b })
        .collect())
}

/// Limits numbers to a range; operands 1 and 2 are the smallest and largest number, where present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Clip;

impl Operator for Clip {
    fn name(&self) -> &'static str {
        "Clip"
    }

    fn arity(&self) -> Arity {
        Arity::between(1, 3)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        let found = numeric(operand_type(operands, 0)?)?;
        for limit in operands.iter().skip(1).flatten() {
            if *limit != found {
                return Err(format!("limits of {limit:?} for {found:?}"));
            }
        }
        Ok(vec![found])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let (low, high) = (
            operands.get(1).copied().flatten(),
            operands.get(2).copied().flatten(),
        );
        let data = match x.data() {
            Data::F32(v) => Data::F32(clip(v, limit(low, f32s)?, limit(high, f32s)?)),
            Data::F64(v) => Data::F64(clip(v, limit(low, f64s)?, limit(high, f64s)?)),
            Data::I64(v) => Data::I64(clip(v, limit(low, i64s)?, limit(high, i64s)?)),
            other => return Err(format!("Clip of {:?}", other.element_type())),
        };
        Ok(vec![tensor(x.shape().to_vec(), data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}

fn clip<T: Copy + PartialOrd>(values: &[T], low: Option<T>, high: Option<T>) -> Vec<T> {
    let above = |x: T| low.filter(|&low| x < low).unwrap_or(x);
    values
        .iter()
        .map(|&x| above(x))
        .map(|x| high.filter(|&high| x > high).unwrap_or(x))
        .collect()
}

fn limit<T: Copy>(
    tensor: Option<&Tensor>,
    elements: fn(&Data) -> Option<&Vec<T>>,
) -> Result<Option<T>, String> {
    let Some(tensor) = tensor else {
        return Ok(None);
    };
    match elements(tensor.data()).map(Vec::as_slice) {
        Some(&[limit]) => Ok(Some(limit)),
        _ => Err(format!(
            "a limit of shape {:?} and type {:?}",
            tensor.shape(),
            tensor.element_type()
        )),
    }
}

fn f32s(data: &Data) -> Option<&Vec<f32>> {
    if let Data::F32(values) = data {
        Some(values)
    } else {
        None
    }
}

fn f64s(data: &Data) -> Option<&Vec<f64>> {
    if let Data::F64(values) = data {
        Some(values)
    } else {
        None
    }
}

fn i64s(data: &Data) -> Option<&Vec<i64>> {
    if let Data::I64(values) = data {
        Some(values)
    } else {
        None
    }
}

/// The operand's shape, from axis `start` up to axis `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Shape {
    /// First axis; negative counts from the end.
    pub start: i64,
    /// One past the last axis; negative counts from the end, `None` is the end.
    pub end: Option<i64>,
}

impl Operator for Shape {
    fn name(&self) -> &'static str {
        "Shape"
    }

    fn element_types(&self, _: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        Ok(vec![ElementType::I64])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let shape = operand(operands, 0)?.shape();
        let rank = shape.len() as i64;
        let clamp = |axis: i64| {
            (if axis < 0 {
                axis.saturating_add(rank)
            } else {
                axis
            })
            .clamp(0, rank) as usize
        };
        let (start, end) = (clamp(self.start), clamp(self.end.unwrap_or(rank)));
        let extents: Vec<i64> = shape[start.min(end)..end]
            .iter()
            .map(|&extent| extent as i64)
            .collect();
        Ok(vec![tensor(vec![extents.len()], Data::I64(extents))?])
    }

    fn flow(&self) -> Flow {
        Flow::Shape
    }
}

/// How many elements the operand has, a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Size;

impl Operator for Size {
    fn name(&self) -> &'static str {
        "Size"
    }

    fn element_types(&self, _: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        Ok(vec![ElementType::I64])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        Ok(vec![tensor(
            vec![],
            Data::I64(vec![operand(operands, 0)?.data().len() as i64]),
        )?])
    }

    fn flow(&self) -> Flow {
        Flow::Shape
    }
}

/// A tensor of the shape that the operand lists, filled with one value.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct ConstantOfShape {
    /// The value: a tensor of one element.
    pub value: Tensor,
}

impl Operator for ConstantOfShape {
    fn name(&self) -> &'static str {
        "ConstantOfShape"
    }

    fn element_types(&self, _: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        Ok(vec![self.value.element_type()])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let shape = extents(integers(operands, 0)?)?;
        let elements = element_count(&shape)?;
        let fill = || format!("a fill value of {} elements", self.value.data().len());
        let data = match self.value.data() {
            Data::F32(v) => Data::F32(vec![*v.first().ok_or_else(fill)?; elements]),
            Data::F64(v) => Data::F64(vec![*v.first().ok_or_else(fill)?; elements]),
            Data::I64(v) => Data::I64(vec![*v.first().ok_or_else(fill)?; elements]),
            Data::Bool(v) => Data::Bool(vec![*v.first().ok_or_else(fill)?; elements]),
            Data::Symbol(v) => Data::Symbol(vec![*v.first().ok_or_else(fill)?; elements]),
            Data::Text(_) => return Err(FREE_TEXT.to_owned()),
        };
        Ok(vec![tensor(shape, data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Shape
    }
}

/// Integers as the extents of a shape.
///
/// # Errors
/// When one is negative.
pub(super) fn extents(values: &[i64]) -> Result<Vec<usize>, String> {
    values
        .iter()
        .map(|&extent| usize::try_from(extent).map_err(|_| format!("the extent {extent}")))
        .collect()
}

/// `start, start + delta, …` up to but without `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Range;

impl Operator for Range {
    fn name(&self) -> &'static str {
        "Range"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(3)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        Ok(vec![numeric(operand_type(operands, 0)?)?])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let scalar = |index: usize| -> Result<f64, String> {
            let found = operand(operands, index)?;
            match *crate::graph::operator::as_f64(found)? {
                [value] => Ok(value),
                _ => Err(format!(
                    "operand {index} has the shape {:?}, expected one number",
                    found.shape()
                )),
            }
        };
        let (start, limit, delta) = (scalar(0)?, scalar(1)?, scalar(2)?);
        let steps = libm::ceil((limit - start) / delta);
        if delta == 0.0 || !steps.is_finite() {
            return Err(format!("a range from {start} to {limit} by {delta}"));
        }
        let steps = element_count(&[steps.max(0.0) as usize])?;
        let numbers = (0..steps).map(|step| start + step as f64 * delta);
        let data = match operand(operands, 0)?.data() {
            Data::F32(_) => Data::F32(numbers.map(|x| x as f32).collect()),
            Data::F64(_) => Data::F64(numbers.collect()),
            Data::I64(_) => Data::I64(numbers.map(|x| x as i64).collect()),
            other => return Err(format!("a range of {:?}", other.element_type())),
        };
        Ok(vec![tensor(vec![steps], data)?])
    }

    fn flow(&self) -> Flow {
        Flow::All
    }
}
