//! Pools.

use borsh::{BorshDeserialize, BorshSerialize};
use hyaline_kernels::{Pool, pool};

use super::window::{Placed, Sliding};
use super::{floats, only_floats};
use crate::graph::operator::{Flow, Operands, Operator, element_count, operand, tensor};
use crate::{Data, ElementType, Tensor};

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum PoolKind {
    /// The largest element.
    Max,
    /// The mean of the elements inside the operand.
    Average,
    /// The mean of the elements, padding included.
    AveragePadded,
    /// A norm.
    Norm(u32),
}

/// `[rows, channels, spatial…]` → the same with smaller spatial axes, f32.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Pooling {
    /// What a window becomes.
    pub kind: PoolKind,
    /// Where the windows stand.
    pub sliding: Sliding,
}

impl Pooling {
    /// What the kernels call it.
    pub(in crate::graph) fn pool(&self, placed: &Placed) -> Pool {
        match self.kind {
            PoolKind::Max => Pool::Max,
            PoolKind::Average => Pool::Average,
            PoolKind::AveragePadded => Pool::AveragePadded(placed.end),
            PoolKind::Norm(p) => Pool::Norm(p),
        }
    }
}

impl Operator for Pooling {
    fn name(&self) -> &'static str {
        match self.kind {
            PoolKind::Max => "MaxPool",
            PoolKind::Average | PoolKind::AveragePadded => "AveragePool",
            PoolKind::Norm(_) => "LpPool",
        }
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        only_floats(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let values = floats(x)?;
        let &[rows, channels, ref spatial @ ..] = x.shape() else {
            return Err(format!("a pool of shape {:?}", x.shape()));
        };
        let placed = self.sliding.over(spatial)?;
        let mut shape = vec![rows, channels];
        shape.extend(&placed.extents);
        element_count(&shape)?;
        let made = pool(self.pool(&placed), &placed.window, values);
        Ok(vec![tensor(shape, Data::F32(made))?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}
