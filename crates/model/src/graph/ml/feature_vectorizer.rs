//! `FeatureVectorizer`: several operands side by side.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{number, rows_and_columns};
use crate::graph::operator::{
    Arity, Flow, Operands, Operator, element_count, operand, operand_type, tensor,
};
use crate::{Data, ElementType, Tensor};

/// The columns of all operands in one matrix. Operand `i` fills `widths[i]` columns: further columns of it are dropped,
/// missing ones are 0. The element type stays (ONNX casts the result to f32).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FeatureVectorizer {
    /// Columns of each operand.
    pub widths: Vec<u32>,
}

impl FeatureVectorizer {
    fn columns(&self) -> usize {
        self.widths.iter().map(|&width| width as usize).sum()
    }

    fn fill<'a, T: Copy + Default + 'a>(
        &self,
        operands: &Operands<'a>,
        rows: usize,
        elements: impl Fn(&'a Data) -> Option<&'a [T]>,
    ) -> Result<Vec<T>, String> {
        let total = self.columns();
        let mut result = vec![T::default(); element_count(&[rows, total])?];
        let mut first = 0;
        for (index, &width) in self.widths.iter().enumerate() {
            let x = operand(operands, index)?;
            let (found, columns) = rows_and_columns(x)?;
            if found != rows {
                return Err(format!(
                    "operand {index} has {found} rows, operand 0 has {rows}"
                ));
            }
            let values = elements(x.data())
                .ok_or_else(|| format!("operand {index} is of another type than operand 0"))?;
            let copied = columns.min(width as usize);
            for row in 0..rows {
                result[row * total + first..][..copied]
                    .copy_from_slice(&values[row * columns..][..copied]);
            }
            first += width as usize;
        }
        Ok(result)
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
        number(first)?;
        match operands.iter().flatten().find(|&&other| other != first) {
            Some(other) => Err(format!(
                "{first:?} and {other:?} side by side, expected one type"
            )),
            None => Ok(vec![first]),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let first = operand(operands, 0)?;
        let (rows, _) = rows_and_columns(first)?;
        let data = match first.data() {
            Data::F32(_) => Data::F32(self.fill(operands, rows, |data| match data {
                Data::F32(values) => Some(values.as_slice()),
                _ => None,
            })?),
            Data::F64(_) => Data::F64(self.fill(operands, rows, |data| match data {
                Data::F64(values) => Some(values.as_slice()),
                _ => None,
            })?),
            Data::I64(_) => Data::I64(self.fill(operands, rows, |data| match data {
                Data::I64(values) => Some(values.as_slice()),
                _ => None,
            })?),
            other => return Err(format!("{:?}, expected numbers", other.element_type())),
        };
        Ok(vec![tensor(vec![rows, self.columns()], data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Moves(None)
    }
}
