//! Values of the parts of an input: tokens of texts, segments of images.

mod images;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};

use hyaline_formats::{ImportOptions, import};
use hyaline_model::{Model, ModelParts};
use serde_json::Value;

/// A path from the root of the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(path(name)).expect("a file")).expect("JSON")
}

/// The lines of a file of JSON texts.
fn lines(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(path(name)).expect("a file");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The model in `file`, which explanations of two classes say of the second.
fn model(file: &str) -> Model {
    let bytes = fs::read(path(file)).expect("a model");
    let imported = import(&bytes, &ImportOptions::default()).expect("a model that runs");
    let parts = ModelParts::new(
        "case",
        imported.schema,
        imported.symbols,
        imported.graph,
        imported.head,
        imported.core,
    );
    Model::new(parts).expect("a model")
}

fn numbers(values: &Value) -> Vec<f64> {
    match values {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().expect("a number")],
    }
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= tolerance,
            "{what}, number {at}: {found}, expected {expected}"
        );
    }
}
