//! The operators of networks, over the kernels of `hyaline-kernels`. Their weights are constants of the model, prepared
//! at import. Only the neural engine has them.

mod convolution;
mod einsum;
mod normalise;
mod pooling;
mod recurrent;
mod resample;
mod transposed;
mod window;

pub use convolution::Conv;
pub use einsum::Einsum;
pub use normalise::{LocalResponse, Standardise};
pub use pooling::{PoolKind, Pooling};
pub use recurrent::Recurrent;
pub use resample::Resample;
pub use transposed::ConvTranspose;
pub use window::{Padding, Sliding};

use crate::graph::operator::operand_type;
use crate::{Data, ElementType, Tensor};

/// The elements of an f32 operand.
fn floats(x: &Tensor) -> Result<&[f32], String> {
    match x.data() {
        Data::F32(values) => Ok(values),
        other => Err(format!("{:?}, expected F32", other.element_type())),
    }
}

/// f32 in, f32 out.
fn only_floats(operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
    match operand_type(operands, 0)? {
        ElementType::F32 => Ok(vec![ElementType::F32]),
        other => Err(format!(
            "{other:?}, expected F32; export the model in single precision"
        )),
    }
}
