//! What a fresh machine lacks: wasm targets for everybody; a browser, jco, a registry and the clients of other platforms
//! for the tests.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::commands::{cargo, command, installed, output, root, run, target};

/// The engines are built for this target: a component made from it imports nothing but what its WIT names.
const ENGINE_TARGET: &str = "wasm32-unknown-unknown";
/// The pure crates' test suites also run on this one.
const TEST_TARGET: &str = "wasm32-wasip2";
/// The tool that runs a component on V8.
const JCO: &str = "@bytecodealliance/jco@1.35.0";
/// What drives the browser.
const PLAYWRIGHT: &str = "playwright-core@1.64.1";
/// The server of components that ours is measured beside.
const WASMTIME: &str = "48.0.8";

/// Programs that tests run, and Debian's packages that bring them.
const PROGRAMS: [(&str, &str); 6] = [
    ("docker-registry", "docker-registry"),
    ("skopeo", "skopeo"),
    ("systemd-analyze", "systemd"),
    ("make", "make"),
    ("prlimit", "util-linux"),
    ("unshare", "util-linux"),
];
/// Debian's interpreter, which has Debian's packages.
const DEBIAN_PYTHON: &str = "/usr/bin/python3";
/// Pythons for which the clients of other platforms are built, best first.
const PYTHONS: [&str; 4] = ["python3.12", "python3.11", "python3", DEBIAN_PYTHON];

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
    /// A Python with the clients of other platforms.
    pub clients: PathBuf,
}

/// What the tests need.
pub fn for_tests() -> Result<Tools> {
    add_targets(&[ENGINE_TARGET, TEST_TARGET])?;
    programs()?;
    Ok(Tools {
        node_modules: node_modules()?,
        chromium: chromium()?,
        clients: clients()?,
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

/// The `wasmtime` command: the one that HYALINE_WASMTIME names, or one built below the target directory, once.
pub fn wasmtime() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("HYALINE_WASMTIME") {
        return Ok(named.into());
    }
    let home = target().join("bench-wasmtime");
    let program = home.join("bin/wasmtime");
    let present = output(command(&program).arg("--version"));
    if !present.is_ok_and(|version| version.split_whitespace().any(|word| word == WASMTIME)) {
        run(cargo()
            .args([
                "install",
                "wasmtime-cli",
                "--locked",
                "--version",
                WASMTIME,
                "--root",
            ])
            .arg(&home))?;
    }
    Ok(program)
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

/// Installs what the tests run besides the browser.
fn programs() -> Result<()> {
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !installed(program))
        .map(|(_, package)| *package)
        .collect();
    if !python_has(DEBIAN_PYTHON, "prometheus_client") {
        missing.extend(["python3", "python3-prometheus-client"]);
    }
    if missing.is_empty() {
        return Ok(());
    }
    debian(&missing)
}

/// Whether a Python is there and has these modules.
fn python_has(python: &str, modules: &str) -> bool {
    output(command(python).args(["-c", &format!("import {modules}")])).is_ok()
}

/// Makes a Python environment with the clients of other platforms below the target directory, once.
fn clients() -> Result<PathBuf> {
    let home = target().join("clients-python");
    let python = home.join("bin/python");
    let requirements = root().join("tests/clients/requirements.txt");
    let wanted =
        std::fs::read(&requirements).with_context(|| format!("read {}", requirements.display()))?;
    let stamp = home.join("requirements.txt");
    if std::fs::read(&stamp).is_ok_and(|present| present == wanted) {
        return Ok(python);
    }
    let usable = || {
        let mut pythons = PYTHONS.into_iter();
        pythons.find(|python| python_has(python, "ensurepip, venv"))
    };
    let found = match usable() {
        Some(found) => found,
        None => {
            debian(&["python3", "python3-venv"])?;
            usable().context("no Python can make a virtual environment")?
        }
    };
    run(command(found).args(["-m", "venv", "--clear"]).arg(&home))?;
    run(command(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--only-binary",
            ":all:",
            "-r",
        ])
        .arg(&requirements))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("write {}", stamp.display()))?;
    Ok(python)
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
