//! Error of the sampled Shapley values against exact ones, by model rows spent: `cargo run --release -p hyaline-bench
//! --bin sampling [tests/fixtures/sampling]`.
//!
//! For each estimator and budget: the relative L2 error of the attributions of a row (mean over rows and seeds), the ratio
//! of the errors to what the stated standard errors predict (root mean square; 1 is perfect, above 1 they promise too much),
//! and the time of one explanation in this process.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use hyaline_explain::{Explainer, Method, OutputSpace, Predict, Request};
use hyaline_formats::ImportOptions;
use hyaline_model::{Batch, Column, Model, ModelParts};
use serde_json::Value;

/// Coalitions times background rows is the budget in model rows.
const SAMPLES: [u32; 6] = [40, 100, 200, 500, 1000, 2088];

const SEEDS: u64 = 8;

fn main() -> Result<()> {
    let folder = std::env::args()
        .nth(1)
        .map_or_else(|| PathBuf::from("tests/fixtures/sampling"), PathBuf::from);
    for name in ["network10", "network20"] {
        measure(&folder, name).with_context(|| name.to_owned())?;
    }
    Ok(())
}

fn measure(folder: &Path, name: &str) -> Result<()> {
    let truth: Value =
        serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json")))?)?;
    let onnx = std::fs::read(folder.join(format!("{name}.onnx")))?;
    let imported = hyaline_formats::import(&onnx, &ImportOptions::default())?;
    let parts = ModelParts {
        background: Some(batch(&imported.schema, &truth["background"])?),
        ..ModelParts::new(
            name,
            imported.schema,
            imported.symbols,
            imported.graph,
            imported.head,
            imported.core,
        )
    };
    let model = Model::new(parts)?;
    let rows = batch(model.schema(), &truth["rows"])?;
    let exact = floats(&truth["probability"]["values"]["data"])?;
    let explainer = Explainer::new(&model)?;
    println!(
        "\n{name}: {} features, default method {:?}\n",
        model.schema().len(),
        explainer.default_method()
    );
    let many: Vec<usize> = (0..4096).map(|row| row % rows.rows()).collect();
    let many = rows.select(&many);
    let start = Instant::now();
    let times = 20;
    for _ in 0..times {
        model.answers(&many, OutputSpace::Probability)?;
    }
    let per_row = start.elapsed().as_secs_f64() * 1e6 / (times * many.rows()) as f64;
    println!("The model alone takes {per_row:.2} µs per row.\n");
    println!("| method | samples | model rows | relative L2 error | error / stated | ms per row |");
    println!("|---|---|---|---|---|---|");
    for method in Method::ALL
        .into_iter()
        .filter(|&method| method.is_sampled() && method != Method::Owen)
    {
        for samples in SAMPLES {
            line(&model, &explainer, &rows, &exact, method, samples)?;
        }
    }
    Ok(())
}

fn line(
    model: &Model,
    explainer: &Explainer,
    rows: &Batch,
    exact: &[f64],
    method: Method,
    samples: u32,
) -> Result<()> {
    let mut error = 0.0;
    let (mut squares, mut variances) = (0.0, 0.0);
    let mut evaluations = 0;
    let start = Instant::now();
    for seed in 0..SEEDS {
        let request = Request {
            method: Some(method),
            space: Some(OutputSpace::Probability),
            seed,
            samples: Some(samples),
            tolerance: None,
        };
        let found = explainer.explain(model, rows, request)?;
        evaluations = found.evaluations / found.rows as u64;
        let width = found.features * found.outputs;
        for row in 0..found.rows {
            let range = row * width..(row + 1) * width;
            let distance: f64 = found.attributions[range.clone()]
                .iter()
                .zip(&exact[range.clone()])
                .map(|(found, exact)| (found - exact).powi(2))
                .sum();
            let length: f64 = exact[range.clone()].iter().map(|value| value * value).sum();
            error += (distance / length).sqrt() / (SEEDS as f64 * found.rows as f64);
            squares += distance;
            variances += found.standard_errors[range]
                .iter()
                .map(|error| error * error)
                .sum::<f64>();
        }
    }
    let elapsed = start.elapsed().as_secs_f64() * 1e3 / (SEEDS as f64 * rows.rows() as f64);
    println!(
        "| {} | {samples} | {evaluations} | {:.4} | {:.2} | {elapsed:.1} |",
        method.name(),
        error,
        (squares / variances).sqrt(),
    );
    Ok(())
}

fn batch(schema: &hyaline_model::Schema, array: &Value) -> Result<Batch> {
    let values = floats(&array["data"])?;
    let width = schema.len();
    let columns = (0..width)
        .map(|feature| {
            Column::Numbers(
                values
                    .iter()
                    .skip(feature)
                    .step_by(width)
                    .copied()
                    .collect(),
            )
        })
        .collect();
    Ok(Batch::new(schema, columns)?)
}

fn floats(values: &Value) -> Result<Vec<f64>> {
    values
        .as_array()
        .context("an array of numbers")?
        .iter()
        .map(|value| value.as_f64().context("a number"))
        .collect()
}
