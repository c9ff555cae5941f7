//! Layers with prepared weights: the kernels know their derivatives.

use hyaline_kernels::layers_backward;
#[cfg(feature = "neural")]
use hyaline_kernels::{convolve_backward, pool_backward};

use super::{Derivatives, Step};
use crate::graph::dense::Layers;
#[cfg(feature = "neural")]
use crate::graph::neural::{Conv, Pooling, Standardise};
#[cfg(feature = "neural")]
use crate::graph::operator::axis_of;

pub(super) fn chain(step: &Step<'_>, chain: &Layers) -> Option<Derivatives> {
    let x = step.floats(0)?;
    let rows = x.len() / chain.layers().first()?.panels().inputs();
    let back = layers_backward(chain.layers(), &x, rows, step.derivative);
    Some(vec![Some(back)])
}

#[cfg(feature = "neural")]
pub(super) fn conv(step: &Step<'_>, conv: &Conv) -> Option<Derivatives> {
    let (&[_, channels, ref spatial @ ..], x) = (step.shape(0)?, step.floats(0)?) else {
        return None;
    };
    let window = conv.sliding.over(spatial).ok()?.window;
    let back = convolve_backward(&conv.groups, channels, &window, &x, step.derivative);
    Some(vec![Some(back)])
}

#[cfg(feature = "neural")]
pub(super) fn pool(step: &Step<'_>, pooling: &Pooling) -> Option<Derivatives> {
    let (&[_, _, ref spatial @ ..], x) = (step.shape(0)?, step.floats(0)?) else {
        return None;
    };
    let placed = pooling.sliding.over(spatial).ok()?;
    let back = pool_backward(pooling.pool(&placed), &placed.window, &x, step.derivative)?;
    Some(vec![Some(back)])
}

/// Of `y = (x - mean) · r`: `r · (g - mean(g) - y · mean(g · y))`, without `mean(g)` where the mean is not taken off.
#[cfg(feature = "neural")]
pub(super) fn standardise(step: &Step<'_>, own: &Standardise) -> Option<Derivatives> {
    let shape = step.shape(0)?;
    let axis = axis_of(own.axis, shape.len()).ok()?;
    let run = shape[axis..].iter().product::<usize>().max(1);
    let x = step.floats(0)?;
    let mut back = Vec::with_capacity(x.len());
    for (x, g) in x.chunks_exact(run).zip(step.derivative.chunks_exact(run)) {
        let mean_of = |terms: &mut dyn Iterator<Item = f64>| terms.sum::<f64>() / run as f64;
        let mean = match own.centred {
            true => mean_of(&mut x.iter().map(|&x| f64::from(x))),
            false => 0.0,
        };
        let square = |x: &f32| (f64::from(*x) - mean) * (f64::from(*x) - mean);
        let variance = mean_of(&mut x.iter().map(square));
        let r = 1.0 / libm::sqrt(variance + f64::from(own.epsilon));
        let y = |x: f32| (f64::from(x) - mean) * r;
        let along = mean_of(&mut x.iter().zip(g).map(|(&x, &g)| y(x) * f64::from(g)));
        let level = match own.centred {
            true => mean_of(&mut g.iter().map(|&g| f64::from(g))),
            false => 0.0,
        };
        back.extend(
            x.iter()
                .zip(g)
                .map(|(&x, &g)| (r * (f64::from(g) - level - y(x) * along)) as f32),
        );
    }
    Some(vec![Some(back)])
}
