//! The `hyaline` command.
fn main() {}
