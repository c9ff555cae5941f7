//! hyaline-formats
