//! (c) Prediction and exact TreeSHAP per row in the sandbox, beside the libraries people use.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyaline_runtime::model::{Column, Options};
use hyaline_runtime::{Engine, EngineConfig, Function, Limits, Policy};
use serde_json::Value;

use crate::arguments::Arguments;
use crate::clock::median_us;
use crate::report::{Report, ratio, us};
use crate::rival;

/// A model of `index.json`.
struct Bench<'a> {
    arguments: &'a Arguments,
    entry: Value,
    name: String,
}

/// What is measured of a model.
const WHAT: [&str; 3] = ["predict", "path-dependent", "interventional"];

/// Measures every model of `benches/rivals/make_models.py`.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let index = std::fs::read_to_string(arguments.models()?.join("index.json"))
        .context("read index.json")?;
    let index: Value = serde_json::from_str(&index)?;
    let scripts = arguments.repository.join("benches/rivals");
    let mut rivals = rival::run(
        arguments.python()?,
        &scripts.join("predict.py"),
        &[arguments.models()?],
    )?;
    rivals.extend(rival::run(
        arguments.python()?,
        &scripts.join("explain.py"),
        &[arguments.models()?],
    )?);
    report.section(
        "Per row, in the sandbox, one thread (prediction goal: no slower than onnxruntime)",
        &[
            "model",
            "what",
            "rows per call",
            "ours",
            "max difference",
            "rivals (their time, our speed-up)",
        ],
    );
    for entry in index["models"]
        .as_array()
        .context("the index lists models")?
    {
        let name = entry["name"]
            .as_str()
            .context("a model has a name")?
            .to_owned();
        let bench = Bench {
            arguments,
            entry: entry.clone(),
            name,
        };
        for what in WHAT {
            bench
                .measure(what, &rivals, report)
                .with_context(|| format!("{} {what}", bench.name))?;
        }
    }
    Ok(())
}

impl Bench<'_> {
    fn measure(&self, what: &str, rivals: &[Value], report: &mut Report) -> Result<()> {
        let function = self.pack(what)?;
        let one = self.matrix("rows_one")?;
        let many = self.matrix("rows_many")?;
        let difference = self.difference(&function, what, &one)?;
        let mut instance = function.instance()?;
        let options = Options::default();
        for (rows, count) in [(&one, 1), (&many, 1000)] {
            let batches: Vec<Vec<Column>> = if count == 1 {
                (0..rows.count)
                    .map(|row| rows.columns(row..row + 1))
                    .collect()
            } else {
                vec![rows.columns(0..rows.count)]
            };
            let mut next = 0;
            let mut failed = None;
            let budget = Duration::from_secs(2);
            let per_call = median_us(3, budget, || {
                let batch = &batches[next % batches.len()];
                next += 1;
                let done = if what == "predict" {
                    instance.predict(batch).map(drop)
                } else {
                    instance.explain(batch, &options).map(drop)
                };
                failed = done.err().or(failed.take());
            });
            if let Some(error) = failed {
                return Err(error.into());
            }
            let ours = per_call / f64::from(count);
            let beside = self.beside(what, count, ours, rivals);
            report.row(&[
                self.name.clone(),
                what.to_owned(),
                count.to_string(),
                us(ours),
                format!("{difference:.1e}"),
                beside,
            ]);
        }
        Ok(())
    }

    /// What the rivals said of the same work.
    fn beside(&self, what: &str, rows: u32, ours: f64, rivals: &[Value]) -> String {
        let mut text = String::new();
        for rival in rivals
            .iter()
            .filter(|rival| rival["model"] == self.name.as_str() && rival["what"] == what)
        {
            let library = rival["library"].as_str().unwrap_or("?");
            let Some(time) = rival["us_per_row"].as_f64() else {
                continue;
            };
            let single = rival["rows"].as_u64() == Some(1);
            if single == (rows == 1) {
                let separator = if text.is_empty() { "" } else { "; " };
                // Writing to a string cannot fail.
                let _ = write!(
                    text,
                    "{separator}{library} {} ({})",
                    us(time),
                    ratio(time, ours)
                );
            }
        }
        text
    }

    /// Packs the model so that explanations are of the wanted kind: native files carry covers, a background makes them
    /// interventional.
    fn pack(&self, what: &str) -> Result<Function> {
        let native = self.entry["native"].as_str();
        let file = native
            .or(self.entry["onnx"].as_str())
            .context("a model has a file")?;
        let output = self
            .arguments
            .models()?
            .join(format!("{}-{what}.wasm", self.name));
        let mut command = Command::new(&self.arguments.hyaline);
        command
            .arg("pack")
            .arg(self.arguments.models()?.join(file))
            .args(["--name", &self.name])
            .arg("-o")
            .arg(&output);
        if what == "interventional" || native.is_none() {
            command
                .arg("--data")
                .arg(self.background_csv()?)
                .args(["--background", "100"]);
        }
        if what == "path-dependent" && native.is_none() {
            command.args(["--method", "path-dependent"]);
        }
        let packed = command
            .output()
            .with_context(|| format!("start {}", self.arguments.hyaline.display()))?;
        if !packed.status.success() {
            bail!(
                "packing {} failed:\n{}",
                self.name,
                String::from_utf8_lossy(&packed.stderr)
            );
        }
        let bytes = std::fs::read(&output).with_context(|| format!("read {}", output.display()))?;
        let engine = Engine::new(EngineConfig {
            cache: None,
            ..EngineConfig::default()
        })?;
        let limits = Limits {
            deadline: Duration::from_secs(120),
            ..Limits::default()
        };
        Ok(Function::load(
            &engine,
            &self.name,
            &bytes,
            Policy {
                limits,
                ..Policy::default()
            },
        )?)
    }

    /// The background as a CSV file with one column per feature.
    fn background_csv(&self) -> Result<PathBuf> {
        let background = self.matrix("background")?;
        let mut text = (0..background.width)
            .map(|column| format!("f{column}"))
            .collect::<Vec<_>>()
            .join(",");
        for row in background.values.chunks_exact(background.width) {
            let cells: Vec<String> = row.iter().map(f64::to_string).collect();
            text.push('\n');
            text.push_str(&cells.join(","));
        }
        let path = self
            .arguments
            .models()?
            .join(format!("{}.background.csv", self.name));
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// Largest difference from the reference: the library's margins, or `shap`'s values.
    fn difference(&self, function: &Function, what: &str, one: &Matrix) -> Result<f64> {
        let (ours, truth) = if what == "predict" {
            let many = self.matrix("rows_many")?;
            (
                function.predict(&many.columns(0..many.count))?.margins,
                self.matrix("margin")?.values,
            )
        } else {
            let options = Options::default();
            let explained = function.explain(&one.columns(0..one.count), &options)?;
            if what == "path-dependent" && self.entry["native"].is_null() {
                // The covers are counted from data, not those of training: another game, so no reference.
                let worst = explained
                    .residuals
                    .iter()
                    .fold(0.0f64, |worst, residual| worst.max(residual.abs()));
                return Ok(worst);
            }
            (
                explained.attributions,
                self.matrix(&what.replace('-', "_"))?.values,
            )
        };
        if ours.len() != truth.len() {
            bail!("{} numbers, the reference has {}", ours.len(), truth.len());
        }
        Ok(ours
            .iter()
            .zip(&truth)
            .fold(0.0, |worst, (a, b)| worst.max((a - b).abs())))
    }

    /// A matrix of the index: raw, little-endian, row-major.
    fn matrix(&self, key: &str) -> Result<Matrix> {
        let about = &self.entry[key];
        let file = about["file"]
            .as_str()
            .with_context(|| format!("{key} has a file"))?;
        let shape: Vec<usize> = about["shape"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .map(|extent| extent as usize)
            .collect();
        let bytes = std::fs::read(self.arguments.models()?.join(Path::new(file)))
            .with_context(|| format!("read {file}"))?;
        let values: Vec<f64> = match about["dtype"].as_str() {
            Some("<f4") => bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| f64::from(f32::from_le_bytes(*b)))
                .collect(),
            Some("<f8") => bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| f64::from_le_bytes(*b))
                .collect(),
            other => bail!("{key} has the type {other:?}"),
        };
        Ok(Matrix {
            count: shape[0],
            width: shape.get(1).copied().unwrap_or(1),
            values,
        })
    }
}

struct Matrix {
    count: usize,
    width: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// Rows as one column per feature.
    fn columns(&self, rows: std::ops::Range<usize>) -> Vec<Column> {
        let cell = |row: usize, column: usize| self.values[row * self.width + column];
        (0..self.width)
            .map(|column| Column::Numbers(rows.clone().map(|row| cell(row, column)).collect()))
            .collect()
    }
}
