//! The repository's own rules: each invariant of ARCHITECTURE.md is a check here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::commands::{cargo, command, output, root};

/// Crates that know no files, sockets, clocks, threads, processes or wasm.
const PURE: [&str; 7] = [
    "hyaline-kernels",
    "hyaline-trees",
    "hyaline-model",
    "hyaline-explain",
    "hyaline-trust",
    "hyaline-protocol",
    "hyaline-formats",
];

/// Which of our crates a crate may depend on.
const ARROWS: [(&str, &[&str]); 23] = [
    ("hyaline-kernels", &[]),
    ("hyaline-trees", &[]),
    ("hyaline-model", &["hyaline-trees", "hyaline-kernels"]),
    ("hyaline-explain", &["hyaline-model"]),
    ("hyaline-trust", &["hyaline-model"]),
    (
        "hyaline-protocol",
        &["hyaline-model", "hyaline-explain", "hyaline-trust"],
    ),
    ("hyaline-formats", &["hyaline-model", "hyaline-kernels"]),
    (
        "hyaline-guest",
        &["hyaline-model", "hyaline-explain", "hyaline-protocol"],
    ),
    ("hyaline-tabular", &["hyaline-guest"]),
    ("hyaline-neural", &["hyaline-guest", "hyaline-model"]),
    ("hyaline-runtime", &[]),
    ("hyaline-control", &[]),
    ("hyaline-registry", &["hyaline-control"]),
    ("hyaline-metering", &["hyaline-control"]),
    ("hyaline-gateway", &["hyaline-control"]),
    ("hyaline-telemetry", &[]),
    ("hyaline-doors", &["hyaline-control"]),
    ("hyaline-oci", &["hyaline-control"]),
    ("hyaline-export", &["hyaline-control"]),
    ("hyaline-load", &[]),
    ("hyaline-lambda", &["hyaline-doors", "hyaline-runtime"]),
    (
        "hyaline-server",
        &[
            "hyaline-control",
            "hyaline-registry",
            "hyaline-metering",
            "hyaline-gateway",
            "hyaline-telemetry",
            "hyaline-doors",
            "hyaline-runtime",
        ],
    ),
    (
        "hyaline-pack",
        &[
            "hyaline-model",
            "hyaline-explain",
            "hyaline-trust",
            "hyaline-formats",
        ],
    ),
];

/// What a pure crate may not mention outside its tests.
const IMPURE: [&str; 7] = [
    "std::fs",
    "std::net",
    "std::thread",
    "std::time",
    "std::process",
    "std::env",
    "HashMap",
];

/// Floating-point methods whose result differs between hosts; `libm` has the portable ones.
const PLATFORM_FLOAT: [&str; 12] = [
    ".exp()",
    ".ln()",
    ".exp_m1()",
    ".ln_1p()",
    ".tanh()",
    ".sinh()",
    ".cosh()",
    ".sin()",
    ".cos()",
    ".powf(",
    ".log2()",
    ".log10()",
];

/// Longest source file before somebody must look at it.
const LONG: usize = 800;

/// Runs every check and reports all failures at once.
pub fn run() -> Result<()> {
    let mut failures = Vec::new();
    let packages = packages()?;
    check_arrows(&packages, &mut failures);
    check_architecture(&packages, &mut failures)?;
    for file in tracked_files()? {
        check_file(&file, &mut failures)?;
    }
    if failures.is_empty() {
        eprintln!(
            "tidy: {} crates and their files keep the rules",
            packages.len()
        );
        return Ok(());
    }
    bail!(
        "tidy found {} broken rules:\n  {}",
        failures.len(),
        failures.join("\n  ")
    )
}

/// Our packages and the names of their normal dependencies.
fn packages() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let metadata = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("read cargo's metadata")?;
    let mut packages = BTreeMap::new();
    for package in metadata["packages"]
        .as_array()
        .context("cargo's metadata lists packages")?
    {
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
        let names = normal
            .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
            .collect();
        packages.insert(
            package["name"]
                .as_str()
                .context("a package has a name")?
                .to_owned(),
            names,
        );
    }
    Ok(packages)
}

fn check_arrows(packages: &BTreeMap<String, BTreeSet<String>>, failures: &mut Vec<String>) {
    for (package, allowed) in ARROWS {
        let Some(dependencies) = packages.get(package) else {
            failures.push(format!(
                "the crate {package} of the dependency rules does not exist"
            ));
            continue;
        };
        for dependency in dependencies
            .iter()
            .filter(|name| packages.contains_key(*name))
        {
            if !allowed.contains(&dependency.as_str()) {
                failures.push(format!(
                    "{package} depends on {dependency}: arrows only go down"
                ));
            }
        }
    }
    for package in PURE {
        for dependency in packages.get(package).into_iter().flatten() {
            if [
                "tokio",
                "hyper",
                "wasmtime",
                "wit-bindgen",
                "rand",
                "anyhow",
            ]
            .contains(&dependency.as_str())
            {
                failures.push(format!(
                    "{package} is pure and may not depend on {dependency}"
                ));
            }
        }
    }
}

/// ARCHITECTURE.md names every crate, and no crate that is gone.
fn check_architecture(
    packages: &BTreeMap<String, BTreeSet<String>>,
    failures: &mut Vec<String>,
) -> Result<()> {
    let text = read(&root().join("ARCHITECTURE.md"))?;
    let named: BTreeSet<&str> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| {
            word.starts_with("hyaline-") || ["end-to-end", "wasm-runner", "xtask"].contains(word)
        })
        .collect();
    for package in packages.keys().filter(|name| name.as_str() != "hyaline") {
        if !named.contains(package.as_str()) {
            failures.push(format!(
                "ARCHITECTURE.md does not mention the crate {package}"
            ));
        }
    }
    for name in named {
        if !packages.contains_key(name) {
            failures.push(format!(
                "ARCHITECTURE.md names the crate {name}, which does not exist"
            ));
        }
    }
    Ok(())
}

fn tracked_files() -> Result<Vec<PathBuf>> {
    let listed =
        output(command("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    Ok(listed
        .lines()
        .map(PathBuf::from)
        .filter(|path| root().join(path).is_file())
        .collect())
}

fn check_file(path: &Path, failures: &mut Vec<String>) -> Result<()> {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    if !["rs", "toml", "py", "md", "html", "wit", "js"].contains(&extension) {
        return Ok(());
    }
    let text = read(&root().join(path))?;
    let shown = path.display();
    // Split so that this file does not find itself.
    for host in [
        concat!("static.", "crates.io"),
        concat!("files.", "pythonhosted"),
        concat!("registry.", "npmjs"),
    ] {
        if text.contains(host) {
            failures.push(format!("{shown} names the registry host {host}"));
        }
    }
    if extension != "rs" {
        return Ok(());
    }
    if !text.starts_with("//!") && !text.starts_with("#!") {
        failures.push(format!(
            "{shown} does not start with a `//!` line that says what it is for"
        ));
    }
    if text.lines().count() > LONG {
        failures.push(format!(
            "{shown} has more than {LONG} lines: does it hold two things?"
        ));
    }
    let within = |folder: &str| path.components().any(|part| part.as_os_str() == folder);
    let pure_source = path.starts_with("crates") && within("src") && !path.ends_with("tests.rs");
    if pure_source {
        let production = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in production.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in IMPURE
                .iter()
                .chain(&PLATFORM_FLOAT)
                .filter(|word| code.contains(**word))
            {
                failures.push(format!(
                    "{shown}:{} uses `{word}` in a pure crate",
                    number + 1
                ));
            }
        }
        if path.ends_with("src/lib.rs") && !text.contains("unsafe_code") {
            failures.push(format!("{shown} does not say `#![forbid(unsafe_code)]`"));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}
