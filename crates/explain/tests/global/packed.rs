//! The models of `models/`, imported with their reference rows.

use hyaline_formats::{ImportOptions, import};
use hyaline_model::{Batch, Column, FeatureKind, Head, Label, Model, ModelParts};
use serde_json::Value;

/// A model, its reference rows and what was observed for them.
pub struct Packed {
    pub model: Model,
    pub rows: Batch,
    pub answers: Vec<f64>,
}

fn root(path: &str) -> String {
    format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Vec<u8> {
    let path = root(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A fixture.
pub fn fixture(path: &str) -> Value {
    serde_json::from_slice(&read(&format!("tests/fixtures/{path}"))).expect("fixtures are JSON")
}

pub fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

/// The model `name` (a classifier), the last column of whose reference data is the observed label.
pub fn packed(name: &str) -> Packed {
    let table = String::from_utf8(read(&format!("models/{name}/reference.csv"))).expect("UTF-8");
    let mut lines = table
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let lines: Vec<Vec<&str>> = lines.collect();
    let mut labels: Vec<&str> = lines.iter().map(|line| line[header.len() - 1]).collect();
    let observed = labels.clone();
    labels.sort_unstable();
    labels.dedup();
    let options = ImportOptions {
        feature_names: header[..header.len() - 1]
            .iter()
            .map(|name| name.to_string())
            .collect(),
        labels: labels.iter().map(|label| label.to_string()).collect(),
        ..ImportOptions::default()
    };
    let imported = import(&read(&format!("models/{name}/model.onnx")), &options).expect("imported");
    let parts = ModelParts::new(
        name,
        imported.schema,
        imported.symbols,
        imported.graph,
        imported.head,
        imported.core,
    );
    let labels = match &parts.head {
        Head::Classification { labels, .. } => labels.clone(),
        Head::Regression { .. } => panic!("{name} is no classifier"),
    };
    let columns = parts.schema.features().iter().map(|feature| {
        let at = header
            .iter()
            .position(|name| *name == feature.name)
            .expect("the column is there");
        let cells = lines.iter().map(|line| line[at]);
        match feature.kind {
            FeatureKind::Category(_) => {
                Column::Symbols(cells.map(|cell| parts.symbols.symbol(cell)).collect())
            }
            _ => Column::Numbers(cells.map(|cell| cell.parse().expect("a number")).collect()),
        }
    });
    let rows = Batch::new(&parts.schema, columns.collect()).expect("the columns fit");
    let answers = observed.iter().map(|label| {
        let label = Label::Text(label.to_string());
        labels
            .iter()
            .position(|known| *known == label)
            .expect("a known label") as f64
    });
    let made = Packed {
        answers: answers.collect(),
        model: Model::new(parts).expect("the model is sound"),
        rows,
    };
    assert_eq!(
        made.answers.len(),
        made.rows.rows(),
        "an answer for every row"
    );
    made
}
