//! hyaline-explain
