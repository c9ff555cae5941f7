//! The demonstration: every folder of `models/` packed and served.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::commands::{cargo, command, root, run, target};
use crate::setup;

/// Builds the optimised `hyaline` command, and what measures it: one selection, so that nothing is compiled twice.
pub fn build() -> Result<PathBuf> {
    run(cargo().args([
        "build",
        "--locked",
        "--release",
        "-p",
        "hyaline",
        "-p",
        "hyaline-bench",
    ]))?;
    Ok(target().join("release/hyaline"))
}

/// The profile of what is shipped.
const DIST: &str = "dist";

/// Builds `package` as it is shipped: optimised across crates when it is linked, which takes minutes.
pub fn build_dist(package: &str) -> Result<PathBuf> {
    run(cargo().args(["build", "--locked", "--profile", DIST, "-p", package]))?;
    Ok(target().join(DIST).join(package))
}

/// Packs every model into `target/functions/<name>.wasm`, where `spin.toml` expects them, with this `hyaline` command.
pub fn pack(hyaline: &Path) -> Result<()> {
    let functions = root().join("target/functions");
    std::fs::create_dir_all(&functions)
        .with_context(|| format!("create {}", functions.display()))?;
    for model in models()? {
        let output = functions.join(&model).with_extension("wasm");
        run(command(hyaline)
            .arg("pack")
            .arg(root().join("models").join(&model))
            .arg("-o")
            .arg(output))?;
    }
    Ok(())
}

/// Packs every model and serves them as `spin.toml` says.
pub fn up(arguments: &[String]) -> Result<()> {
    setup::for_packing()?;
    let hyaline = build()?;
    pack(&hyaline)?;
    run(command(hyaline).arg("up").args(arguments))
}

/// Names of the folders of `models/` that hold a recipe, sorted.
pub fn models() -> Result<Vec<String>> {
    let folder = root().join("models");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?;
        if entry.path().join("function.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
