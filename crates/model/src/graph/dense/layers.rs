//! Dense layers with their weights prepared: what importers make of products, biases and activations in a row.

use borsh::{BorshDeserialize, BorshSerialize};
use hyaline_kernels::{Layer, layers};

use crate::graph::operator::{
    Flow, Operands, Operator, element_count, operand, operand_type, tensor,
};
use crate::{Data, ElementType, Tensor};

/// `[…, inputs]` → `[…, outputs]` through dense layers, f32.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Layers {
    layers: Vec<Layer>,
}

impl Layers {
    /// `None` when there is no layer, or one takes another number of inputs than the one before makes.
    pub fn new(layers: Vec<Layer>) -> Option<Layers> {
        let fit = layers
            .windows(2)
            .all(|pair| pair[0].panels().outputs() == pair[1].panels().inputs());
        (fit && !layers.is_empty()).then_some(Layers { layers })
    }

    /// The layers, first to last.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}

impl BorshDeserialize for Layers {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Layers> {
        Layers::new(Vec::deserialize_reader(reader)?).ok_or_else(|| {
            borsh::io::Error::new(
                borsh::io::ErrorKind::InvalidData,
                "layers that do not follow each other",
            )
        })
    }
}

impl Operator for Layers {
    fn name(&self) -> &'static str {
        "Layers"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match operand_type(operands, 0)? {
            ElementType::F32 => Ok(vec![ElementType::F32]),
            other => Err(format!("dense layers of {other:?}")),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let inputs = self.layers[0].panels().inputs();
        let outputs = self.layers[self.layers.len() - 1].panels().outputs();
        let (Data::F32(values), Some((&last, outer))) = (x.data(), x.shape().split_last()) else {
            return Err(format!("dense layers of {:?}", x.element_type()));
        };
        if last != inputs {
            return Err(format!(
                "an operand of shape {:?} for layers of {inputs} inputs",
                x.shape()
            ));
        }
        let mut shape = outer.to_vec();
        shape.push(outputs);
        element_count(&shape)?;
        let made = layers(&self.layers, values, outer.iter().product());
        Ok(vec![tensor(shape, Data::F32(made))?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}
