//! The rivals: Python scripts that print one JSON object per line.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Runs `script` with `arguments`, pinned to one thread, and reads what it prints.
pub fn run(python: &Path, script: &Path, arguments: &[&Path]) -> Result<Vec<Value>> {
    eprintln!("  {} {}", python.display(), script.display());
    let mut command = Command::new(python);
    command
        .arg(script)
        .args(arguments)
        .stderr(std::process::Stdio::inherit());
    for variable in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(variable, "1");
    }
    let output = command
        .output()
        .with_context(|| format!("start {}", python.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", script.display(), output.status);
    }
    let text =
        String::from_utf8(output.stdout).context("the rival printed something else than UTF-8")?;
    text.lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).with_context(|| format!("read `{line}`")))
        .collect()
}
