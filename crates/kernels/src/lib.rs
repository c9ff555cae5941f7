//! The arithmetic of networks on plain slices: matrix products with prepared weights, convolutions, pools,
//! normalisation, recurrence, resizing, and the activations behind them.
//!
//! Every function is deterministic to the bit on every host: a sum has one order that no number of rows, tile or vector
//! width changes, products and sums round separately (no fused instruction), and transcendental functions are
//! polynomials written here or come from `libm`. So a row alone gets the bits it gets in company, natively and in wasm.
//!
//! The inner loops work on arrays of [`LANES`] floats, which compilers turn into vector instructions, and do much work
//! per iteration, because interrupted wasm pays for every jump backwards.
//!
//! Shapes are the caller's business: a function panics when a slice is shorter than its shape says.

#![deny(unsafe_code)]

mod activation;
mod backward;
mod convolution;
mod dense;
mod interleave;
mod matrix;
mod normalise;
mod panels;
mod pool;
mod reading;
mod recurrent;
mod resample;
mod vector;
mod window;

pub use activation::{Activation, exp, sigmoid, tanh};
pub use backward::{convolve_backward, layers_backward, pool_backward};
pub use convolution::convolve;
pub use dense::{Layer, layers};
pub use interleave::interleave;
pub use matrix::multiply;
pub use normalise::{Neighbours, local_response, softmax, standardise};
pub use panels::Panels;
pub use pool::{Pool, pool, spread};
pub use reading::read_list;
pub use recurrent::{Cell, Direction, Recurrence, States};
pub use resample::{Taps, resample};
pub use window::Window;

/// Samples (rows, pixels) that the inner loops carry side by side.
pub const LANES: usize = 8;

/// One number for each of [`LANES`] samples.
pub type Lane = [f32; LANES];
