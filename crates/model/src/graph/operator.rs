//! What every operator tells about itself.
//!
//! To add an operator: write a struct with its checked attributes and `impl Operator` for it (in `dense/` for ai.onnx,
//! in `ml/` for ai.onnx.ml), add a variant to [`super::Op`] and a line to `Op::operator`, and lower it in
//! `hyaline-formats`.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use crate::{Data, ElementType, Tensor};

/// The operands of one evaluation; `None` where an optional one is absent.
pub(crate) type Operands<'a> = [Option<&'a Tensor>];

/// How many operands an operator takes and how many values it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arity {
    /// Operands; those below the start must be present, those above may be absent.
    pub(crate) operands: RangeInclusive<usize>,
    /// Values made.
    pub(crate) outputs: RangeInclusive<u32>,
}

impl Arity {
    /// `operands` present operands and one output.
    pub(crate) const fn exactly(operands: usize) -> Arity {
        Arity {
            operands: operands..=operands,
            outputs: 1..=1,
        }
    }

    /// Between `required` and `most` operands and one output.
    pub(crate) const fn between(required: usize, most: usize) -> Arity {
        Arity {
            operands: required..=most,
            outputs: 1..=1,
        }
    }
}

/// Which elements of the operands an element of the result depends on. Any rule may name more than the truth, never less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The elements at the same position, after broadcasting.
    Elementwise,
    /// One element of the first `n` operands each (all operands when `None`), chosen by position only; the operator works
    /// for integer tensors, too. The other operands say which positions.
    Moves(Option<usize>),
    /// The element whose position is the result's without its last axis.
    Expands,
    /// The elements of the same row (first axis) of every operand.
    Rows,
    /// As a matrix product: the row of the first operand where the second operand is not 0, and the other way round.
    Product,
    /// Nothing: the result is made of shapes.
    Shape,
    /// Every element of every operand.
    All,
}

/// An operator with its checked attributes.
pub(crate) trait Operator {
    /// Its name, for error texts.
    fn name(&self) -> &'static str;

    /// One operand, one output unless it says otherwise.
    fn arity(&self) -> Arity {
        Arity::exactly(1)
    }

    /// Types of the outputs for these types of operands, one per output (or one for all of them).
    ///
    /// # Errors
    /// With the type seen and what was expected.
    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String>;

    /// Runs the operator; as many tensors come out as the node has outputs.
    ///
    /// # Errors
    /// With the value, type or shape seen and what was expected. It never panics, whatever the operands.
    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String>;

    /// What the result depends on.
    fn flow(&self) -> Flow;
}

/// Most elements of one tensor: what a row of any sensible model stays far below, and a hostile shape does not.
pub(crate) const MAX_ELEMENTS: usize = 1 << 27;

/// Operand `index`.
pub(crate) fn operand<'a>(operands: &Operands<'a>, index: usize) -> Result<&'a Tensor, String> {
    operands
        .get(index)
        .copied()
        .flatten()
        .ok_or_else(|| format!("operand {index} is missing"))
}

/// The type of operand `index`.
pub(crate) fn operand_type(
    operands: &[Option<ElementType>],
    index: usize,
) -> Result<ElementType, String> {
    operands
        .get(index)
        .copied()
        .flatten()
        .ok_or_else(|| format!("operand {index} is missing"))
}

/// How many elements a tensor of `shape` has.
///
/// # Errors
/// When there are more than [`MAX_ELEMENTS`].
pub(crate) fn element_count(shape: &[usize]) -> Result<usize, String> {
    let product = shape.iter().try_fold(1usize, |product, &extent| {
        product.checked_mul(extent.max(1))
    });
    match product {
        Some(elements) if elements <= MAX_ELEMENTS => {
            Ok(if shape.contains(&0) { 0 } else { elements })
        }
        _ => Err(format!(
            "a tensor of shape {shape:?} exceeds {MAX_ELEMENTS} elements"
        )),
    }
}

/// A tensor of `shape` with `data`.
///
/// # Errors
/// When the shape is not that of the data.
pub(crate) fn tensor(shape: Vec<usize>, data: Data) -> Result<Tensor, String> {
    let elements = data.len();
    Tensor::new(shape.clone(), data)
        .ok_or_else(|| format!("{elements} elements do not fill the shape {shape:?}"))
}

/// The axis `axis` of a tensor of rank `rank`, counted from the end when negative.
///
/// # Errors
/// When there is no such axis.
pub(crate) fn axis_of(axis: i64, rank: usize) -> Result<usize, String> {
    let index = if axis < 0 { axis + rank as i64 } else { axis };
    if index < 0 || index >= rank as i64 {
        return Err(format!("axis {axis} of a tensor of rank {rank}"));
    }
    Ok(index as usize)
}

/// The elements of an integer operand (a shape, axes, indices).
///
/// # Errors
/// When the operand is missing or holds something else.
pub(crate) fn integers<'a>(operands: &Operands<'a>, index: usize) -> Result<&'a [i64], String> {
    match operand(operands, index)?.data() {
        Data::I64(values) => Ok(values),
        other => Err(format!(
            "operand {index} holds {:?}, expected integers",
            other.element_type()
        )),
    }
}

/// Rows of a `[rows, columns]` operand; `[columns]` counts as one row.
pub(crate) fn matrix_rows(tensor: &Tensor, columns: usize) -> Result<usize, String> {
    match *tensor.shape() {
        [rows, found] if found == columns => Ok(rows),
        [found] if found == columns => Ok(1),
        ref shape => Err(format!(
            "operand of shape {shape:?}, expected [rows, {columns}]"
        )),
    }
}

/// The elements as f64; symbols are refused.
pub(crate) fn as_f64(tensor: &Tensor) -> Result<Cow<'_, [f64]>, String> {
    Ok(match tensor.data() {
        Data::F64(values) => Cow::Borrowed(values),
        Data::F32(values) => values.iter().map(|&x| f64::from(x)).collect(),
        Data::I64(values) => values.iter().map(|&x| x as f64).collect(),
        Data::Bool(values) => values.iter().map(|&x| f64::from(u8::from(x))).collect(),
        Data::Symbol(_) | Data::Text(_) => return Err("text where numbers are expected".to_owned()),
    })
}

/// The elements as f32; symbols are refused.
pub(crate) fn as_f32(tensor: &Tensor) -> Result<Cow<'_, [f32]>, String> {
    Ok(match tensor.data() {
        Data::F32(values) => Cow::Borrowed(values),
        Data::F64(values) => values.iter().map(|&x| x as f32).collect(),
        Data::I64(values) => values.iter().map(|&x| x as f32).collect(),
        Data::Bool(values) => values.iter().map(|&x| f32::from(u8::from(x))).collect(),
        Data::Symbol(_) | Data::Text(_) => return Err("text where numbers are expected".to_owned()),
    })
}

/// The types that can be calculated with.
///
/// # Errors
/// For text.
pub(crate) fn numeric(element_type: ElementType) -> Result<ElementType, String> {
    match element_type {
        ElementType::Symbol | ElementType::Text => {
            Err("text where numbers are expected".to_owned())
        }
        other => Ok(other),
    }
}

/// What operators that move elements say of free text, which goes from an input to its vectoriser and nowhere else.
pub(crate) const FREE_TEXT: &str =
    "free text, which only operators on text and changes of shape take";

/// Applies `$body` to the elements of `$data` whatever their type except free text, with `$values` bound to the vector
/// or slice, and wraps the result in the same [`Data`] variant. Returns the refusal of free text from the caller.
macro_rules! map_data {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            $crate::Data::F32($values) => $crate::Data::F32($body),
            $crate::Data::F64($values) => $crate::Data::F64($body),
            $crate::Data::I64($values) => $crate::Data::I64($body),
            $crate::Data::Bool($values) => $crate::Data::Bool($body),
            $crate::Data::Symbol($values) => $crate::Data::Symbol($body),
            $crate::Data::Text(_) => return Err($crate::graph::operator::FREE_TEXT.to_owned()),
        }
    };
}
pub(crate) use map_data;
