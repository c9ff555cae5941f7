//! Every model of `tests/fixtures/native` answers as its own library does: raw scores, predictions, labels, attributions.

use std::fs;
use std::path::{Path, PathBuf};

use hyaline_explain::trees::TreeExplainer;
use hyaline_formats::{ImportOptions, Imported, import};
use hyaline_model::{
    Batch, Column, Core, Feature, FeatureKind, Head, Model, ModelParts, Schema, Symbols,
};
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
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    folders.sort();
    for folder in folders
        .iter()
        .filter(|folder| folder.join("io.json").exists())
    {
        let io: Value = serde_json::from_slice(&fs::read(folder.join("io.json")).expect("answers"))
            .expect("JSON");
        for file in ["model.txt", "model.json", "model.ubj"] {
            if let Ok(model) = fs::read(folder.join(file)) {
                let folder = folder
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned();
                cases.push(Case {
                    name: format!("{folder}/{file}"),
                    model,
                    io: io.clone(),
                });
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
    REFUSED
        .iter()
        .find(|(part, _)| name.contains(part))
        .map(|(_, words)| *words)
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
            FeatureKind::Category(_) => Column::Symbols(
                data.iter()
                    .map(|text| symbols.symbol(text.as_str().unwrap_or("")))
                    .collect(),
            ),
            // Versions of XGBoost whose files do not keep the texts take the codes.
            _ => Column::Numbers(list("codes").unwrap_or(data).iter().map(number).collect()),
        }
    };
    let columns = columns
        .as_array()
        .expect("columns")
        .iter()
        .zip(schema.features())
        .map(column)
        .collect();
    Batch::new(schema, columns).expect("a batch of the schema")
}

fn model(imported: Imported) -> Model {
    let Imported {
        schema,
        symbols,
        graph,
        head,
        core,
        ..
    } = imported;
    Model::new(ModelParts {
        name: "fixture".to_owned(),
        version: "1".to_owned(),
        schema,
        symbols,
        graph,
        head,
        core,
        positive: 1,
        explainer: hyaline_model::ExplainerSettings::default(),
        background: None,
        reference: None,
        groups: Vec::new(),
        conformity: None,
        card: "{}".to_owned(),
    })
    .expect("a consistent model")
}

/// The largest difference, relative to the larger of 1 and the expected value.
fn gap(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let gaps = found.iter().zip(expected).map(|(found, expected)| {
        if found == expected {
            0.0
        } else {
            (found - expected).abs() / expected.abs().max(1.0)
        }
    });
    gaps.fold(
        0.0,
        |largest, gap| if gap <= largest { largest } else { gap },
    )
}

/// LightGBM calculates in f64 like us; XGBoost rounds to f32 after every tree.
fn tolerance(name: &str) -> f64 {
    if name.starts_with("lightgbm") {
        1e-12
    } else {
        1e-5
    }
}

/// LightGBM's raw scores and contributions of a random forest are sums over its 8 iterations; ours are the averages its
/// predictions are made of.
fn iterations(name: &str) -> f64 {
    if name.starts_with("lightgbm") && name.contains("-random_forest") {
        8.0
    } else {
        1.0
    }
}

fn check(case: &Case) -> Result<(), String> {
    let imported = match (
        import(&case.model, &ImportOptions::default()),
        refusal(&case.name),
    ) {
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
    raw.iter_mut()
        .for_each(|raw| *raw /= iterations(&case.name));
    let margins = gap(&answers.margins, &raw);
    let predicted = block(&case.io, "predicted").expect("predictions");
    let values = match &model.parts().head {
        Head::Classification { .. }
            if case.name.contains("softmax") || case.name.contains("hinge") =>
        {
            answers
                .labels
                .iter()
                .map(|&label| f64::from(label))
                .collect()
        }
        Head::Classification { labels, .. } if labels.len() == 2 && answers.outputs == 2 => {
            answers.values.chunks_exact(2).map(|pair| pair[1]).collect()
        }
        _ => answers.values.clone(),
    };
    let values = gap(&values, &predicted);
    if !(margins <= tolerance && values <= tolerance) {
        return Err(format!(
            "margins differ by {margins:e}, predictions by {values:e}"
        ));
    }
    Ok(())
}

#[test]
fn predictions_are_the_library_s() {
    let failures: Vec<String> = cases()
        .iter()
        .filter_map(|case| {
            check(case)
                .err()
                .map(|reason| format!("{}: {reason}", case.name))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// The table `[rows, outputs, features + 1]` of the library, reordered to `[rows, features, outputs]`, and its base
/// values; `None` where the library refused.
fn attributions(case: &Case, key: &str) -> Option<(Vec<f64>, Vec<f64>)> {
    let table = block(&case.io, key)?;
    let shape: Vec<usize> = case.io[key]["shape"]
        .as_array()?
        .iter()
        .map(|n| n.as_u64().expect("an extent") as usize)
        .collect();
    let [rows, outputs, width] = shape[..] else {
        panic!("{key} has the shape {shape:?}")
    };
    let scale = iterations(&case.name);
    let at = |row: usize, output: usize, feature: usize| {
        table[(row * outputs + output) * width + feature] / scale
    };
    let mut values = Vec::new();
    for row in 0..rows {
        for feature in 0..width - 1 {
            values.extend((0..outputs).map(|output| at(row, output, feature)));
        }
    }
    Some((
        values,
        (0..outputs)
            .map(|output| at(0, output, width - 1))
            .collect(),
    ))
}

/// Difference of our attributions from the library's, path-dependent or against its background.
fn attribution_gap(case: &Case, interventional: bool) -> Result<Option<f64>, String> {
    let key = if interventional {
        "interventional"
    } else {
        "path_dependent"
    };
    let (Some((expected, base)), None) = (attributions(case, key), refusal(&case.name)) else {
        return Ok(None);
    };
    let model =
        model(import(&case.model, &ImportOptions::default()).map_err(|error| error.to_string())?);
    let (Some(trees), Core::Additive { column_feature, .. }) =
        (model.core_trees(), &model.parts().core)
    else {
        return Ok(None);
    };
    let encode = |key: &str| {
        let rows = batch(model.schema(), model.symbols(), &case.io[key]);
        model.encode(&rows).map_err(|error| error.to_string())
    };
    let features = model.schema().len();
    let explainer = if interventional {
        TreeExplainer::interventional(
            trees,
            column_feature,
            features,
            &encode("background")?,
            TABLE_BYTES,
        )
    } else {
        TreeExplainer::path_dependent(trees, column_feature, features, TABLE_BYTES)
    };
    let explainer = explainer.map_err(|error| error.to_string())?;
    let mut found = vec![0.0; expected.len()];
    explainer.explain(&encode("columns")?, &mut found);
    Ok(Some(
        gap(&found, &expected).max(gap(explainer.base_values(), &base)),
    ))
}

const TABLE_BYTES: usize = 1 << 24;

fn compare_attributions(interventional: bool) {
    let mut compared = 0;
    let mut failures = Vec::new();
    for case in cases() {
        match attribution_gap(&case, interventional) {
            Ok(None) => {}
            Ok(Some(gap)) if gap <= 1e-5 => compared += 1,
            Ok(Some(gap)) => {
                failures.push(format!("{}: attributions differ by {gap:e}", case.name))
            }
            Err(reason) => failures.push(format!("{}: {reason}", case.name)),
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(compared > 150, "only {compared} models were compared");
}

#[test]
fn path_dependent_attributions_are_the_library_s() {
    compare_attributions(false);
}

#[test]
fn interventional_attributions_are_those_of_all_coalitions() {
    compare_attributions(true);
}

/// Trees of `xgboost-3.4.1-squarederror` with these attributes beside them, and what the importer says of that.
fn with_attributes(attributes: &str) -> (usize, Vec<String>) {
    let path = fixtures().join("xgboost-3.4.1-squarederror/model.json");
    let text = fs::read_to_string(path).expect("a model");
    let edited = text.replacen(
        "\"attributes\":{}",
        &format!("\"attributes\":{{{attributes}}}"),
        1,
    );
    let imported = import(edited.as_bytes(), &ImportOptions::default()).expect("a model");
    let notes = imported.notes.clone();
    (
        model(imported)
            .core_trees()
            .expect("trees")
            .parts()
            .roots
            .len(),
        notes,
    )
}

#[test]
fn a_scikit_learn_model_stops_at_its_best_iteration() {
    let stopped =
        "early stopping: the first 3 of 8 trees count, as in the scikit-learn interface".to_owned();
    assert_eq!(
        with_attributes(r#""best_iteration":"2","scikit_learn":"{}""#),
        (3, vec![stopped])
    );
    let whole =
        "early stopping: all trees count, as in Booster.predict without iteration_range".to_owned();
    assert_eq!(with_attributes(r#""best_iteration":"2""#), (8, vec![whole]));
    assert_eq!(with_attributes(""), (8, Vec::new()));
}
