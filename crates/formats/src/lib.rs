//! Importers: bytes of a model file in, a model out. Pack time only; nothing here enters a packed function.

#![forbid(unsafe_code)]

mod booster;
mod catboost;
mod error;
mod forest;
mod imported;
mod lightgbm;
mod onnx;
mod xgboost;

pub use error::ImportError;
pub use imported::{ImportOptions, Imported};

/// Reads a model file of any known format, told apart by its first bytes.
///
/// # Errors
/// [`ImportError`]: the format is not known, the file is damaged, or the model is outside what can be run exactly. No
/// input panics, and memory stays within a small multiple of the file's length.
pub fn import(bytes: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    if lightgbm::recognises(bytes) {
        lightgbm::read(bytes)?.lower(options)
    } else if catboost::recognises(bytes) {
        catboost::read(bytes, options)?.lower(options)
    } else if xgboost::recognises(bytes) {
        xgboost::read(bytes)?.lower(options)
    } else if onnx::recognises(bytes) {
        onnx::read(bytes, options)
    } else {
        Err(ImportError::invalid(
            "model file",
            "neither ONNX nor LightGBM text nor XGBoost JSON or UBJSON nor CatBoost JSON",
        ))
    }
}
