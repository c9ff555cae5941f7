//! Benchmarks beside their rivals: prepares both sides, then runs `hyaline-bench`.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::commands::{command, output, root, run, target};
use crate::{functions, setup};

/// Runs the parts named by `arguments` (functions, cold, rows, networks, sampling, http), or all of them.
pub fn run_parts(arguments: &[String]) -> Result<()> {
    setup::for_benchmarks()?;
    let python = rivals()?;
    let models = target().join("bench-models");
    if !models.join("index.json").is_file() {
        run(command(&python)
            .arg(root().join("benches/rivals/make_models.py"))
            .arg(&models))?;
    }
    let hyaline = functions::build()?;
    functions::pack(&hyaline)?;
    let mut bench = command(hyaline.with_file_name("hyaline-bench"));
    bench
        .arg("--hyaline")
        .arg(hyaline)
        .arg("--repository")
        .arg(root());
    bench
        .arg("--functions")
        .arg(root().join("target/functions"))
        .arg("--python")
        .arg(python);
    bench
        .arg("--models")
        .arg(models)
        .arg("--output")
        .arg(root().join("benches/RESULTS.md"));
    run(bench.args(arguments))
}

/// A virtual environment with the rivals, made once with `HYALINE_PYTHON` or the newest Python on the PATH: some of them
/// need 3.12.
fn rivals() -> Result<PathBuf> {
    let home = target().join("bench-python");
    let python = home.join("bin/python");
    let requirements = root().join("benches/rivals/requirements.txt");
    let stamp = home.join("requirements.txt");
    let wanted =
        std::fs::read(&requirements).with_context(|| format!("read {}", requirements.display()))?;
    if std::fs::read(&stamp).is_ok_and(|present| present == wanted) {
        return Ok(python);
    }
    let chosen = std::env::var("HYALINE_PYTHON").ok();
    let newest = ["python3.13", "python3.12", "python3"].into_iter();
    let newest = chosen
        .as_deref()
        .into_iter()
        .chain(newest)
        .find(|name| output(command(name).arg("--version")).is_ok())
        .context("no Python is installed")?;
    run(command(newest).args(["-m", "venv"]).arg(&home))?;
    run(command(&python)
        .args(["-m", "pip", "install", "--quiet", "-r"])
        .arg(&requirements))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("write {}", stamp.display()))?;
    Ok(python)
}
