//! hyaline-protocol
