//! hyaline-server
