//! Every check and test, in the order in which failures are cheapest to find.

use anyhow::Result;

use crate::commands::{cargo, root, run, target};
use crate::{functions, setup, tidy};

/// The crates whose suites also run in wasm.
const PURE: [&str; 7] = [
    "hyaline-kernels",
    "hyaline-trees",
    "hyaline-model",
    "hyaline-explain",
    "hyaline-trust",
    "hyaline-formats",
    "hyaline-protocol",
];

/// Runs everything; stops at the first failure.
pub fn run_everything() -> Result<()> {
    let tools = setup::for_tests()?;
    tidy::run()?;
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args([
        "clippy",
        "--locked",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    // Everything at once, with the features that `cargo test` takes: nothing is compiled twice.
    run(cargo().args(["build", "--locked", "--all-targets"]))?;
    let hyaline = target().join("debug/hyaline");
    functions::pack(&hyaline)?;
    run(cargo()
        .args(["test", "--locked", "--no-fail-fast"])
        .env("HYALINE", hyaline)
        .env("HYALINE_NODE_MODULES", &tools.node_modules)
        .env("HYALINE_CHROMIUM", &tools.chromium)
        .env("HYALINE_CLIENTS_PYTHON", &tools.clients))?;
    test_in_wasm()
}

/// The pure crates' suites on `wasm32-wasip2`, under wasmtime.
fn test_in_wasm() -> Result<()> {
    let mut test = cargo();
    test.args([
        "test",
        "--locked",
        "--no-fail-fast",
        "--target",
        "wasm32-wasip2",
    ]);
    for package in PURE {
        test.args(["-p", package]);
    }
    // Documentation examples cannot be run by a runner on this target.
    test.args(["--lib", "--tests"]);
    run(test
        // As the engines are built: the kernels have code of their own for vectors.
        .env(
            "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
            "-Ctarget-feature=+simd128",
        )
        .env(
            "CARGO_TARGET_WASM32_WASIP2_RUNNER",
            target().join("debug/wasm-runner"),
        )
        .env("WASM_RUNNER_ROOT", root()))
}
