//! Importers: bytes of a model file in, a model out. Pack time only; nothing here enters a packed function.

#![forbid(unsafe_code)]

mod booster;
mod error;
mod forest;
mod lightgbm;
mod xgboost;

pub use error::ImportError;
