//! hyaline-model
