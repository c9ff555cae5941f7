//! What every engine shares: one sealed model slot, the HTTP door, the typed door and `load`.
//!
//! An engine is a `cdylib` that says `hyaline_guest::export_engine!(Engine with_types_in
//! hyaline_guest::bindings)`. The kit imports `wasi:http/types` and what that needs of `wasi:io`, nothing else.

mod allocator;
mod http;
mod slot;
mod typed;

/// Bindings generated from `wit/`.
#[expect(
    missing_docs,
    reason = "generated code; its contract is in the WIT files"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: [
            "../../wit/deps/io",
            "../../wit/deps/clocks",
            "../../wit/deps/http",
            "../../wit/function.wit",
        ],
        inline: "
            package hyaline:engine;

            world engine {
                include hyaline:function/function@0.1.0;
                import wasi:http/types@0.2.0;
                export wasi:http/incoming-handler@0.2.0;
            }
        ",
        world: "hyaline:engine/engine",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_engine",
        default_bindings_module: "hyaline_guest::bindings",
    });
}

pub use bindings::export_engine;

/// The engine: every export of the function contract, over the model in the slot.
#[derive(Debug)]
pub struct Engine;

impl bindings::Guest for Engine {
    fn load(image: Vec<u8>) -> Result<(), String> {
        slot::load(image)
    }
}
