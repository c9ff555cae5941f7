//! Operators that move numbers: the derivative goes back to the place a number came from.

use super::{Derivatives, Step};
use crate::graph::dense::{Reduce, Reduction, broadcast_to};
use crate::graph::operator::axis_of;
use crate::{Data, Tensor};

/// Runs the operator on places instead of numbers.
pub(super) fn moved(step: &Step<'_>, movers: Option<usize>) -> Option<Derivatives> {
    let movers = movers.unwrap_or(step.operands.len());
    let (mut stand_ins, mut first) = (Vec::new(), vec![0]);
    for (index, operand) in step.operands.iter().enumerate() {
        let length = operand.map_or(0, |operand| operand.data().len());
        let begin = first[index];
        first.push(begin + length);
        stand_ins.push(match operand {
            Some(operand) if index < movers => {
                let places = (begin as i64..(begin + length) as i64).collect();
                Some(Tensor::new(operand.shape().to_vec(), Data::I64(places))?)
            }
            other => other.cloned(),
        });
    }
    let borrowed: Vec<Option<&Tensor>> = stand_ins.iter().map(Option::as_ref).collect();
    let made = step.node.op.evaluate(&borrowed).ok()?;
    let Data::I64(places) = made.get(step.output)?.data() else {
        return None;
    };
    let mut sums = vec![0.0; first[step.operands.len()]];
    for (&place, derivative) in places.iter().zip(step.derivative) {
        *sums.get_mut(usize::try_from(place).ok()?)? += derivative;
    }
    let operands = first.windows(2).enumerate();
    Some(
        operands
            .map(|(index, range)| (index < movers).then(|| sums[range[0]..range[1]].to_vec()))
            .collect(),
    )
}

/// The derivative of an operand that was broadcast to `target`: the sum over the places it went to.
pub(super) fn gathered(
    shape: &[usize],
    target: &[usize],
    derivative: Vec<f32>,
) -> Option<Vec<f32>> {
    if shape == target {
        return Some(derivative);
    }
    let length = shape.iter().product();
    let own: Vec<u32> = (0..length as u32).collect();
    let mut sums = vec![0.0; length];
    for (place, derivative) in broadcast_to(shape, &own, target)?
        .into_iter()
        .zip(derivative)
    {
        sums[place as usize] += derivative;
    }
    Some(sums)
}

/// Sums, means and squares over axes.
pub(super) fn reduce(step: &Step<'_>, reduce: &Reduce) -> Option<Derivatives> {
    let shape = step.shape(0)?;
    let mut kept = shape.to_vec();
    match &reduce.axes {
        None => kept.fill(1),
        Some(axes) => {
            for &axis in axes {
                kept[axis_of(axis, shape.len()).ok()?] = 1;
            }
        }
    }
    let spread = broadcast_to(&kept, step.derivative, shape)?;
    let x = step.floats(0)?;
    let made = crate::graph::operator::as_f32(step.made).ok()?;
    let made = || broadcast_to(&kept, &made, shape);
    let run = x.len() as f32 / step.derivative.len().max(1) as f32;
    let pairs = spread.iter().zip(&x);
    Some(vec![Some(match reduce.reduction {
        Reduction::Sum => spread,
        Reduction::Mean => spread.iter().map(|g| g / run).collect(),
        Reduction::SumSquare => pairs.map(|(g, x)| 2.0 * x * g).collect(),
        Reduction::L1 => pairs
            .map(|(g, x)| if *x == 0.0 { 0.0 } else { g * x.signum() })
            .collect(),
        Reduction::L2 => {
            let quotient = |(g, x): (&f32, &f32), y: f32| if y == 0.0 { 0.0 } else { g * x / y };
            pairs
                .zip(made()?)
                .map(|(pair, y)| quotient(pair, y))
                .collect()
        }
        Reduction::Max | Reduction::Min => {
            // The first of several extremes counts, as everywhere.
            let mut taken = vec![false; step.derivative.len()];
            let own: Vec<u32> = (0..taken.len() as u32).collect();
            let places = broadcast_to(&kept, &own, shape)?;
            let mut back = Vec::with_capacity(x.len());
            for (((g, x), y), place) in pairs.zip(made()?).zip(places) {
                let taken = &mut taken[place as usize];
                let first = *x == y && !*taken;
                *taken |= first;
                back.push(if first { *g } else { 0.0 });
            }
            back
        }
        _ => return None,
    })])
}
