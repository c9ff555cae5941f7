//! Guests for tests: small core modules in WAT, wrapped as components by `wit-component`.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const HTTP_WORLD: &str = "
    package hyaline:guests;
    world guest {
        import wasi:io/streams@0.2.0;
        import wasi:http/types@0.2.0;
        import wasi:cli/stdout@0.2.0;
        import wasi:cli/stderr@0.2.0;
        export wasi:http/incoming-handler@0.2.0;
    }
";
/// What the repository's own WIT does not need, as WASI 0.2.0 has it.
const CLI: &str = "
    package wasi:cli@0.2.0;
    interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
    interface stderr { use wasi:io/streams@0.2.0.{output-stream}; get-stderr: func() -> output-stream; }
";
const TYPED_WORLD: &str = "
    package hyaline:guests;
    world guest { export hyaline:function/model@0.1.0; }
";

/// A component with an HTTP door whose handler is `handle`, in the frame of `http.wat`.
pub fn http(handle: &str) -> Vec<u8> {
    http_frame(include_str!("http.wat"), handle)
}

/// A component with an HTTP door whose handler is `handle`, in a frame that is a variation of `http.wat`.
pub fn http_frame(frame: &str, handle: &str) -> Vec<u8> {
    component(HTTP_WORLD, &frame.replace("(;HANDLE;)", handle))
}

/// Answers 200 and `hello`.
pub fn hello() -> Vec<u8> {
    http(
        "(call $begin (local.get $out) (i32.const 200))
         (call $write (i32.const 1024) (i32.const 6))
         (call $end)",
    )
}

/// Answers with the first bytes (at most 4096) of the body it was given.
pub fn echo() -> Vec<u8> {
    http(
        "(call $consume (local.get $request) (i32.const 64))
         (call $stream (i32.load (i32.const 68)) (i32.const 64))
         (call $read (i32.load (i32.const 68)) (i64.const 4096) (i32.const 256))
         (call $begin (local.get $out) (i32.const 200))
         (call $write (i32.load (i32.const 260)) (i32.load (i32.const 264)))
         (call $end)",
    )
}

/// Answers 200 and `answer`. All such guests have the same code: the answer is data.
pub fn says(answer: &str) -> Vec<u8> {
    assert!(answer.len() < 250, "one line fits where it is put");
    let data = format!(
        "(data (i32.const 4096) \"\\{:02x}{answer}\")\n  (func (export \"cabi_realloc\")",
        answer.len()
    );
    http_frame(
        &include_str!("http.wat").replace("(func (export \"cabi_realloc\")", &data),
        "(call $drop_request (local.get $request))
         (call $begin (local.get $out) (i32.const 200))
         (call $write (i32.const 4097) (i32.load8_u (i32.const 4096)))
         (call $end)",
    )
}

/// A component with a typed door whose `predict` is `predict`, in the frame of `typed.wat`.
pub fn typed(predict: &str) -> Vec<u8> {
    component(
        TYPED_WORLD,
        &include_str!("typed.wat").replace("(;PREDICT;)", predict),
    )
}

/// The component that the core module `wat` becomes in the world `guest` of `wit`.
pub fn component(wit: &str, wat: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve
        .push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit"))
        .expect("the repository's WIT resolves");
    resolve
        .push_str("cli.wit", CLI)
        .expect("the WIT of wasi:cli resolves");
    let package = resolve
        .push_str("guest.wit", wit)
        .expect("the guest's WIT resolves");
    let world = resolve
        .select_world(&[package], Some("guest"))
        .expect("the world is called guest");
    let mut module = wat::parse_str(wat).expect("the guest's WAT parses");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .expect("metadata embeds");
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).expect("the module fits its world");
    encoder.encode().expect("the component encodes")
}
