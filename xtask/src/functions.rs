//! The demonstration: every folder of `models/` packed and served.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::commands::{cargo, command, root, run, target};
use crate::setup;

/// How the `hyaline` command is built.
#[derive(Clone, Copy)]
pub enum Profile {
    /// Optimised, for use and measurement.
    Release,
    /// Quick to build, for tests.
    Dev,
}

/// Builds the `hyaline` command.
pub fn build(profile: Profile) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--locked", "-p", "hyaline"]);
    let folder = match profile {
        Profile::Release => {
            build.arg("--release");
            "release"
        }
        Profile::Dev => "debug",
    };
    run(&mut build)?;
    Ok(target().join(folder).join("hyaline"))
}

/// Packs every model into `target/functions/<name>.wasm`, where `spin.toml` expects them; returns the command used.
pub fn pack(profile: Profile) -> Result<PathBuf> {
    setup::for_packing()?;
    let hyaline = build(profile)?;
    let functions = root().join("target/functions");
    std::fs::create_dir_all(&functions).with_context(|| format!("create {}", functions.display()))?;
    for model in models()? {
        let output = functions.join(&model).with_extension("wasm");
        run(command(&hyaline).arg("pack").arg(root().join("models").join(&model)).arg("-o").arg(output))?;
    }
    Ok(hyaline)
}

/// Packs every model and serves them as `spin.toml` says.
pub fn up(arguments: &[String]) -> Result<()> {
    let hyaline = pack(Profile::Release)?;
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
