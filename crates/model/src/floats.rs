//! Floats in the model image as their bits, so that NaN (a missing value) is kept, which borsh itself refuses.
//!
//! Use on a field: `#[borsh(serialize_with = "crate::floats::write", deserialize_with = "crate::floats::read")]`.

use borsh::io::{Read, Result, Write};
use borsh::{BorshDeserialize, BorshSerialize};

/// A float type, written as its IEEE 754 bits, little-endian.
pub(crate) trait Bits: Copy {
    type Bits: BorshSerialize + BorshDeserialize + Copy + Default;
    fn bits(self) -> Self::Bits;
    fn from_bits(bits: Self::Bits) -> Self;
}

impl Bits for f32 {
    type Bits = u32;
    fn bits(self) -> u32 {
        self.to_bits()
    }
    fn from_bits(bits: u32) -> f32 {
        f32::from_bits(bits)
    }
}

impl Bits for f64 {
    type Bits = u64;
    fn bits(self) -> u64 {
        self.to_bits()
    }
    fn from_bits(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
}

/// Writes a list of floats.
pub(crate) fn write<F: Bits, W: Write>(values: &[F], writer: &mut W) -> Result<()> {
    (values.len() as u32).serialize(writer)?;
    values
        .iter()
        .try_for_each(|value| value.bits().serialize(writer))
}

/// Reads what [`write`] wrote.
pub(crate) fn read<F: Bits, R: Read>(reader: &mut R) -> Result<Vec<F>> {
    let bits: Vec<F::Bits> = hyaline_kernels::read_list(reader)?;
    Ok(bits.into_iter().map(F::from_bits).collect())
}

/// Writes one float.
pub(crate) fn write_one<F: Bits, W: Write>(value: &F, writer: &mut W) -> Result<()> {
    value.bits().serialize(writer)
}

/// Reads what [`write_one`] wrote.
pub(crate) fn read_one<F: Bits, R: Read>(reader: &mut R) -> Result<F> {
    Ok(F::from_bits(F::Bits::deserialize_reader(reader)?))
}
