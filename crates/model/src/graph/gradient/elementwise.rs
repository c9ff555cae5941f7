//! One number in, one number out, and pairs of them.

use hyaline_kernels::{Activation, exp};

use super::places::gathered;
use super::{Derivatives, Step};
use crate::graph::dense::{Binary, Softmax, Unary, broadcast_to};
use crate::graph::operator::{as_f32, axis_of};
use crate::{Data, Tensor};

pub(super) fn unary(step: &Step<'_>, unary: Unary) -> Option<Derivatives> {
    let x = step.floats(0)?;
    let y = as_f32(step.made).ok()?;
    let activation = match unary {
        Unary::Relu => Some(Activation::Relu),
        Unary::Sigmoid => Some(Activation::Sigmoid),
        Unary::Tanh => Some(Activation::Tanh),
        Unary::Softplus => Some(Activation::Softplus),
        Unary::Softsign => Some(Activation::Softsign),
        Unary::LeakyRelu(alpha) => Some(Activation::LeakyRelu(alpha)),
        Unary::Elu(alpha) => Some(Activation::Elu(alpha)),
        Unary::Selu(alpha, gamma) => Some(Activation::Selu(alpha, gamma)),
        Unary::HardSigmoid(alpha, beta) => Some(Activation::HardSigmoid(alpha, beta)),
        Unary::ThresholdedRelu(alpha) => Some(Activation::ThresholdedRelu(alpha)),
        _ => None,
    };
    let slope = |x: f32, y: f32| -> Option<f32> {
        if let Some(activation) = activation {
            return Some(activation.slope(x));
        }
        Some(match unary {
            Unary::Abs if x < 0.0 => -1.0,
            Unary::Abs if x > 0.0 => 1.0,
            Unary::Abs => 0.0,
            Unary::Neg => -1.0,
            Unary::Reciprocal => -y * y,
            Unary::Sqrt => 0.5 / y,
            Unary::Exp => y,
            Unary::Log => 1.0 / x,
            Unary::Sin => libm::cosf(x),
            Unary::Cos => -libm::sinf(x),
            Unary::Tan => 1.0 + y * y,
            Unary::Atan => 1.0 / (1.0 + x * x),
            Unary::Erf => std::f32::consts::FRAC_2_SQRT_PI * exp(-x * x),
            _ => return None,
        })
    };
    let steps = matches!(
        unary,
        Unary::Sign
            | Unary::Floor
            | Unary::Ceil
            | Unary::Round
            | Unary::IsNan
            | Unary::IsInf(..)
            | Unary::Not
    );
    if steps {
        return Some(vec![None]);
    }
    let terms = step.derivative.iter().zip(x.iter().zip(y.iter()));
    let back: Option<Vec<f32>> = terms.map(|(g, (&x, &y))| Some(g * slope(x, y)?)).collect();
    Some(vec![Some(back?)])
}

pub(super) fn binary(step: &Step<'_>, binary: Binary) -> Option<Derivatives> {
    let target = step.made.shape();
    let wide = |index: usize| broadcast_to(step.shape(index)?, &step.floats(index)?, target);
    let (a, b) = (wide(0)?, wide(1)?);
    let y = as_f32(step.made).ok()?;
    let (mut left, mut right) = (Vec::with_capacity(a.len()), Vec::with_capacity(a.len()));
    for ((&g, (&a, &b)), &y) in step.derivative.iter().zip(a.iter().zip(&b)).zip(y.iter()) {
        let (da, db) = match binary {
            Binary::Add => (1.0, 1.0),
            Binary::Sub => (1.0, -1.0),
            Binary::Mul => (b, a),
            Binary::Div => (1.0 / b, -y / b),
            Binary::Pow => (
                if b == 0.0 {
                    0.0
                } else {
                    b * libm::powf(a, b - 1.0)
                },
                if a > 0.0 { y * libm::logf(a) } else { 0.0 },
            ),
            Binary::Max if a > b => (1.0, 0.0),
            Binary::Min if a < b => (1.0, 0.0),
            Binary::Max | Binary::Min => (0.0, 1.0),
            Binary::Mod | Binary::Fmod => return None,
        };
        left.push(g * da);
        right.push(g * db);
    }
    Some(vec![
        Some(gathered(step.shape(0)?, target, left)?),
        Some(gathered(step.shape(1)?, target, right)?),
    ])
}

/// 1 where the limits leave a number alone.
pub(super) fn clip(step: &Step<'_>) -> Option<Derivatives> {
    let x = step.floats(0)?;
    let y = as_f32(step.made).ok()?;
    let terms = step.derivative.iter().zip(x.iter().zip(y.iter()));
    let back = terms
        .map(|(g, (x, y))| if x == y { *g } else { 0.0 })
        .collect();
    let mut all = vec![None; step.operands.len()];
    all[0] = Some(back);
    Some(all)
}

/// To the operand that was chosen.
pub(super) fn select(step: &Step<'_>) -> Option<Derivatives> {
    let target = step.made.shape();
    let Data::Bool(condition) = step.operands[0]?.data() else {
        return None;
    };
    let chosen = broadcast_to(step.shape(0)?, condition, target)?;
    let part = |index: usize, wanted: bool| -> Option<Vec<f32>> {
        let terms = step.derivative.iter().zip(&chosen);
        let own = terms.map(|(g, &chosen)| if chosen == wanted { *g } else { 0.0 });
        gathered(step.shape(index)?, target, own.collect())
    };
    Some(vec![None, Some(part(1, true)?), Some(part(2, false)?)])
}

pub(super) fn softmax(step: &Step<'_>, softmax: &Softmax) -> Option<Derivatives> {
    let shape = step.shape(0)?;
    let axis = axis_of(softmax.axis, shape.len()).ok()?;
    let (run, inner): (usize, usize) = if softmax.flattened {
        (shape[axis..].iter().product(), 1)
    } else {
        (shape[axis], shape[axis + 1..].iter().product())
    };
    let y = as_f32(step.made).ok()?;
    let mut back = vec![0.0; y.len()];
    let size = (run * inner).max(1);
    let blocks = back.chunks_exact_mut(size).zip(y.chunks_exact(size));
    for ((back, y), g) in blocks.zip(step.derivative.chunks_exact(size)) {
        for offset in 0..inner {
            let places = || (offset..size).step_by(inner);
            if softmax.log {
                let sum: f32 = places().map(|at| g[at]).sum();
                places().for_each(|at| back[at] = g[at] - exp(y[at]) * sum);
            } else {
                let sum: f32 = places().map(|at| g[at] * y[at]).sum();
                places().for_each(|at| back[at] = y[at] * (g[at] - sum));
            }
        }
    }
    Some(vec![Some(back)])
}

/// An operator that moves every number along a straight line of its own: two more evaluations tell the slopes.
pub(super) fn columnwise(step: &Step<'_>) -> Option<Derivatives> {
    let x = step.floats(0)?;
    let shape = step.shape(0)?;
    let of = |values: Vec<f32>| -> Option<Vec<f32>> {
        let operand = Tensor::new(shape.to_vec(), Data::F32(values))?;
        let made = step.node.op.evaluate(&[Some(&operand)]).ok()?;
        Some(as_f32(made.first()?).ok()?.into_owned())
    };
    let (zero, one) = (of(vec![0.0; x.len()])?, of(vec![1.0; x.len()])?);
    let slopes = one.iter().zip(&zero).map(|(one, zero)| one - zero);
    let back = step.derivative.iter().zip(slopes).zip(&x);
    // A number that an imputer replaces has no slope.
    let replaced = |x: f32| x.is_nan();
    Some(vec![Some(
        back.map(|((g, slope), &x)| if replaced(x) { 0.0 } else { g * slope })
            .collect(),
    )])
}
