//! A stand-in engine, so that packing is tested apart from the engines it embeds.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/function.wit");

/// Enough of WASI to name an import and the http door; the door's real type does not matter to the packer.
const WASI: &str = "
    package wasi:http@0.2.99;
    interface incoming-handler { handle: func(); }
";
const CLOCKS: &str = "
    package wasi:clocks@0.2.99;
    interface monotonic-clock { now: func() -> u64; }
";
const FILES: &str = "
    package wasi:filesystem@0.2.99;
    interface preopens { count: func() -> u32; }
";

/// What a stand-in engine does besides its duty.
#[derive(Clone, Copy, Default)]
pub(crate) struct Vice {
    /// An imported function of WASI, as `interface@version` and function name.
    pub(crate) imports: Option<(&'static str, &'static str)>,
    /// WAT put before the body of `load`.
    pub(crate) load: &'static str,
}

/// An engine that keeps the image, predicts its first f64 and explains nothing.
pub(crate) fn stand_in(vice: Vice) -> Vec<u8> {
    let import = vice.imports.map_or(String::new(), |(interface, function)| {
        let result = if function == "now" { "i64" } else { "i32" };
        format!(r#"(import "{interface}" "{function}" (func $vice (result {result})))"#)
    });
    let text = include_str!("stand_in.wat")
        .replace(";;IMPORTS;;", &import)
        .replace(";;LOAD;;", vice.load);
    let mut module = wat::parse_str(text).expect("the stand-in is valid");

    let mut resolve = Resolve::default();
    resolve.push_file(WIT).expect("the contract is valid");
    for package in [WASI, CLOCKS, FILES] {
        resolve
            .push_str("wasi.wit", package)
            .expect("the excerpt is valid");
    }
    let import = vice.imports.map_or(String::new(), |(interface, _)| {
        format!("import {interface};")
    });
    let world = format!(
        "package stand:in; world engine {{ include hyaline:function/function@0.1.0; {import} export wasi:http/incoming-handler@0.2.99; }}"
    );
    let package = resolve
        .push_str("engine.wit", &world)
        .expect("the world is valid");
    let world = resolve
        .select_world(&[package], None)
        .expect("the package has one world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .expect("metadata can be added");
    ComponentEncoder::default()
        .module(&module)
        .expect("the module fits its world")
        .validate(true)
        .encode()
        .expect("the stand-in makes a component")
}
