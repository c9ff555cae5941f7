//! The operators of the ONNX domain `ai.onnx.ml`, trees apart, with ONNX Runtime's answers: where the specification is
//! silent (one score for two classes, a NaN key, a row of norm 0), what ONNX Runtime 1.31 does is what they do.
//!
//! Each operator's `new` checks the attributes once; afterwards only a value of a row can be refused. A vector counts as
//! one row.

mod array_feature_extractor;
mod binarizer;
mod calibration;
mod class_label;
mod feature_vectorizer;
mod imputer;
mod label_encoder;
mod normalizer;
mod one_hot_encoder;
mod post_transform;
mod scaler;
mod svm;
mod svm_classifier;

pub use array_feature_extractor::ArrayFeatureExtractor;
pub use binarizer::Binarizer;
pub use calibration::{Calibration, CalibrationCurve};
pub use class_label::{ClassLabel, Decision, Labels};
pub use feature_vectorizer::FeatureVectorizer;
pub use imputer::Imputer;
pub use label_encoder::LabelEncoder;
pub use normalizer::Normalizer;
pub use one_hot_encoder::OneHotEncoder;
pub use post_transform::{ClassScores, PostTransform, SecondScore};
pub use scaler::Scaler;
pub use svm::{Kernel, SupportVectors, SvmRegressor};
pub use svm_classifier::{SvmClassifier, SvmClassifierParts};

use crate::{ElementType, Tensor};

/// Implements `BorshDeserialize` by reading the fields in the order they were written and passing them through the
/// type's own checks, so that a forged image holds nothing an importer could not have made.
macro_rules! read_checked {
    ($type:ty, $reader:ident => $checked:expr) => {
        impl borsh::BorshDeserialize for $type {
            fn deserialize_reader<R: borsh::io::Read>($reader: &mut R) -> borsh::io::Result<Self> {
                $checked.map_err(|reason: String| {
                    borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, reason)
                })
            }
        }
    };
}
pub(in crate::graph) use read_checked;

/// Rows and columns of an operand.
fn rows_and_columns(x: &Tensor) -> Result<(usize, usize), String> {
    match *x.shape() {
        [columns] => Ok((1, columns)),
        [rows, columns] => Ok((rows, columns)),
        ref shape => Err(format!(
            "operand of shape {shape:?}, expected [rows, columns]"
        )),
    }
}

/// Refuses what is not a float or an integer.
fn number(found: ElementType) -> Result<(), String> {
    match found {
        ElementType::F32 | ElementType::F64 | ElementType::I64 => Ok(()),
        ElementType::Bool | ElementType::Symbol | ElementType::Text => {
            Err(format!("{found:?}, expected numbers"))
        }
    }
}

/// Names the first number that is NaN or infinite.
fn all_finite(what: &str, numbers: &[f32]) -> Result<(), String> {
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(index) => Err(format!(
            "{what}[{index}] is {}, expected a finite number",
            numbers[index]
        )),
        None => Ok(()),
    }
}
