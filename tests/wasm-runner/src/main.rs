//! Runs a `wasm32-wasip2` command component with this process's arguments, environment and standard streams: the
//! runner behind `cargo test --target wasm32-wasip2`, so that the pure crates' suites run in wasm as they run natively.
//!
//! The guest sees the directory named by `WASM_RUNNER_ROOT` (the repository, for fixtures), read-only, under its own path.

use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::error::Context;
use wasmtime::{Config, Engine, Result, Store};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let program = arguments
        .first()
        .context("usage: wasm-runner PROGRAM.wasm [ARGUMENTS]")?;
    let mut wasi = WasiCtxBuilder::new();
    wasi.inherit_stdio().args(&arguments);
    if let Ok(root) = std::env::var("WASM_RUNNER_ROOT") {
        wasi.preopened_dir(&root, &root, FsPerms::ReadOnly)
            .with_context(|| format!("open {root}"))?;
    }
    let engine = Engine::new(&Config::new())?;
    let component =
        Component::from_file(&engine, program).with_context(|| format!("load {program}"))?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    let state = State {
        wasi: wasi.build(),
        table: ResourceTable::new(),
    };
    let mut store = Store::new(&engine, state);
    let command = Command::instantiate_async(&mut store, &component, &linker).await?;
    match command.wasi_cli_run().call_run(&mut store).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(())) => std::process::exit(1),
        Err(error) => match error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            Some(exit) => std::process::exit(exit.0),
            None => Err(error),
        },
    }
}
