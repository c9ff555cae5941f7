//! What a component imports and exports.

use wasmparser::{Encoding, Parser, Payload};

use crate::configuration::Interface;

/// Reads the names of a component's imports and exports, in their order. Does not validate its code: whoever runs it
/// does. `Err` says what the bytes are instead.
pub(crate) fn interface(bytes: &[u8]) -> Result<Interface, String> {
    let mut interface = Interface::default();
    let mut depth = 0_usize;
    let unreadable = |error: wasmparser::BinaryReaderError| format!("not WebAssembly: {error}");
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(unreadable)? {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => {
                return Err("a core module, not a component".into());
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import.map_err(unreadable)?.name.name;
                    interface.imports.push(name.into());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let name = export.map_err(unreadable)?.name.name;
                    interface.exports.push(name.into());
                }
            }
            _ => {}
        }
    }
    Ok(interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_and_exports_of_the_outermost_component_are_listed() {
        let bytes = wat::parse_str(
            r#"(component
                (import "wasi:http/types@0.2.3" (instance))
                (component $inner (import "hidden" (func)) )
                (core module $m (func (export "f")))
                (core instance $i (instantiate $m))
                (func $f (canon lift (core func $i "f")))
                (export "load" (func $f)))"#,
        )
        .unwrap();
        let found = interface(&bytes).unwrap();
        assert_eq!(found.imports, ["wasi:http/types@0.2.3"]);
        assert_eq!(found.exports, ["load"]);
        assert_eq!(found.target, None);
    }

    #[test]
    fn what_is_no_component_is_named() {
        let module = wat::parse_str("(module)").unwrap();
        assert_eq!(
            interface(&module).unwrap_err(),
            "a core module, not a component"
        );
        for wrong in [&b""[..], b"\0asm", b"#!/bin/sh", &module[..6]] {
            let error = interface(wrong).unwrap_err();
            assert!(error.starts_with("not WebAssembly: "), "{error}");
        }
    }
}
