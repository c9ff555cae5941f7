//! Convolutions.

use borsh::{BorshDeserialize, BorshSerialize};
use hyaline_kernels::{Layer, convolve};

use super::window::Sliding;
use super::{floats, only_floats};
use crate::graph::operator::{Flow, Operands, Operator, element_count, operand, tensor};
use crate::{Data, ElementType, Tensor};

/// `[rows, channels, spatial…]` → `[rows, outputs, spatial…]`, f32: a convolution, its bias and what follows.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Conv {
    /// Where the windows stand.
    pub sliding: Sliding,
    /// One layer per group; its inputs are a group's channels and the window's elements, row-major.
    pub groups: Vec<Layer>,
}

impl Operator for Conv {
    fn name(&self) -> &'static str {
        "Conv"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        only_floats(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let values = floats(x)?;
        let &[rows, channels, ref spatial @ ..] = x.shape() else {
            return Err(format!("a convolution of shape {:?}", x.shape()));
        };
        let placed = self.sliding.over(spatial)?;
        let taps = placed.window.kernel_size();
        let groups = self.groups.len().max(1);
        let fits =
            |layer: &Layer| layer.panels().inputs() * groups == channels.saturating_mul(taps);
        if self.groups.is_empty() || !self.groups.iter().all(fits) {
            return Err(format!(
                "an operand of {channels} channels, expected {}",
                self.groups
                    .first()
                    .map_or(0, |layer| layer.panels().inputs() * groups / taps)
            ));
        }
        let outputs = self.groups.iter().map(|layer| layer.panels().outputs());
        let mut shape = vec![rows, outputs.sum()];
        shape.extend(&placed.extents);
        element_count(&shape)?;
        element_count(&[channels, placed.window.padded().iter().product()])?;
        let made = convolve(&self.groups, channels, &placed.window, values);
        Ok(vec![tensor(shape, Data::F32(made))?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}
