//! hyaline-runtime
