//! One axis resized, padded or cropped.

use borsh::{BorshDeserialize, BorshSerialize};
use hyaline_kernels::{Taps, resample};

use super::{floats, only_floats};
use crate::graph::operator::{Flow, Operands, Operator, element_count, operand, tensor};
use crate::{Data, ElementType, Tensor};

/// Every place of an axis as a weighted sum of places of the operand's axis, f32.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Resample {
    axis: u32,
    extent: u32,
    ends: Vec<u32>,
    places: Vec<u32>,
    weights: Vec<f32>,
    fill: f32,
}

impl Resample {
    /// Axis `axis` of extent `extent`; for every place of the result its taps: places of the operand and weights. A place
    /// without taps holds `fill`.
    ///
    /// `None` when a tap is outside the axis or a number is not finite.
    pub fn new(axis: u32, extent: u32, taps: &[Vec<(u32, f32)>], fill: f32) -> Option<Resample> {
        let mut end = 0;
        let ends = taps.iter().map(|taps| {
            end += taps.len() as u32;
            end
        });
        Resample {
            axis,
            extent,
            ends: ends.collect(),
            places: taps.iter().flatten().map(|tap| tap.0).collect(),
            weights: taps.iter().flatten().map(|tap| tap.1).collect(),
            fill,
        }
        .checked()
    }

    fn checked(self) -> Option<Resample> {
        let ordered = self.ends.is_sorted();
        let taps = self.ends.last().map_or(0, |&end| end as usize);
        let inside = self.places.iter().all(|&place| place < self.extent);
        let finite = self.weights.iter().all(|x| x.is_finite()) && !self.fill.is_nan();
        let complete = taps == self.places.len() && taps == self.weights.len();
        (ordered && inside && finite && complete).then_some(self)
    }
}

impl BorshDeserialize for Resample {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Resample> {
        let found = Resample {
            axis: u32::deserialize_reader(reader)?,
            extent: u32::deserialize_reader(reader)?,
            ends: Vec::deserialize_reader(reader)?,
            places: Vec::deserialize_reader(reader)?,
            weights: Vec::deserialize_reader(reader)?,
            fill: f32::deserialize_reader(reader)?,
        };
        found.checked().ok_or_else(|| {
            borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, "places outside an axis")
        })
    }
}

impl Operator for Resample {
    fn name(&self) -> &'static str {
        "Resize"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        only_floats(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let (axis, extent) = (self.axis as usize, self.extent as usize);
        if x.shape().get(axis) != Some(&extent) {
            return Err(format!(
                "axis {axis} of shape {:?}, expected the extent {extent}",
                x.shape()
            ));
        }
        let mut shape = x.shape().to_vec();
        shape[axis] = self.ends.len();
        element_count(&shape)?;
        let taps = Taps {
            ends: &self.ends,
            places: &self.places,
            weights: &self.weights,
            fill: self.fill,
        };
        let inner = x.shape()[axis + 1..].iter().product();
        let made = resample(&taps, floats(x)?, extent, inner);
        Ok(vec![tensor(shape, Data::F32(made))?])
    }

    fn flow(&self) -> Flow {
        if self.axis == 0 {
            Flow::All
        } else {
            Flow::Rows
        }
    }
}
