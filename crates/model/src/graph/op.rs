//! The operators a tabular graph is made of.

use std::borrow::Cow;

use borsh::{BorshDeserialize, BorshSerialize};

use super::{Linear, ValueId};
use crate::trees::TreeEnsemble;
use crate::{Data, Tensor};

/// An operator with its checked attributes.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Op {
    /// Margins of a tree ensemble: `[rows, columns]` numbers → `[rows, outputs]` f64.
    Trees(TreeEnsemble),
    /// Margins of a linear model: `[rows, columns]` numbers → `[rows, outputs]` f64.
    Linear(Linear),
}

impl Op {
    /// The operator's name, for error texts.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Trees(_) => "Trees",
            Op::Linear(_) => "Linear",
        }
    }

    /// Whether the operator can take these operands and make that many values.
    pub(super) fn check_arity(&self, inputs: &[Option<ValueId>], outputs: u32) -> Result<(), String> {
        match self {
            Op::Trees(_) | Op::Linear(_) => exactly(1, inputs, 1, outputs),
        }
    }

    /// Runs the operator; as many tensors come out as the node has outputs.
    pub(super) fn evaluate(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, String> {
        let operand = |index: usize| inputs[index].expect("the arity was checked when the graph was built");
        match self {
            Op::Trees(trees) => {
                let rows = matrix_rows(operand(0), trees.columns())?;
                let x = as_f64(operand(0))?;
                let mut margins = vec![0.0; rows * trees.outputs()];
                for (row, margins) in x.chunks_exact(trees.columns()).zip(margins.chunks_exact_mut(trees.outputs())) {
                    trees.evaluate(row, margins);
                }
                Ok(vec![Tensor::new(vec![rows, trees.outputs()], Data::F64(margins)).expect("one margin per output")])
            }
            Op::Linear(linear) => Ok(vec![linear.evaluate(operand(0))?]),
        }
    }
}

fn exactly(wanted_inputs: usize, inputs: &[Option<ValueId>], wanted_outputs: u32, outputs: u32) -> Result<(), String> {
    if inputs.len() != wanted_inputs || inputs.contains(&None) || outputs != wanted_outputs {
        return Err(format!(
            "{} operands and {outputs} outputs, expected {wanted_inputs} and {wanted_outputs}",
            inputs.iter().flatten().count()
        ));
    }
    Ok(())
}

/// Rows of a `[rows, columns]` operand.
pub(super) fn matrix_rows(tensor: &Tensor, columns: usize) -> Result<usize, String> {
    match *tensor.shape() {
        [rows, found] if found == columns => Ok(rows),
        ref shape => Err(format!("operand of shape {shape:?}, expected [rows, {columns}]")),
    }
}

/// The elements as f64; symbols are refused.
pub(super) fn as_f64(tensor: &Tensor) -> Result<Cow<'_, [f64]>, String> {
    Ok(match tensor.data() {
        Data::F64(values) => Cow::Borrowed(values),
        Data::F32(values) => values.iter().map(|&x| f64::from(x)).collect(),
        Data::I64(values) => values.iter().map(|&x| x as f64).collect(),
        Data::Bool(values) => values.iter().map(|&x| f64::from(u8::from(x))).collect(),
        Data::Symbol(_) => return Err("text where numbers are expected".to_owned()),
    })
}
