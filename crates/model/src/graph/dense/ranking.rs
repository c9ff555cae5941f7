//! Order along an axis: extremes, the largest few, running sums.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::graph::operator::{
    Arity, Flow, Operands, Operator, as_f64, axis_of, element_count, integers, numeric, operand,
    operand_type, tensor,
};
use crate::{Data, ElementType, Tensor, sorted_positions};

/// The index of the largest or smallest number along an axis, the first of equals unless `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ArgExtreme {
    /// The axis; negative counts from the end.
    pub axis: i64,
    /// Largest instead of smallest.
    pub largest: bool,
    /// Whether the axis stays, with extent 1.
    pub keep: bool,
    /// The last of equals instead of the first.
    pub last: bool,
}

/// `(outer, extent, inner)` of an axis.
fn blocks(shape: &[usize], axis: i64) -> Result<(usize, usize, usize, usize), String> {
    let axis = axis_of(axis, shape.len())?;
    Ok((
        axis,
        shape[..axis].iter().product(),
        shape[axis],
        shape[axis + 1..].iter().product(),
    ))
}

impl Operator for ArgExtreme {
    fn name(&self) -> &'static str {
        if self.largest { "ArgMax" } else { "ArgMin" }
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        numeric(operand_type(operands, 0)?).map(|_| vec![ElementType::I64])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let (axis, outer, extent, inner) = blocks(x.shape(), self.axis)?;
        if extent == 0 {
            return Err(format!(
                "no {} of the empty axis {axis}",
                if self.largest { "largest" } else { "smallest" }
            ));
        }
        let indices = match x.data() {
            Data::F32(values) => self.indices(values, outer, extent, inner),
            Data::F64(values) => self.indices(values, outer, extent, inner),
            Data::I64(values) => self.indices(values, outer, extent, inner),
            Data::Bool(values) => self.indices(values, outer, extent, inner),
            Data::Symbol(_) | Data::Text(_) => {
                return Err("text where numbers are expected".to_owned());
            }
        };
        let mut shape = x.shape().to_vec();
        if self.keep {
            shape[axis] = 1;
        } else {
            shape.remove(axis);
        }
        Ok(vec![tensor(shape, Data::I64(indices))?])
    }

    fn flow(&self) -> Flow {
        if self.axis == -1 || self.axis > 0 {
            Flow::Rows
        } else {
            Flow::All
        }
    }
}

impl ArgExtreme {
    fn indices<T: Copy + PartialOrd>(
        &self,
        values: &[T],
        outer: usize,
        extent: usize,
        inner: usize,
    ) -> Vec<i64> {
        let mut indices = Vec::with_capacity(outer * inner);
        for block in 0..outer {
            for offset in 0..inner {
                let at = |index: usize| values[(block * extent + index) * inner + offset];
                let mut best = 0;
                for index in 1..extent {
                    let better = if self.largest {
                        at(index) > at(best)
                    } else {
                        at(index) < at(best)
                    };
                    if better || (self.last && at(index) == at(best)) {
                        best = index;
                    }
                }
                indices.push(best as i64);
            }
        }
        indices
    }
}

/// The `k` (operand 1) largest or smallest along an axis, best first, the first of equals first: values and indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TopK {
    /// The axis; negative counts from the end.
    pub axis: i64,
    /// Largest instead of smallest.
    pub largest: bool,
}

impl Operator for TopK {
    fn name(&self) -> &'static str {
        "TopK"
    }

    fn arity(&self) -> Arity {
        Arity {
            operands: 2..=2,
            outputs: 2..=2,
        }
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match operand_type(operands, 0)? {
            found @ (ElementType::F32 | ElementType::F64 | ElementType::I64) => {
                Ok(vec![found, ElementType::I64])
            }
            other => Err(format!("TopK of {other:?}")),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let (axis, outer, extent, inner) = blocks(x.shape(), self.axis)?;
        let k = match *integers(operands, 1)? {
            [k] if k >= 0 && k as usize <= extent => k as usize,
            ref other => return Err(format!("the {other:?} best of {extent}")),
        };
        let mut shape = x.shape().to_vec();
        shape[axis] = k;
        element_count(&shape)?;
        let mut picks = vec![0usize; outer * k * inner];
        let numbers = as_f64(x)?;
        for block in 0..outer {
            for offset in 0..inner {
                let at = |index: usize| numbers[(block * extent + index) * inner + offset];
                let compare = |a: usize, b: usize| {
                    let by_value = if self.largest {
                        at(b).total_cmp(&at(a))
                    } else {
                        at(a).total_cmp(&at(b))
                    };
                    if at(a) == at(b) {
                        a.cmp(&b)
                    } else {
                        by_value.then(a.cmp(&b))
                    }
                };
                for (rank, index) in sorted_positions(extent, &compare)
                    .into_iter()
                    .take(k)
                    .enumerate()
                {
                    picks[(block * k + rank) * inner + offset] = index;
                }
            }
        }
        let source =
            |pick: usize| (pick / (k * inner) * extent + picks[pick]) * inner + pick % inner;
        let values = match x.data() {
            Data::F32(values) => {
                Data::F32((0..picks.len()).map(|pick| values[source(pick)]).collect())
            }
            Data::F64(values) => {
                Data::F64((0..picks.len()).map(|pick| values[source(pick)]).collect())
            }
            Data::I64(values) => {
                Data::I64((0..picks.len()).map(|pick| values[source(pick)]).collect())
            }
            other => return Err(format!("TopK of {:?}", other.element_type())),
        };
        let indices = Data::I64(picks.iter().map(|&index| index as i64).collect());
        Ok(vec![
            tensor(shape.clone(), values)?,
            tensor(shape, indices)?,
        ])
    }

    fn flow(&self) -> Flow {
        if self.axis == -1 || self.axis > 0 {
            Flow::Rows
        } else {
            Flow::All
        }
    }
}

/// Running sums along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CumSum {
    /// The axis; negative counts from the end.
    pub axis: i64,
    /// Whether an element's own value is left out of its sum.
    pub exclusive: bool,
    /// From the end to the start.
    pub reverse: bool,
}

impl Operator for CumSum {
    fn name(&self) -> &'static str {
        "CumSum"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match operand_type(operands, 0)? {
            found @ (ElementType::F32 | ElementType::F64 | ElementType::I64) => Ok(vec![found]),
            other => Err(format!("CumSum of {other:?}")),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let (_, outer, extent, inner) = blocks(x.shape(), self.axis)?;
        let data = match x.data() {
            Data::F32(values) => Data::F32(self.sums(values, outer, extent, inner, |a, b| a + b)),
            Data::F64(values) => Data::F64(self.sums(values, outer, extent, inner, |a, b| a + b)),
            Data::I64(values) => {
                Data::I64(self.sums(values, outer, extent, inner, i64::wrapping_add))
            }
            other => return Err(format!("CumSum of {:?}", other.element_type())),
        };
        Ok(vec![tensor(x.shape().to_vec(), data)?])
    }

    fn flow(&self) -> Flow {
        if self.axis == -1 || self.axis > 0 {
            Flow::Rows
        } else {
            Flow::All
        }
    }
}

impl CumSum {
    fn sums<T: Copy + Default>(
        &self,
        values: &[T],
        outer: usize,
        extent: usize,
        inner: usize,
        add: impl Fn(T, T) -> T,
    ) -> Vec<T> {
        let mut result = values.to_vec();
        for block in 0..outer {
            for offset in 0..inner {
                let mut sum = T::default();
                for step in 0..extent {
                    let index = if self.reverse {
                        extent - 1 - step
                    } else {
                        step
                    };
                    let place = (block * extent + index) * inner + offset;
                    let before = sum;
                    sum = add(sum, values[place]);
                    result[place] = if self.exclusive { before } else { sum };
                }
            }
        }
        result
    }
}

/// Indices of the elements that are not 0: `[rank, count]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NonZero;

impl Operator for NonZero {
    fn name(&self) -> &'static str {
        "NonZero"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        numeric(operand_type(operands, 0)?).map(|_| vec![ElementType::I64])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let found: Vec<usize> = as_f64(x)?
            .iter()
            .enumerate()
            .filter(|(_, x)| **x != 0.0)
            .map(|(position, _)| position)
            .collect();
        let strides = super::broadcast::strides(x.shape());
        let mut indices = Vec::with_capacity(found.len() * strides.len());
        for (&stride, &extent) in strides.iter().zip(x.shape()) {
            indices.extend(
                found
                    .iter()
                    .map(|position| (position / stride % extent) as i64),
            );
        }
        Ok(vec![tensor(
            vec![strides.len(), found.len()],
            Data::I64(indices),
        )?])
    }

    fn flow(&self) -> Flow {
        Flow::All
    }
}
