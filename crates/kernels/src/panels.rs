//! Weights in the order in which the inner loops read them.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::read_list;

/// Outputs of a panel.
pub(crate) const PANEL: usize = 4;

/// Bound of the number of arrays of one map.
const MOST: usize = 1 << 26;

/// The weights of a linear map from `inputs` to `outputs` numbers: panels of 4 outputs, in each the 4 weights of input 0, those
/// of input 1 and so on; the last panel is filled up with zeros.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Panels {
    inputs: u32,
    outputs: u32,
    weights: Vec<[f32; PANEL]>,
}

impl Panels {
    /// From the weight of each output and input: `weight(output, input)`.
    ///
    /// `None` when there is no input or output, there are 2^28 weights or more, or a weight is not finite.
    pub fn new(
        inputs: usize,
        outputs: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Option<Panels> {
        let panels = outputs.div_ceil(PANEL);
        let length = inputs.checked_mul(panels).filter(|&n| n > 0 && n < MOST)?;
        let mut weights = Vec::with_capacity(length);
        for first in (0..outputs).step_by(PANEL) {
            for input in 0..inputs {
                weights.push(std::array::from_fn(|at| {
                    if first + at < outputs {
                        weight(first + at, input)
                    } else {
                        0.0
                    }
                }));
            }
        }
        Panels {
            inputs: inputs as u32,
            outputs: outputs as u32,
            weights,
        }
        .checked()
    }

    fn checked(self) -> Option<Panels> {
        let panels = self.outputs().div_ceil(PANEL);
        let length = self.inputs().checked_mul(panels)?;
        let finite = self.weights.as_flattened().iter().all(|x| x.is_finite());
        (length > 0 && length < MOST && length == self.weights.len() && finite).then_some(self)
    }

    /// How many numbers go in.
    pub fn inputs(&self) -> usize {
        self.inputs as usize
    }

    /// How many numbers come out.
    pub fn outputs(&self) -> usize {
        self.outputs as usize
    }

    /// The weight of input `input` for output `output`.
    ///
    /// # Panics
    /// If there is no such output or input.
    pub fn weight(&self, output: usize, input: usize) -> f32 {
        self.weights[output / PANEL * self.inputs() + input][output % PANEL]
    }

    /// All panels, one after the other.
    pub(crate) fn weights(&self) -> &[[f32; PANEL]] {
        &self.weights
    }

    /// The panels: for every 4 outputs, one array per input.
    pub(crate) fn panels(&self) -> std::slice::ChunksExact<'_, [f32; PANEL]> {
        self.weights.chunks_exact(self.inputs())
    }
}

impl BorshDeserialize for Panels {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Panels> {
        let panels = Panels {
            inputs: u32::deserialize_reader(reader)?,
            outputs: u32::deserialize_reader(reader)?,
            weights: read_list(reader)?,
        };
        let (inputs, outputs) = (panels.inputs, panels.outputs);
        panels.checked().ok_or_else(|| {
            borsh::io::Error::new(
                borsh::io::ErrorKind::InvalidData,
                format!("weights of a layer from {inputs} to {outputs} numbers"),
            )
        })
    }
}
