//! hyaline-pack
