//! `FeatureVectorizer`: several operands side by side.

use borsh::{BorshDeserialize, BorshSerialize};

use super::rows_and_columns;
use crate::graph::operator::{Arity, Flow, Operands, Operator, element_count, operand, operand_type, tensor};
use crate::{Data, ElementType, Tensor};

/// The columns of all operands in one matrix. Operand `i` fills `widths[i]` columns: further columns of it are dropped,
/// missing ones are 0. The element type stays (ONNX casts the result to f32).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FeatureVectorizer {
    /// Columns of each operand.
    pub widths: Vec<u32>,
}

impl FeatureVectorizer {
    fn fill<'a, T: Copy + Default + 'a>(
        &self,
        operands: &Operands<'a>,
        rows: usize,
        elements: impl Fn(&'a Tensor) -> Option<&'a [T]>,
    ) -> Result<(usize, Vec<T>), String> {
        let width: usize = self.widths.iter().map(|&width| width as usize).sum();
        let mut result = vec![T::default(); element_count(&[rows, width])?];
        let mut first = 0;
        for (index, &wanted) in self.widths.iter().enumerate() {
            let x = operand(operands, index)?;
            let (found_rows, columns) = rows_and_columns(x)?;
            let values = elements(x).ok_or_else(|| format!("operand {index} is of another type than operand 0"))?;
            if found_rows != rows {
                return Err(format!("operand {index} has {found_rows} rows, operand 0 has {rows}"));
            }
            let copied = columns.min(wanted as usize);
            for row in 0..rows {
                result[row * width + first..][..copied].copy_from_slice(&values[row * columns..][..copied]);
            }
            first += wanted as usize;
        }
        Ok((width, result))
    }
}

impl Operator for FeatureVectorizer {
    fn name(&self) -> &'static str {
        "FeatureVectorizer"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(self.widths.len())
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        let first = operand_type(operands, 0)?;
        super::number(first)?;
        match operands.iter().flatten().find(|&&other| other != first) {
            Some(other) => Err(format!("{first:?} and {other:?} side by side, expected one type")),
            None => Ok(vec![first]),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let first = operand(operands, 0)?;
        let (rows, _) = rows_and_columns(first)?;
        let (width, data) = match first.data() {
            Data::F32(_) => {
                let floats = |x: &'_ Tensor| -> Option<&[f32]> {
                    if let Data::F32(values) = x.data() { Some(values) } else { None }
                };
                let (width, values) = self.fill(operands, rows, floats)?;
                (width, Data::F32(values))
            }
            other => return Err(format!("{:?}, expected numbers", other.element_type())),
        };
        Ok(vec![tensor(vec![rows, width], data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Moves(None)
    }
}
