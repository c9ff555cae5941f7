//! `ArrayFeatureExtractor`: columns by their positions.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::graph::operator::{
    Arity, Flow, Operands, Operator, element_count, integers, map_data, operand, operand_type,
    tensor,
};
use crate::{ElementType, Tensor};

/// The entries of the last axis that operand 1 (integers of any shape) names, in its order. A vector `[columns]` gives
/// `[1, indices]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ArrayFeatureExtractor;

impl Operator for ArrayFeatureExtractor {
    fn name(&self) -> &'static str {
        "ArrayFeatureExtractor"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(2)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match operand_type(operands, 1)? {
            ElementType::I64 => Ok(vec![operand_type(operands, 0)?]),
            other => Err(format!("indices of {other:?}, expected I64")),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let Some((&extent, outer)) = x.shape().split_last() else {
            return Err("a scalar has no columns to extract".to_owned());
        };
        let position = |&index: &i64| match usize::try_from(index) {
            Ok(position) if position < extent => Ok(position),
            _ => Err(format!("index {index}, the operand has {extent} columns")),
        };
        let positions: Vec<usize> = integers(operands, 1)?
            .iter()
            .map(position)
            .collect::<Result<_, _>>()?;
        let mut shape = if outer.is_empty() {
            vec![1]
        } else {
            outer.to_vec()
        };
        shape.push(positions.len());
        let elements = element_count(&shape)?;
        let data = map_data!(x.data(), values => {
            let mut picked = Vec::with_capacity(elements);
            for row in values.chunks_exact(extent.max(1)) {
                picked.extend(positions.iter().map(|&position| row[position]));
            }
            picked
        });
        Ok(vec![tensor(shape, data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Moves(Some(1))
    }
}
