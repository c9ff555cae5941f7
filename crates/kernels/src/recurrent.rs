//! Recurrent layers: LSTM, GRU and the plain one, a step at a time for all rows.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Activation, Layer, layers};

/// The kind of cell, with the order of its gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Cell {
    /// One gate.
    Plain,
    /// Update, reset, hidden; whether the hidden gate's recurrent part is made before it is reset.
    Gru(bool),
    /// Input, output, forget, cell; whether input and forget gates are coupled.
    Lstm(bool),
}

impl Cell {
    /// Gates of the cell.
    pub fn gates(self) -> usize {
        match self {
            Cell::Plain => 1,
            Cell::Gru(_) => 3,
            Cell::Lstm(_) => 4,
        }
    }
}

/// One direction of a recurrent layer.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Direction {
    /// From last to first.
    pub reverse: bool,
    /// From a step's input to all gates, with its bias.
    pub input: Layer,
    /// From the hidden state to the gates, with its bias: one layer, except for the GRU, which has one for update and
    /// reset and one for the hidden gate.
    pub recurrent: Vec<Layer>,
    /// Weights of the cell state for input, output and forget gates of an LSTM, or none.
    pub peepholes: Vec<f32>,
    /// Activations of the gates, of the candidate, and of the cell state.
    pub activations: [Activation; 3],
}

/// A recurrent layer.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Recurrence {
    cell: Cell,
    hidden: u32,
    directions: Vec<Direction>,
    /// Largest magnitude of what goes into a gate's activation.
    clip: Option<f32>,
}

/// What a recurrent layer made of `[steps, rows, inputs]`.
#[derive(Clone, Debug, PartialEq)]
pub struct States {
    /// `[steps, directions, rows, hidden]`
    pub all: Vec<f32>,
    /// `[directions, rows, hidden]`: the state after the last step.
    pub last: Vec<f32>,
    /// The cell state after the last step, of an LSTM.
    pub cell: Vec<f32>,
}

impl Recurrence {
    /// `None` when the layers do not fit the cell.
    pub fn new(
        cell: Cell,
        hidden: usize,
        directions: Vec<Direction>,
        clip: Option<f32>,
    ) -> Option<Recurrence> {
        let gates = cell.gates();
        let inputs = directions.first()?.input.panels().inputs();
        let widths: &[usize] = match cell {
            Cell::Gru(_) => &[2, 1],
            _ => &[gates],
        };
        let fits = |direction: &Direction| {
            let recurrent = direction.recurrent.iter().map(Layer::panels);
            direction.input.panels().inputs() == inputs
                && direction.input.panels().outputs() == gates.saturating_mul(hidden)
                && direction.recurrent.len() == widths.len()
                && recurrent.zip(widths).all(|(panels, width)| {
                    panels.inputs() == hidden && panels.outputs() == width * hidden
                })
                && [0, 3 * hidden].contains(&direction.peepholes.len())
                && direction.peepholes.iter().all(|x| x.is_finite())
        };
        let valid = hidden > 0
            && hidden < 1 << 20
            && directions.len() <= 2
            && directions.iter().all(fits)
            && clip.is_none_or(|clip| clip >= 0.0);
        valid.then_some(Recurrence {
            cell,
            hidden: hidden as u32,
            directions,
            clip,
        })
    }

    /// The kind of cell.
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// Numbers of a state.
    pub fn hidden(&self) -> usize {
        self.hidden as usize
    }

    /// Numbers of a step.
    pub fn inputs(&self) -> usize {
        self.directions[0].input.panels().inputs()
    }

    /// One or two.
    pub fn directions(&self) -> usize {
        self.directions.len()
    }

    /// Runs over `x[steps, rows, inputs]` from the states `[directions, rows, hidden]`.
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn run(&self, x: &[f32], rows: usize, state: &[f32], cell: &[f32]) -> States {
        let size = rows * self.hidden();
        let steps = x.len() / (rows * self.inputs()).max(1);
        let mut states = States {
            all: vec![0.0; steps * self.directions.len() * size],
            last: state.to_vec(),
            cell: cell.to_vec(),
        };
        for (index, direction) in self.directions.iter().enumerate() {
            let range = index * size..(index + 1) * size;
            let gates = layers(std::slice::from_ref(&direction.input), x, steps * rows);
            let per_step = size * self.cell.gates();
            for step in 0..steps {
                let at = if direction.reverse {
                    steps - 1 - step
                } else {
                    step
                };
                let own = &gates[at * per_step..(at + 1) * per_step];
                let hidden = &mut states.last[range.clone()];
                match self.cell {
                    Cell::Plain => self.plain(direction, own, hidden),
                    Cell::Gru(before) => self.gru(direction, own, hidden, before),
                    Cell::Lstm(coupled) => {
                        self.lstm(
                            direction,
                            own,
                            hidden,
                            &mut states.cell[range.clone()],
                            coupled,
                        );
                    }
                }
                let to = (at * self.directions.len() + index) * size;
                states.all[to..to + size].copy_from_slice(hidden);
            }
        }
        states
    }

    fn through(&self, layer: &Layer, hidden: &[f32]) -> Vec<f32> {
        layers(
            std::slice::from_ref(layer),
            hidden,
            hidden.len() / self.hidden(),
        )
    }

    fn activate(&self, activation: Activation, values: &mut [f32]) {
        if let Some(clip) = self.clip {
            Activation::Clip(-clip, clip).apply_all(values);
        }
        activation.apply_all(values);
    }

    fn plain(&self, direction: &Direction, own: &[f32], hidden: &mut [f32]) {
        let mut next = self.through(&direction.recurrent[0], hidden);
        next.iter_mut()
            .zip(own)
            .for_each(|(next, own)| *next += own);
        self.activate(direction.activations[0], &mut next);
        hidden.copy_from_slice(&next);
    }

    fn gru(&self, direction: &Direction, own: &[f32], hidden: &mut [f32], before: bool) {
        let width = self.hidden();
        let mut gates = self.through(&direction.recurrent[0], hidden);
        let rows = own
            .chunks_exact(3 * width)
            .zip(gates.chunks_exact_mut(2 * width));
        rows.for_each(|(own, gates)| {
            gates
                .iter_mut()
                .zip(own)
                .for_each(|(gate, own)| *gate += own)
        });
        self.activate(direction.activations[0], &mut gates);
        let reset = |values: &mut [f32]| {
            let rows = values
                .chunks_exact_mut(width)
                .zip(gates.chunks_exact(2 * width));
            rows.for_each(|(values, gates)| {
                values
                    .iter_mut()
                    .zip(&gates[width..])
                    .for_each(|(x, reset)| *x *= reset);
            });
        };
        let mut candidate;
        if before {
            candidate = self.through(&direction.recurrent[1], hidden);
            reset(&mut candidate);
        } else {
            let mut kept = hidden.to_vec();
            reset(&mut kept);
            candidate = self.through(&direction.recurrent[1], &kept);
        }
        let rows = candidate
            .chunks_exact_mut(width)
            .zip(own.chunks_exact(3 * width));
        rows.for_each(|(candidate, own)| {
            candidate
                .iter_mut()
                .zip(&own[2 * width..])
                .for_each(|(x, own)| *x += own);
        });
        self.activate(direction.activations[1], &mut candidate);
        let rows = hidden
            .chunks_exact_mut(width)
            .zip(gates.chunks_exact(2 * width));
        for ((hidden, gates), candidate) in rows.zip(candidate.chunks_exact(width)) {
            for ((hidden, update), candidate) in hidden.iter_mut().zip(gates).zip(candidate) {
                *hidden = (1.0 - update) * candidate + update * *hidden;
            }
        }
    }

    fn lstm(
        &self,
        direction: &Direction,
        own: &[f32],
        hidden: &mut [f32],
        cell: &mut [f32],
        coupled: bool,
    ) {
        let width = self.hidden();
        let [gate, candidate, output] = direction.activations;
        let mut gates = self.through(&direction.recurrent[0], hidden);
        gates
            .iter_mut()
            .zip(own)
            .for_each(|(gate, own)| *gate += own);
        let rows = gates.chunks_exact_mut(4 * width);
        let states = hidden
            .chunks_exact_mut(width)
            .zip(cell.chunks_exact_mut(width));
        for (gates, (hidden, cell)) in rows.zip(states) {
            let (i, rest) = gates.split_at_mut(width);
            let (o, rest) = rest.split_at_mut(width);
            let (f, c) = rest.split_at_mut(width);
            let peep = |at: usize, gate: &mut [f32], cell: &[f32]| {
                if let Some(weights) = direction.peepholes.get(at * width..(at + 1) * width) {
                    let terms = weights.iter().zip(cell);
                    gate.iter_mut()
                        .zip(terms)
                        .for_each(|(gate, (w, c))| *gate += w * c);
                }
            };
            peep(0, i, cell);
            peep(2, f, cell);
            self.activate(gate, i);
            if coupled {
                f.iter_mut().zip(&*i).for_each(|(f, i)| *f = 1.0 - i);
            } else {
                self.activate(gate, f);
            }
            self.activate(candidate, c);
            for (((cell, f), i), c) in cell.iter_mut().zip(&*f).zip(&*i).zip(&*c) {
                *cell = f * *cell + i * c;
            }
            peep(1, o, cell);
            self.activate(gate, o);
            c.copy_from_slice(cell);
            output.apply_all(c);
            hidden
                .iter_mut()
                .zip(o.iter().zip(&*c))
                .for_each(|(hidden, (o, c))| *hidden = o * c);
        }
    }
}

impl BorshDeserialize for Recurrence {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Recurrence> {
        let cell = Cell::deserialize_reader(reader)?;
        let hidden = u32::deserialize_reader(reader)? as usize;
        let directions = Vec::deserialize_reader(reader)?;
        let clip = Option::deserialize_reader(reader)?;
        Recurrence::new(cell, hidden, directions, clip).ok_or_else(|| {
            borsh::io::Error::new(
                borsh::io::ErrorKind::InvalidData,
                "layers that do not fit a recurrent cell",
            )
        })
    }
}
