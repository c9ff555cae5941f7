//! Which imports a function may have.

use wasmtime::Engine;
use wasmtime::component::types;

/// The interfaces of `wasi:http/proxy`, version 0.2: all that a function may import.
const PROXY: [&str; 11] = [
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

/// The first import of a component that `wasi:http/proxy` does not offer; `offered` is one more name that is fine.
pub(crate) fn first_forbidden(
    component: &types::Component,
    engine: &Engine,
    offered: Option<&str>,
) -> Option<String> {
    component
        .imports(engine)
        .map(|(name, _)| name)
        .find(|name| !is_offered(name) && Some(*name) != offered)
        .map(str::to_owned)
}

fn is_offered(import: &str) -> bool {
    let Some((interface, version)) = import.split_once('@') else {
        return false;
    };
    PROXY.contains(&interface) && version.starts_with("0.2.")
}

#[cfg(test)]
mod tests {
    use super::is_offered;

    #[test]
    fn offers_any_0_2_version_of_the_proxy_interfaces_and_nothing_else() {
        assert!(is_offered("wasi:http/types@0.2.0"));
        assert!(is_offered("wasi:io/streams@0.2.6"));
        for forbidden in [
            "wasi:filesystem/types@0.2.0",
            "wasi:sockets/tcp@0.2.0",
            "wasi:cli/environment@0.2.0",
            "wasi:http/types@0.3.0",
            "wasi:http/types@0.20.0",
            "wasi:http/types",
            "log",
        ] {
            assert!(!is_offered(forbidden), "{forbidden}");
        }
    }
}
