//! The activations that follow a layer, and the vectorised exponential behind them.
//!
//! The exponential is a polynomial after range reduction by powers of two (the scheme of Cephes' `expf`), within 2 ulp of
//! the exact value.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{LANES, Lane};

/// A function applied to every number that a layer makes.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Activation {
    /// The number itself.
    None,
    /// `max(x, 0)`; NaN stays.
    Relu,
    /// `x` above 0, `alpha · x` below.
    LeakyRelu(f32),
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// Limits; smallest, largest.
    Clip(f32, f32),
    /// `x · sigmoid(x)`
    Silu,
    /// `min(1, max(0, alpha · x + beta))`
    HardSigmoid(f32, f32),
    /// `x · min(1, max(0, x / 6 + 1/2))`
    HardSwish,
    /// `x` above 0, `alpha · (eˣ - 1)` below.
    Elu(f32),
    /// `gamma · x` above 0, `gamma · alpha · (eˣ - 1)` below; alpha, gamma.
    Selu(f32, f32),
    /// `alpha · x + beta`
    Affine(f32, f32),
    /// `alpha · tanh(beta · x)`
    ScaledTanh(f32, f32),
    /// `x` above alpha, else 0.
    ThresholdedRelu(f32),
    /// `ln(1 + eˣ)`
    Softplus,
    /// `x / (1 + |x|)`
    Softsign,
}

/// `eˣ`: 0 below -87.3, infinite above 88.73, NaN for NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Cephes stops at the least exponent that keeps the result normal.
    let bounded = x.clamp(-87.3, 88.722_83);
    // Rounds to the nearest whole number: the sum has no bits left for a fraction.
    const SHIFT: f32 = 12_582_912.0;
    let shifted = bounded * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    let r = (bounded - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let p = p * (r * r) + r + 1.0;
    // 2ⁿ in two factors, because n may be 128.
    let n = (shifted.to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32);
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    let value = p * power(half) * power(n - half);
    if x < -87.3 {
        0.0
    } else if x > 88.722_83 {
        f32::INFINITY
    } else if x.is_nan() {
        x
    } else {
        value
    }
}

/// `1 / (1 + e⁻ˣ)`
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Hyperbolic tangent, within 1e-6 relative.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    // Near 0 the quotient would cancel; there the odd polynomial of Cephes' `tanhf` is used.
    let z = x * x;
    let p = -5.704_988_7e-3;
    let p = p * z + 2.063_909e-2;
    let p = p * z - 5.373_971e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 3.333_328e-1;
    let small = p * z * x + x;
    let size = x.abs();
    let large = 1.0 - 2.0 / (exp(2.0 * size) + 1.0);
    let large = if x < 0.0 { -large } else { large };
    if size < 0.625 { small } else { large }
}

impl Activation {
    /// Of one number.
    pub fn of(self, x: f32) -> f32 {
        let mut lane = [x; LANES];
        self.apply(&mut lane);
        lane[0]
    }

    /// Of every number, in place. A number's result does not depend on its place.
    #[inline(never)]
    pub fn apply_all(self, values: &mut [f32]) {
        if self == Activation::None {
            return;
        }
        let (lanes, rest) = values.as_chunks_mut::<LANES>();
        lanes.iter_mut().for_each(|lane| self.apply(lane));
        let mut last = [0.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        self.apply(&mut last);
        rest.copy_from_slice(&last[..rest.len()]);
    }

    /// Of every number of a lane.
    #[inline(always)]
    pub(crate) fn apply(self, lane: &mut Lane) {
        match self {
            Activation::None => {}
            Activation::Relu => {
                for x in lane {
                    *x = if *x < 0.0 { 0.0 } else { *x };
                }
            }
            _ => self.apply_other(lane),
        }
    }

    #[inline(never)]
    fn apply_other(self, lane: &mut Lane) {
        // Loops over an array, because a closure would be called and not become vector instructions.
        macro_rules! each {
            ($x:ident => $y:expr) => {
                for place in lane.iter_mut() {
                    let $x = *place;
                    *place = $y;
                }
            };
        }
        match self {
            Activation::LeakyRelu(alpha) => each!(x => if x < 0.0 { alpha * x } else { x }),
            Activation::Clip(low, high) => each!(x => {
                let least = if x < low { low } else { x };
                if least > high { high } else { least }
            }),
            Activation::Sigmoid => each!(x => sigmoid(x)),
            Activation::Tanh => each!(x => tanh(x)),
            Activation::Silu => each!(x => x * sigmoid(x)),
            Activation::HardSwish => each!(x => x * limited(x * (1.0 / 6.0) + 0.5)),
            Activation::Softsign => each!(x => x / (1.0 + x.abs())),
            Activation::Softplus => each!(x => {
                (if x > 0.0 { x } else { 0.0 }) + libm::log1pf(exp(-x.abs()))
            }),
            Activation::HardSigmoid(alpha, beta) => each!(x => limited(alpha * x + beta)),
            Activation::Elu(alpha) => each!(x => {
                if x < 0.0 { alpha * libm::expm1f(x) } else { x }
            }),
            Activation::Selu(alpha, gamma) => each!(x => {
                if x <= 0.0 { gamma * alpha * libm::expm1f(x) } else { gamma * x }
            }),
            Activation::Affine(alpha, beta) => each!(x => alpha * x + beta),
            Activation::ScaledTanh(alpha, beta) => each!(x => alpha * tanh(beta * x)),
            Activation::ThresholdedRelu(alpha) => each!(x => if x <= alpha { 0.0 } else { x }),
            Activation::None | Activation::Relu => {}
        }
    }
}

/// Between 0 and 1; NaN stays.
#[inline(always)]
fn limited(x: f32) -> f32 {
    x.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(f: fn(f32) -> f32, truth: fn(f64) -> f64, range: std::ops::Range<i32>) -> f64 {
        range
            .map(|step| step as f32 / 997.0)
            .map(|x| {
                let exact = truth(f64::from(x));
                ((f64::from(f(x)) - exact) / exact).abs()
            })
            .filter(|error| error.is_finite())
            .fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_within_a_few_ulps() {
        assert!(worst(exp, libm::exp, -86_000..88_000) < 2e-7);
        assert!(worst(tanh, libm::tanh, -20_000..20_000) < 3e-7);
        let logistic = |x: f64| 1.0 / (1.0 + libm::exp(-x));
        assert!(worst(sigmoid, logistic, -80_000..80_000) < 3e-7);
    }

    #[test]
    fn limits_are_kept() {
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
        assert_eq!((tanh(1e9), tanh(-1e9)), (1.0, -1.0));
        assert_eq!((sigmoid(1e9), sigmoid(-1e9)), (1.0, 0.0));
        assert_eq!(exp(0.0), 1.0);
    }
}
