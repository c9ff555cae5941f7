//! Every model of `tests/fixtures/native` answers as its own library does: raw scores, predictions, labels, attributions.

use std::fs;
use std::path::{Path, PathBuf};

use hyaline_formats::{ImportOptions, Imported, import};
use hyaline_model::{Batch, Column, Feature, FeatureKind, Head, Model, ModelParts, Schema, Symbols};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/native")
}

/// A model file of a case, and what the library answered.
struct Case {
    name: String,
    model: Vec<u8>,
    io: Value,
}

/// Every model file, LightGBM text, XGBoost JSON and XGBoost UBJSON alike.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let entries = fs::read_dir(fixtures()).expect("the fixtures");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    for folder in folders.iter().filter(|folder| folder.join("io.json").exists()) {
        let io: Value = serde_json::from_slice(&fs::read(folder.join("io.json")).expect("answers")).expect("JSON");
        for file in ["model.txt", "model.json", "model.ubj"] {
            if let Ok(model) = fs::read(folder.join(file)) {
                let folder = folder.file_name().expect("a name").to_string_lossy().into_owned();
                cases.push(Case { name: format!("{folder}/{file}"), model, io: io.clone() });
            }
        }
    }
    assert!(cases.len() > 100, "{} model files", cases.len());
    cases
}

/// Cases that are refused, and the words.
const REFUSED: &[(&str, &str)] = &[(
    "-linear_tree/",
    "LightGBM model, tree 0: not supported: linear trees (is_linear=1) have no exact explanation and are not run; train \
     with linear_tree=false",
)];

fn refusal(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(part, _)| name.contains(part)).map(|(_, words)| *words)
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Null => f64::NAN,
        Value::String(text) => text.parse().expect("inf or -inf"),
        other => other.as_f64().expect("a number"),
    }
}

fn block(io: &Value, key: &str) -> Option<Vec<f64>> {
    Some(io[key]["data"].as_array()?.iter().map(number).collect())
}

fn batch(schema: &Schema, symbols: &Symbols, columns: &Value) -> Batch {
    let column = |(column, feature): (&Value, &Feature)| {
        let list = |key: &str| column[key].as_array();
        let data = list("data").expect("data");
        match feature.kind {
            FeatureKind::Category(_) => {
                Column::Symbols(data.iter().map(|text| symbols.symbol(text.as_str().unwrap_or(""))).collect())
            }
            // Versions of XGBoost whose files do not keep the texts take the codes.
            _ => Column::Numbers(list("codes").unwrap_or(data).iter().map(number).collect()),
        }
    };
    let columns = columns.as_array().expect("columns").iter().zip(schema.features()).map(column).collect();
    Batch::new(schema, columns).expect("a batch of the schema")
}

fn model(imported: Imported) -> Model {
    let Imported { schema, symbols, graph, head, core, .. } = imported;
    Model::new(ModelParts {
        name: "fixture".to_owned(),
        version: "1".to_owned(),
        schema,
        symbols,
        graph,
        head,
        core,
        positive: 1,
        background: None,
        card: "{}".to_owned(),
    })
    .expect("a consistent model")
}

/// The largest difference, relative to the larger of 1 and the expected value.
fn gap(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let gaps = found.iter().zip(expected).map(|(found, expected)| {
        if found == expected { 0.0 } else { (found - expected).abs() / expected.abs().max(1.0) }
    });
    gaps.fold(0.0, |largest, gap| if gap <= largest { largest } else { gap })
}

/// LightGBM calculates in f64 like us; XGBoost rounds to f32 after every tree.
fn tolerance(name: &str) -> f64 {
    if name.starts_with("lightgbm") { 1e-12 } else { 1e-5 }
}

/// LightGBM's raw scores and contributions of a random forest are sums over its 8 iterations; ours are the averages its
/// predictions are made of.
fn iterations(name: &str) -> f64 {
    if name.starts_with("lightgbm") && name.contains("-random_forest") { 8.0 } else { 1.0 }
}

fn check(case: &Case) -> Result<(), String> {
    let imported = match (import(&case.model, &ImportOptions::default()), refusal(&case.name)) {
        (Ok(imported), None) => imported,
        (Err(error), Some(words)) if error.to_string() == words => return Ok(()),
        (Ok(_), Some(words)) => return Err(format!("imported, expected the refusal: {words}")),
        (Err(error), _) => return Err(format!("refused: {error}")),
    };
    let model = model(imported);
    let model = Model::from_image(&model.to_image()).map_err(|error| error.to_string())?;
    let rows = batch(model.schema(), model.symbols(), &case.io["columns"]);
    let answers = model.predict(&rows).map_err(|error| error.to_string())?;
    let tolerance = tolerance(&case.name);
    let mut raw = block(&case.io, "raw").expect("raw scores");
    raw.iter_mut().for_each(|raw| *raw /= iterations(&case.name));
    let margins = gap(&answers.margins, &raw);
    let predicted = block(&case.io, "predicted").expect("predictions");
    let values = match &model.parts().head {
        Head::Classification { .. } if case.name.contains("softmax") || case.name.contains("hinge") => {
            answers.labels.iter().map(|&label| f64::from(label)).collect()
        }
        Head::Classification { labels, .. } if labels.len() == 2 && answers.outputs == 2 => {
            answers.values.chunks_exact(2).map(|pair| pair[1]).collect()
        }
        _ => answers.values.clone(),
    };
    let values = gap(&values, &predicted);
    if !(margins <= tolerance && values <= tolerance) {
        return Err(format!("margins differ by {margins:e}, predictions by {values:e}"));
    }
    Ok(())
}

#[test]
fn predictions_are_the_library_s() {
    let failures: Vec<String> = cases()
        .iter()
        .filter_map(|case| check(case).err().map(|reason| format!("{}: {reason}", case.name)))
        .collect();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}
