//! What `cargo xtask bench` passes.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// Where things are, and which parts to run.
pub struct Arguments {
    /// The release build of the `hyaline` command.
    pub hyaline: PathBuf,
    /// The repository.
    pub repository: PathBuf,
    /// Directory of the packed demonstration functions.
    pub functions: PathBuf,
    /// A Python that has the rivals of `benches/rivals/requirements.txt`.
    pub python: PathBuf,
    /// A Python that has the rivals of `benches/rivals/requirements-local.txt`; without one they are not measured.
    pub local: Option<PathBuf>,
    /// Directory with the models that `benches/rivals/make_models.py` made.
    pub models: PathBuf,
    /// Where the table goes.
    pub output: PathBuf,
    parts: Vec<String>,
}

impl Arguments {
    /// Reads `--name value` pairs; every other word is a part to run.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Arguments> {
        let (mut hyaline, mut repository, mut functions, mut python, mut models, mut output) =
            (None, None, None, None, None, None);
        let mut local = None;
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
                "--output" => &mut output,
                "functions" | "cold" | "rows" | "networks" | "sampling" | "local" | "http" => {
                    parts.push(word);
                    continue;
                }
                _ => bail!(
                    "`{word}` is no part; the parts are functions, cold, rows, networks, sampling, local, http"
                ),
            };
            *slot = Some(PathBuf::from(
                words
                    .next()
                    .with_context(|| format!("{word} needs a value"))?,
            ));
        }
        Ok(Arguments {
            hyaline: hyaline.context("--hyaline is missing")?,
            repository: repository.context("--repository is missing")?,
            functions: functions.context("--functions is missing")?,
            python: python.context("--python is missing")?,
            local,
            models: models.context("--models is missing")?,
            output: output.context("--output is missing")?,
            parts,
        })
    }

    /// Whether a part is to run; all are when none is named.
    pub fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}
