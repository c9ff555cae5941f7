//! `Normalizer`: rows of unit norm.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{number, rows_and_columns};
use crate::graph::operator::{Flow, Operands, Operator, as_f32, operand, operand_type, tensor};
use crate::{Data, ElementType, Tensor};

/// Divides each row by its norm, as f32; a row of norm 0 stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Normalizer {
    /// By the largest number of the row (not the largest magnitude).
    Max,
    /// By the sum of magnitudes.
    L1,
    /// By the square root of the sum of squares.
    L2,
}

impl Operator for Normalizer {
    fn name(&self) -> &'static str {
        "Normalizer"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        number(operand_type(operands, 0)?)?;
        Ok(vec![ElementType::F32])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let columns = rows_and_columns(x)?.1.max(1);
        let mut values = as_f32(x)?.into_owned();
        match (self, x.data()) {
            (Normalizer::Max, _) => divide(&mut values, columns, f32::MIN, |largest, x| {
                if largest < x { x } else { largest }
            }),
            (Normalizer::L1, _) => divide(&mut values, columns, 0.0, |sum, x| sum + x.abs()),
            // ONNX Runtime squares in the operand's own type.
            (Normalizer::L2, Data::F64(exact)) => {
                let squares: Vec<f32> = exact.iter().map(|x| (x * x) as f32).collect();
                divide_by_root(&mut values, &squares, columns);
            }
            (Normalizer::L2, Data::I64(exact)) => {
                let squares: Vec<f32> = exact.iter().map(|x| x.wrapping_mul(*x) as f32).collect();
                divide_by_root(&mut values, &squares, columns);
            }
            (Normalizer::L2, _) => {
                let squares: Vec<f32> = values.iter().map(|x| x * x).collect();
                divide_by_root(&mut values, &squares, columns);
            }
        }
        Ok(vec![tensor(x.shape().to_vec(), Data::F32(values))?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}

/// Divides each row by what `fold` makes of it.
fn divide(values: &mut [f32], columns: usize, start: f32, fold: impl Fn(f32, f32) -> f32) {
    for row in values.chunks_exact_mut(columns) {
        let norm = row.iter().fold(start, |norm, &x| fold(norm, x));
        if norm != 0.0 {
            row.iter_mut().for_each(|x| *x /= norm);
        }
    }
}

/// `±√(x² / Σx²)`: the order in which ONNX Runtime rounds.
fn divide_by_root(values: &mut [f32], squares: &[f32], columns: usize) {
    for (row, squares) in values
        .chunks_exact_mut(columns)
        .zip(squares.chunks_exact(columns))
    {
        let sum = squares.iter().fold(0.0, |sum, square| sum + square);
        if sum != 0.0 {
            for (x, square) in row.iter_mut().zip(squares) {
                let magnitude = (square / sum).sqrt();
                *x = if *x < 0.0 { -magnitude } else { magnitude };
            }
        }
    }
}
