//! What a fresh machine lacks: wasm targets for everybody, a browser and jco for the tests.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::commands::{command, installed, output, run, target};

/// The engines are built for this target: a component made from it imports nothing but what its WIT names.
const ENGINE_TARGET: &str = "wasm32-unknown-unknown";
/// The pure crates' test suites also run on this one.
const TEST_TARGET: &str = "wasm32-wasip2";
/// The tool that runs a component on V8.
const JCO: &str = "@bytecodealliance/jco@1.35.0";
/// What drives the browser.
const PLAYWRIGHT: &str = "playwright-core@1.64.1";

/// What packing needs.
pub fn for_packing() -> Result<()> {
    add_targets(&[ENGINE_TARGET])
}

/// Programs the tests drive.
pub struct Tools {
    /// Where npm put jco, which runs components on V8, and playwright-core.
    pub node_modules: PathBuf,
    /// A browser without a window.
    pub chromium: PathBuf,
}

/// What the tests need.
pub fn for_tests() -> Result<Tools> {
    add_targets(&[ENGINE_TARGET, TEST_TARGET])?;
    Ok(Tools {
        node_modules: node_modules()?,
        chromium: chromium()?,
    })
}

/// What the benchmarks need: the load generator.
pub fn for_benchmarks() -> Result<()> {
    for_packing()?;
    if installed("wrk") {
        Ok(())
    } else {
        debian(&["wrk"])
    }
}

fn add_targets(wanted: &[&str]) -> Result<()> {
    if !installed("rustup") {
        eprintln!(
            "rustup is not installed: assuming that this Rust has the targets {}",
            wanted.join(" ")
        );
        return Ok(());
    }
    let present = output(command("rustup").args(["target", "list", "--installed"]))?;
    let missing: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|target| !present.lines().any(|line| line == *target))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    run(command("rustup").args(["target", "add"]).args(missing))
}

/// Installs jco and playwright-core below the target directory, once.
fn node_modules() -> Result<PathBuf> {
    let home = target().join("node");
    let modules = home.join("node_modules");
    if !modules.join(".bin/jco").exists() || !modules.join("playwright-core").exists() {
        if !installed("npm") {
            debian(&["nodejs", "npm"])?;
        }
        std::fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
        run(command("npm")
            .args(["install", "--no-audit", "--no-fund", "--prefix"])
            .arg(&home)
            .args([JCO, PLAYWRIGHT]))?;
    }
    Ok(modules)
}

fn chromium() -> Result<PathBuf> {
    for name in ["chromium", "chromium-browser", "google-chrome"] {
        if installed(name) {
            return Ok(name.into());
        }
    }
    debian(&["chromium"])?;
    Ok("chromium".into())
}

/// Installs Debian packages; needs root or `sudo`.
fn debian(packages: &[&str]) -> Result<()> {
    if !installed("apt-get") {
        bail!(
            "please install {} (no apt-get here to do it with)",
            packages.join(" and ")
        );
    }
    let root = output(command("id").arg("-u"))?.trim() == "0";
    let apt = || {
        let mut apt = command(if root { "apt-get" } else { "sudo" });
        if !root {
            apt.arg("apt-get");
        }
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    run(apt().args(["update", "-q"]))?;
    run(apt()
        .args(["install", "-y", "-q", "--no-install-recommends"])
        .args(packages))
}
