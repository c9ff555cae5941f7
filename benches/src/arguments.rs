//! What `cargo xtask bench` passes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The parts, in the order in which they run.
pub const PARTS: [&str; 12] = [
    "functions",
    "cold",
    "rows",
    "networks",
    "sampling",
    "local",
    "http",
    "density",
    "neighbours",
    "updates",
    "budget",
    "metering",
];

/// The part that is all those about the host.
pub const PLATFORM: &str = "platform";
/// What it is made of.
const OF_PLATFORM: [&str; 6] = [
    "http",
    "density",
    "neighbours",
    "updates",
    "budget",
    "metering",
];

/// Where things are, and which parts to run.
pub struct Arguments {
    /// The release build of the `hyaline` command.
    pub hyaline: PathBuf,
    /// The repository.
    pub repository: PathBuf,
    /// Directory of the packed demonstration functions.
    pub functions: PathBuf,
    /// A Python that has the rivals of `benches/rivals/requirements-local.txt`; without one they are not measured.
    pub local: Option<PathBuf>,
    /// `wasmtime`; without one it is not measured.
    pub wasmtime: Option<PathBuf>,
    /// The release build of `hyaline-native-server`; without one it is not measured.
    pub native: Option<PathBuf>,
    /// Where the table goes.
    pub output: PathBuf,
    /// Distinct functions on one host.
    pub functions_count: usize,
    python: Option<PathBuf>,
    models: Option<PathBuf>,
    parts: Vec<String>,
}

impl Arguments {
    /// Reads `--name value` pairs; every other word is a part to run.
    ///
    /// # Errors
    /// A word that is neither, or a value that is missing.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Arguments> {
        let (mut hyaline, mut repository, mut functions, mut output) = (None, None, None, None);
        let (mut python, mut local, mut models) = (None, None, None);
        let (mut wasmtime, mut native, mut count) = (None, None, None);
        let mut parts = Vec::new();
        let mut words = words;
        while let Some(word) = words.next() {
            let slot = match word.as_str() {
                "--hyaline" => &mut hyaline,
                "--repository" => &mut repository,
                "--functions" => &mut functions,
                "--python" => &mut python,
                "--local-python" => &mut local,
                "--models" => &mut models,
                "--wasmtime" => &mut wasmtime,
                "--native" => &mut native,
                "--output" => &mut output,
                "--functions-count" => &mut count,
                PLATFORM => {
                    parts.extend(OF_PLATFORM.map(str::to_owned));
                    continue;
                }
                part if PARTS.contains(&part) => {
                    parts.push(word);
                    continue;
                }
                _ => bail!(
                    "`{word}` is no part; the parts are {} and {PLATFORM}, which is {}",
                    PARTS.join(", "),
                    OF_PLATFORM.join(", ")
                ),
            };
            *slot = Some(PathBuf::from(
                words
                    .next()
                    .with_context(|| format!("{word} needs a value"))?,
            ));
        }
        let count = count.unwrap_or_else(|| "10000".into());
        let count = count.to_string_lossy();
        Ok(Arguments {
            hyaline: hyaline.context("--hyaline is missing")?,
            repository: repository.context("--repository is missing")?,
            functions: functions.context("--functions is missing")?,
            local,
            wasmtime,
            native,
            output: output.context("--output is missing")?,
            functions_count: count
                .parse()
                .ok()
                .filter(|&count| count > 0)
                .with_context(|| format!("--functions-count {count} is no count"))?,
            python,
            models,
            parts,
        })
    }

    /// Whether a part is to run; all are when none is named.
    pub fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }

    /// A Python that has the rivals of `benches/rivals/requirements.txt`.
    ///
    /// # Errors
    /// None was named.
    pub fn python(&self) -> Result<&Path> {
        self.python.as_deref().context("--python is missing")
    }

    /// Directory with the models that `benches/rivals/make_models.py` made.
    ///
    /// # Errors
    /// None was named.
    pub fn models(&self) -> Result<&Path> {
        self.models.as_deref().context("--models is missing")
    }

    /// A packed demonstration function.
    ///
    /// # Errors
    /// It is not there.
    pub fn component(&self, model: &str) -> Result<Vec<u8>> {
        let path = self.functions.join(model).with_extension("wasm");
        std::fs::read(&path).with_context(|| format!("read {}", path.display()))
    }

    /// The first golden row of a demonstration model, as a request's body.
    ///
    /// # Errors
    /// There is none.
    pub fn golden_body(&self, model: &str) -> Result<String> {
        let path = self.repository.join("models").join(model);
        let path = path.join("golden.jsonl");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let golden: Value = serde_json::from_str(text.lines().next().context("no golden row")?)?;
        Ok(golden["row"].to_string())
    }

    /// A folder that is removed when it is dropped, on the disk that holds the functions.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn scratch(&self) -> Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(&self.functions)
            .with_context(|| format!("make a folder in {}", self.functions.display()))
    }
}
