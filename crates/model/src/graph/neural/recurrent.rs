//! Recurrent layers.

use borsh::{BorshDeserialize, BorshSerialize};
use hyaline_kernels::{Cell, Recurrence};

use super::{floats, only_floats};
use crate::graph::operator::{Arity, Flow, Operands, Operator, element_count, operand, tensor};
use crate::{Data, ElementType, Tensor};

/// `[steps, rows, inputs]` and optional states `[directions, rows, hidden]` → all states `[steps, directions, rows, hidden]`,
/// the last ones `[directions, rows, hidden]` and, of an LSTM, the last cell states. f32.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Recurrent {
    /// The layer.
    pub recurrence: Recurrence,
}

impl Operator for Recurrent {
    fn name(&self) -> &'static str {
        match self.recurrence.cell() {
            Cell::Plain => "RNN",
            Cell::Gru(_) => "GRU",
            Cell::Lstm(_) => "LSTM",
        }
    }

    fn arity(&self) -> Arity {
        Arity {
            operands: 1..=3,
            outputs: 2..=3,
        }
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        only_floats(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let (own, values) = (&self.recurrence, floats(x)?);
        let &[steps, rows, inputs] = x.shape() else {
            return Err(format!("a recurrent layer over shape {:?}", x.shape()));
        };
        if inputs != own.inputs() {
            return Err(format!(
                "steps of {inputs} numbers, expected {}",
                own.inputs()
            ));
        }
        let last = vec![own.directions(), rows, own.hidden()];
        let all = vec![steps, own.directions(), rows, own.hidden()];
        element_count(&all)?;
        element_count(&[steps, rows, own.hidden(), own.cell().gates()])?;
        let state = |index: usize| -> Result<Vec<f32>, String> {
            match operands.get(index).copied().flatten() {
                None => Ok(vec![0.0; last.iter().product()]),
                Some(state) if state.shape() == last => Ok(floats(state)?.to_vec()),
                // One state for every row.
                Some(state) if *state.shape() == [last[0], 1, last[2]] => {
                    let each = floats(state)?.chunks_exact(last[2]);
                    Ok(each.flat_map(|state| state.repeat(rows)).collect())
                }
                Some(state) => Err(format!(
                    "states of shape {:?}, expected {last:?}",
                    state.shape()
                )),
            }
        };
        let states = own.run(values, rows, &state(1)?, &state(2)?);
        let mut made = vec![
            tensor(all, Data::F32(states.all))?,
            tensor(last.clone(), Data::F32(states.last))?,
        ];
        if matches!(own.cell(), Cell::Lstm(_)) {
            made.push(tensor(last, Data::F32(states.cell))?);
        }
        Ok(made)
    }

    fn flow(&self) -> Flow {
        Flow::All
    }
}
