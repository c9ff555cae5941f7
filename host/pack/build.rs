//! Builds the guest engines and leaves each as a component in `OUT_DIR`, where the crate embeds it.
//!
//! An engine is compiled for `wasm32-unknown-unknown` by a nested cargo with a target directory of its own, then made a
//! component by `wit-component`. The result depends on the sources, the lock file and the compiler only: every path of
//! the building machine is remapped away.
//!
//! `HYALINE_ENGINE_<NAME>` may name an engine component that is already built; nothing is compiled for it then.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_component::{ComponentEncoder, DecodedWasm};

#[path = "src/contract.rs"]
mod contract;

type Fallible<T> = Result<T, Box<dyn Error>>;

const TARGET: &str = "wasm32-unknown-unknown";

/// Engines by name; the crate of engine `x` is `hyaline-x` in `guest-functions/x`.
const ENGINES: [&str; 2] = ["tabular", "neural"];

/// What an engine is made of, relative to the workspace.
const SOURCES: [&str; 9] = [
    "guest-functions",
    "crates/kernels",
    "crates/trees",
    "crates/model",
    "crates/explain",
    "crates/protocol",
    "wit",
    "Cargo.lock",
    "Cargo.toml",
];

fn main() {
    if let Err(error) = build() {
        // A build script reports through cargo, which shows standard error and the exit code only.
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn build() -> Fallible<()> {
    let workspace = workspace()?;
    for source in SOURCES {
        println!(
            "cargo:rerun-if-changed={}",
            workspace.join(source).display()
        );
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/contract.rs");

    println!(
        "cargo:rustc-env=HYALINE_WASMTIME_VERSION={}",
        wasmtime_version(&workspace)?
    );

    let out = PathBuf::from(env::var("OUT_DIR")?);
    for engine in ENGINES {
        let variable = format!("HYALINE_ENGINE_{}", engine.to_uppercase());
        println!("cargo:rerun-if-env-changed={variable}");
        let component = match env::var_os(&variable) {
            Some(path) => fs::read(&path).map_err(|error| {
                format!(
                    "{variable} names {}, which cannot be read: {error}",
                    path.display()
                )
            })?,
            None => component(&compile(&workspace, &out, engine)?).map_err(|error| {
                format!("engine `{engine}` does not make a component: {error:#}")
            })?,
        };
        check(engine, &component)?;
        fs::write(out.join(format!("{engine}.wasm")), component)?;
    }
    Ok(())
}

fn workspace() -> Fallible<PathBuf> {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = package
        .ancestors()
        .nth(2)
        .ok_or("hyaline-pack has left its place in the workspace, host/pack")?;
    Ok(root.to_owned())
}

/// The version that takes the snapshots, for the card.
fn wasmtime_version(workspace: &Path) -> Fallible<String> {
    let lock = fs::read_to_string(workspace.join("Cargo.lock"))?;
    let mut lines = lock
        .lines()
        .skip_while(|line| *line != "name = \"wasmtime\"")
        .skip(1);
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    Ok(version
        .ok_or("Cargo.lock names no version of wasmtime")?
        .to_owned())
}

/// Compiles an engine and returns the path of its core module.
fn compile(workspace: &Path, out: &Path, engine: &str) -> Fallible<PathBuf> {
    require_target()?;
    let target_dir = target_dir(out)?;
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo
        .current_dir(workspace)
        .args([
            "build",
            "--locked",
            "--quiet",
            "--profile",
            "guest",
            "--target",
            TARGET,
        ])
        .args(["--package", &format!("hyaline-{engine}"), "--target-dir"])
        .arg(&target_dir)
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            rustflags(workspace)?.join("\x1f"),
        );
    // Set by the outer cargo for the host's compilation (clippy, coverage, sanitizers, a shared target directory).
    for variable in [
        "RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET_DIR",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_INCREMENTAL",
    ] {
        cargo.env_remove(variable);
    }
    let output = cargo.output()?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr);
        return Err(format!("engine `{engine}` does not compile for {TARGET}:\n{log}").into());
    }
    Ok(target_dir
        .join(TARGET)
        .join("guest")
        .join(format!("hyaline_{engine}.wasm")))
}

fn require_target() -> Fallible<()> {
    let output = Command::new(env::var("RUSTC")?)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()?;
    let libraries = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    if output.status.success() && libraries.is_dir() {
        Ok(())
    } else {
        Err(format!(
            "the guest engines are compiled for {TARGET}, which this toolchain lacks: run `rustup target add {TARGET}`"
        )
        .into())
    }
}

/// `<target>/guest-engines`, next to the outer build's profiles, so that all of them share it. It is not the outer
/// build's own directory: that one is locked while this script runs.
fn target_dir(out: &Path) -> Fallible<PathBuf> {
    // OUT_DIR is <target>/<profile>/build/<package>/out.
    let outer = out
        .ancestors()
        .nth(4)
        .ok_or("OUT_DIR is not inside a target directory")?;
    Ok(outer.join("guest-engines"))
}

/// The last matching remapping wins, so the registry comes after the directory it is in.
fn rustflags(workspace: &Path) -> Fallible<Vec<String>> {
    let mut flags = vec![
        "-Ctarget-feature=+simd128".to_owned(),
        // Inline only what is marked for it or smaller than its call: a twelfth less code, and predictions and explanations
        // of trees measure no slower.
        "-Cllvm-args=-inline-threshold=5".to_owned(),
    ];
    let mut remap =
        |from: &Path, to: &str| flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    if let Some(cargo_home) = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
    {
        remap(&cargo_home, "cargo");
        let registries = cargo_home.join("registry").join("src");
        for registry in fs::read_dir(registries).into_iter().flatten() {
            remap(&registry?.path(), "crates");
        }
    }
    remap(workspace, "hyaline");
    Ok(flags)
}

fn component(module: &Path) -> Fallible<Vec<u8>> {
    let module = fs::read(module).map_err(|error| format!("{}: {error}", module.display()))?;
    Ok(ComponentEncoder::default()
        .module(&module)?
        .validate(true)
        .encode()?)
}

fn check(engine: &str, component: &[u8]) -> Fallible<()> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        return Err(format!("engine `{engine}` is a WIT package, not a component").into());
    };
    let world = &resolve.worlds[world];
    let names = |items: Vec<_>| {
        items
            .into_iter()
            .map(|key| resolve.name_world_key(key))
            .collect::<Vec<_>>()
    };
    let imports = names(world.imports.keys().collect());
    let exports = names(world.exports.keys().collect());
    contract::check(&imports, &exports).map_err(|error| format!("engine `{engine}` {error}").into())
}
