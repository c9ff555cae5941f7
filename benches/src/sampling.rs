//! (f) Sampled Shapley values of a network in the sandbox: error against exact values and time, beside shap and shapiq.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyaline_runtime::model::{Column, Options, Space};
use hyaline_runtime::{Engine, EngineConfig, Function, Instance, Limits, Policy};
use serde_json::Value;

use crate::arguments::Arguments;
use crate::clock::median_us;
use crate::report::{Report, ratio, us};
use crate::rival;

const FEATURES: usize = 20;

/// Draws of every estimator: the error is a mean over rows and seeds.
const SEEDS: u64 = 5;

/// Our estimators and the coalitions each may draw.
const OURS: [(&str, &[u32]); 5] = [
    ("leverage", &[150, 300, 500, 1000, 2088]),
    ("kernel", &[500, 1000, 2088]),
    ("permutation", &[500, 1000, 2088]),
    ("auto", &[0]),
    ("integrated-gradients", &[0]),
];

/// What shap does unless it is told otherwise; every time is compared with it.
const PEER: &str = "KernelExplainer";

/// Packs the network with its background, then asks for every row with several seeds.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let fixtures = arguments.repository.join("tests/fixtures/sampling");
    let truth = std::fs::read_to_string(fixtures.join("network20.json"))?;
    let truth: Value = serde_json::from_str(&truth)?;
    let rows = numbers(&truth["rows"]["data"])?;
    let exact = numbers(&truth["probability"]["values"]["data"])?;
    let integrated = numbers(&truth["gradients"]["probability"]["integrated"]["data"])?;
    let function = pack(
        arguments,
        &fixtures,
        &numbers(&truth["background"]["data"])?,
    )?;
    let mut instance = function.instance()?;

    let script = arguments.repository.join("benches/rivals/sampling.py");
    let rivals = rival::run(arguments.python()?, &script, &[])?;
    let peer = rivals
        .iter()
        .find(|line| line["what"] == PEER && line["runtime"] == "onnxruntime")
        .with_context(|| format!("the rivals print `{PEER}`"))?;
    let peer_us = peer["us_per_row"].as_f64().context("a time")?;
    let peer_error = peer["relative_error"].as_f64().context("an error")?;

    report.section(
        "Sampled Shapley values: 20 features, 100 background rows, a 20-64-64-1 network; ours in the sandbox",
        &[
            "estimator",
            "model rows",
            "relative error",
            "time per row",
            "faster than shap's default",
            "more accurate than it",
        ],
    );
    for (method, budgets) in OURS {
        for &samples in budgets {
            let options = |seed| Options {
                method: (method != "auto").then(|| method.to_owned()),
                space: Some(Space::Probability),
                seed: Some(seed),
                samples: (samples > 0).then_some(samples),
                ..Options::default()
            };
            // Integrated gradients are another quantity; their truth is the exact path integral.
            let truth = if method == "integrated-gradients" {
                &integrated
            } else {
                &exact
            };
            let measured = estimate(&mut instance, &rows, truth, options)
                .with_context(|| format!("{method}, {samples} coalitions"))?;
            report.row(&[
                format!("ours, {method}"),
                measured.evaluations.to_string(),
                format!("{:.2} %", 100.0 * measured.error),
                us(measured.us),
                ratio(peer_us, measured.us),
                ratio(peer_error, measured.error),
            ]);
        }
    }
    for line in &rivals {
        let (Some(what), Some(time), Some(error)) = (
            line["what"].as_str(),
            line["us_per_row"].as_f64(),
            line["relative_error"].as_f64(),
        ) else {
            continue;
        };
        let coalitions = line["coalitions"].as_u64().unwrap_or(0);
        report.row(&[
            format!(
                "{}, {what} ({})",
                line["library"].as_str().unwrap_or("?"),
                line["runtime"].as_str().unwrap_or("?")
            ),
            (coalitions * 100).to_string(),
            format!("{:.2} %", 100.0 * error),
            us(time),
            ratio(peer_us, time),
            ratio(peer_error, error),
        ]);
    }
    Ok(())
}

struct Measured {
    /// Mean over rows and seeds of ‖φ̂ − φ‖₂ / ‖φ‖₂.
    error: f64,
    /// Median time of one row.
    us: f64,
    /// Rows that the network answered for one.
    evaluations: u64,
}

fn estimate(
    instance: &mut Instance,
    rows: &[f64],
    truth: &[f64],
    options: impl Fn(u64) -> Options,
) -> Result<Measured> {
    let batches: Vec<Vec<Column>> = rows
        .chunks_exact(FEATURES)
        .map(|row| row.iter().map(|&x| Column::Numbers(vec![x])).collect())
        .collect();
    let (mut errors, mut evaluations) = (Vec::new(), 0);
    for (batch, truth) in batches.iter().zip(truth.chunks_exact(FEATURES)) {
        for seed in 0..SEEDS {
            let answer = instance.explain(batch, &options(seed))?;
            let distance = |pairs: &mut dyn Iterator<Item = (f64, f64)>| {
                pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
            };
            let off = distance(
                &mut answer
                    .attributions
                    .iter()
                    .copied()
                    .zip(truth.iter().copied()),
            );
            let scale = distance(&mut truth.iter().map(|&x| (x, 0.0)));
            errors.push(off / scale);
            evaluations = answer.evaluations;
        }
    }
    let (mut next, mut failed) = (0, None);
    let us = median_us(5, Duration::from_secs(2), || {
        let batch = &batches[next % batches.len()];
        failed = instance
            .explain(batch, &options(next as u64))
            .err()
            .or(failed.take());
        next += 1;
    });
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(Measured {
            error: errors.iter().sum::<f64>() / errors.len() as f64,
            us,
            evaluations,
        }),
    }
}

fn numbers(data: &Value) -> Result<Vec<f64>> {
    let list = data.as_array().context("a list of numbers")?;
    list.iter()
        .map(|value| value.as_f64().context("a number"))
        .collect()
}

/// The network of the fixtures as a function, its background rows as reference data.
fn pack(arguments: &Arguments, fixtures: &Path, background: &[f64]) -> Result<Function> {
    let data = arguments.models()?.join("network20.csv");
    let mut csv = (0..FEATURES)
        .map(|feature| format!("x{feature}"))
        .collect::<Vec<_>>()
        .join(",");
    csv.push('\n');
    for row in background.chunks_exact(FEATURES) {
        let cells: Vec<String> = row.iter().map(f64::to_string).collect();
        writeln!(csv, "{}", cells.join(","))?;
    }
    std::fs::write(&data, csv).with_context(|| format!("write {}", data.display()))?;
    let output: PathBuf = arguments.models()?.join("network20.wasm");
    let packed = Command::new(&arguments.hyaline)
        .arg("pack")
        .arg(fixtures.join("network20.onnx"))
        .args(["--name", "network20", "--data"])
        .arg(&data)
        .arg("-o")
        .arg(&output)
        .output()
        .with_context(|| format!("start {}", arguments.hyaline.display()))?;
    if !packed.status.success() {
        bail!(
            "packing network20 failed:\n{}",
            String::from_utf8_lossy(&packed.stderr)
        );
    }
    let bytes = std::fs::read(&output).with_context(|| format!("read {}", output.display()))?;
    let engine = Engine::new(EngineConfig {
        cache: None,
        ..EngineConfig::default()
    })?;
    let policy = Policy {
        limits: Limits {
            deadline: Duration::from_secs(3600),
            ..Limits::default()
        },
        ..Policy::default()
    };
    Ok(Function::load(&engine, "network20", &bytes, policy)?)
}
