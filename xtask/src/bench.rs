//! Benchmarks beside their rivals: prepares both sides, as far as the parts wanted need them, then runs `hyaline-bench`.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::commands::{command, output, root, run, target};
use crate::{functions, setup};

/// Parts that need nothing but the host itself.
const ALONE: [&str; 7] = [
    "functions",
    "cold",
    "density",
    "neighbours",
    "updates",
    "budget",
    "metering",
];
/// Parts that ask a running host, which is then the one that is shipped.
const OF_PLATFORM: [&str; 6] = [
    "http",
    "density",
    "neighbours",
    "updates",
    "budget",
    "metering",
];

/// Runs the parts named by `arguments` (functions, cold, rows, networks, sampling, local, http, density, neighbours,
/// updates, budget, metering; `platform` is the last six), or all of them. `--functions-count N` says how many distinct
/// functions `density` deploys. Sets up only what these parts need.
pub fn run_parts(arguments: &[String]) -> Result<()> {
    let wants = |part: &str| {
        let named = |name: &str| arguments.iter().any(|word| word == name);
        named(part)
            || (OF_PLATFORM.contains(&part) && named("platform"))
            || !arguments.iter().any(|word| is_part(word))
    };
    setup::for_benchmarks()?;
    let built = functions::build()?;
    functions::pack(&built)?;
    let mut bench = command(built.with_file_name("hyaline-bench"));
    let hyaline = match OF_PLATFORM.into_iter().any(wants) {
        true => functions::build_dist("hyaline")?,
        false => built,
    };
    bench
        .arg("--hyaline")
        .arg(hyaline)
        .arg("--repository")
        .arg(root())
        .arg("--functions")
        .arg(root().join("target/functions"))
        .arg("--output")
        .arg(root().join("benches/RESULTS.md"));
    if ["rows", "networks", "sampling", "http"]
        .into_iter()
        .any(wants)
    {
        let python = environment(&RIVALS)?.context("no Python is installed")?;
        let models = target().join("bench-models");
        if ["rows", "networks", "sampling"].into_iter().any(wants)
            && !models.join("index.json").is_file()
        {
            run(command(&python)
                .arg(root().join("benches/rivals/make_models.py"))
                .arg(&models))?;
        }
        bench
            .arg("--python")
            .arg(python)
            .arg("--models")
            .arg(models);
    }
    if wants("http") {
        bench.arg("--wasmtime").arg(setup::wasmtime()?);
        bench.arg("--native").arg(functions::build_dist(NATIVE)?);
    }
    if wants("local") {
        match environment(&LOCAL_RIVALS)? {
            Some(local) => {
                bench.arg("--local-python").arg(local);
            }
            None => eprintln!(
                "lime, alibi and dice-ml are not measured: they need Python 3.11 (name one by {})",
                LOCAL_RIVALS.variable
            ),
        }
    }
    run(bench.args(arguments))
}

/// A native server of the same model.
const NATIVE: &str = "hyaline-native-server";

/// Whether a word is a part, and not a flag or its value.
fn is_part(word: &str) -> bool {
    ["platform", "rows", "networks", "sampling", "local", "http"].contains(&word)
        || ALONE.contains(&word)
}

/// A Python to make a virtual environment of, and what goes into it.
struct Rivals {
    /// Folder below `target`.
    home: &'static str,
    /// File below `benches/rivals`.
    requirements: &'static str,
    /// Variable that names the Python to use.
    variable: &'static str,
    /// Pythons that will do, best first.
    pythons: &'static [&'static str],
}

/// What most parts need.
const RIVALS: Rivals = Rivals {
    home: "bench-python",
    requirements: "requirements.txt",
    variable: "HYALINE_PYTHON",
    pythons: &["python3.13", "python3.12", "python3"],
};

/// lime, alibi and dice-ml, which need an older Python; without it they are not measured.
const LOCAL_RIVALS: Rivals = Rivals {
    home: "bench-python-local",
    requirements: "requirements-local.txt",
    variable: "HYALINE_LOCAL_PYTHON",
    pythons: &["python3.11"],
};

/// The environment's Python, made when it is not there yet; `None` when no Python will do.
fn environment(rivals: &Rivals) -> Result<Option<PathBuf>> {
    let home = target().join(rivals.home);
    let python = home.join("bin/python");
    let requirements = root().join("benches/rivals").join(rivals.requirements);
    let stamp = home.join("requirements.txt");
    let wanted =
        std::fs::read(&requirements).with_context(|| format!("read {}", requirements.display()))?;
    if std::fs::read(&stamp).is_ok_and(|present| present == wanted) {
        return Ok(Some(python));
    }
    let chosen = std::env::var(rivals.variable).ok();
    let found = chosen
        .as_deref()
        .into_iter()
        .chain(rivals.pythons.iter().copied())
        .find(|name| output(command(name).arg("--version")).is_ok());
    let Some(found) = found else {
        return Ok(None);
    };
    run(command(found).args(["-m", "venv"]).arg(&home))?;
    run(command(&python)
        .args(["-m", "pip", "install", "--quiet", "-r"])
        .arg(&requirements))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("write {}", stamp.display()))?;
    Ok(Some(python))
}
