//! Functions that nobody wants beside theirs: core modules in WAT, wrapped as components by `wit-component`.

use std::path::Path;

use anyhow::{Context, Result};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WORLD: &str = "
    package hyaline:neighbours;
    world guest { export wasi:http/incoming-handler@0.2.0; }
";

/// Never ends.
pub const SPINS: &str = "(loop $on (br $on))";
/// Takes memory, 1 MiB at a time, and writes all over it, until it gets no more.
pub const GROWS: &str = "
    (loop $on
      (local.set $at (memory.grow (i32.const 16)))
      (if (i32.eq (local.get $at) (i32.const -1)) (then (unreachable)))
      (memory.fill (i32.mul (local.get $at) (i32.const 65536)) (i32.const 1) (i32.const 1048576))
      (br $on))";
/// Traps at once.
pub const TRAPS: &str = "(unreachable)";

/// A component that answers no request, because its handler is `handle`. `wit` is the folder with the WIT of `wasi:http`.
///
/// # Errors
/// The handler is not valid, or the folder has no such WIT.
pub fn component(wit: &Path, handle: &str) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    resolve
        .push_dir(wit)
        .with_context(|| format!("read {}", wit.display()))?;
    let package = resolve.push_str("neighbours.wit", WORLD)?;
    let world = resolve.select_world(&[package], Some("guest"))?;
    let mut module = wat::parse_str(format!(
        "(module
           (memory (export \"memory\") 1)
           (func (export \"wasi:http/incoming-handler@0.2.0#handle\") (param i32 i32) (local $at i32) {handle}))"
    ))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module)?;
    encoder.encode()
}
