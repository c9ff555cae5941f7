//! What a function may ask of its host and must offer to it: the names in `wit/function.wit` and `wasi:http/proxy`.
//!
//! This file is compiled into the build script too, so an engine is held to the same contract as a packed function.

/// What `wasi:http/proxy@0.2` offers, without the version. Nothing else: no files, no sockets, no environment.
const OFFERED: [&str; 11] = [
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/random",
];

/// What every function exports, without the version.
const REQUIRED: [&str; 3] = [
    "hyaline:function/model",
    "load",
    "wasi:http/incoming-handler",
];

/// Checks the names of a component's imports and exports.
///
/// # Errors
/// A clause to put after the component's name: which import is too much, which export is missing.
pub(crate) fn check(imports: &[String], exports: &[String]) -> Result<(), String> {
    for import in imports {
        let (interface, version) = import.split_once('@').unwrap_or((import, ""));
        if !OFFERED.contains(&interface) || !version.starts_with("0.2.") {
            return Err(format!(
                "imports `{import}`; a function may import only what `wasi:http/proxy@0.2` offers, so that every \
                 host can run it: remove the dependency that needs it"
            ));
        }
    }
    for required in REQUIRED {
        if !exports
            .iter()
            .any(|export| export.split('@').next() == Some(required))
        {
            return Err(format!(
                "exports no `{required}`; a Hyaline function exports {}",
                REQUIRED.map(|name| format!("`{name}`")).join(", ")
            ));
        }
    }
    Ok(())
}
