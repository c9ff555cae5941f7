//! Every model of `tests/fixtures/catboost` answers as CatBoost does: raw scores, predictions, labels, attributions.

use std::fs;
use std::path::{Path, PathBuf};

use hyaline_explain::trees::TreeExplainer;
use hyaline_formats::{ImportError, ImportOptions, Imported, import};
use hyaline_model::{Batch, Column, Core, Feature, FeatureKind, Head, Label, Model, ModelParts};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/catboost")
}

fn model_file(name: &str) -> Vec<u8> {
    let path = fixtures().join(name).join("model.json");
    fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The cases that CatBoost answered for.
fn cases() -> Vec<(String, Value)> {
    let entries = fs::read_dir(fixtures()).expect("the fixtures");
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    folders.sort();
    let mut cases = Vec::new();
    for folder in folders {
        if let Ok(bytes) = fs::read(folder.join("io.json")) {
            let name = folder.file_name().expect("a name").to_string_lossy();
            let io = serde_json::from_slice(&bytes).expect("JSON");
            cases.push((name.into_owned(), io));
        }
    }
    assert!(cases.len() > 30, "{} cases", cases.len());
    cases
}

/// The texts of the categories, as reference data would tell them.
fn options(io: &Value) -> ImportOptions {
    let texts = |column: &Value| {
        let list = column["categories"].as_array().cloned().unwrap_or_default();
        list.iter().map(text_of).collect()
    };
    let columns = io["columns"].as_array().expect("columns");
    ImportOptions {
        categories: columns
            .iter()
            .map(|column| (text_of(&column["name"]), texts(column)))
            .collect(),
        ..ImportOptions::default()
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Null => f64::NAN,
        Value::String(text) => text.parse().expect("inf or -inf"),
        other => other.as_f64().expect("a number"),
    }
}

fn block(value: &Value) -> Option<Vec<f64>> {
    Some(value["data"].as_array()?.iter().map(number).collect())
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
    Model::new(ModelParts::new(
        "fixture", schema, symbols, graph, head, core,
    ))
    .expect("a consistent model")
}

fn batch(model: &Model, columns: &Value) -> Batch {
    let column = |(column, feature): (&Value, &Feature)| {
        assert_eq!(column["name"].as_str(), Some(&*feature.name));
        let data = column["data"].as_array().expect("data");
        match feature.kind {
            FeatureKind::Category(_) => Column::Symbols(
                data.iter()
                    .map(|text| model.symbols().symbol(&text_of(text)))
                    .collect(),
            ),
            _ => Column::Numbers(data.iter().map(number).collect()),
        }
    };
    let columns = columns.as_array().expect("columns").iter();
    let columns = columns.zip(model.schema().features()).map(column).collect();
    Batch::new(model.schema(), columns).expect("a batch of the schema")
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
        |largest, gap| {
            if gap <= largest { largest } else { gap }
        },
    )
}

fn shown(label: &Label) -> String {
    match label {
        Label::Integer(number) => number.to_string(),
        Label::Text(text) => text.clone(),
    }
}

fn check(name: &str, io: &Value) -> Result<(), String> {
    let imported =
        import(&model_file(name), &options(io)).map_err(|error| format!("refused: {error}"))?;
    let model =
        Model::from_image(&model(imported).to_image()).map_err(|error| error.to_string())?;
    let rows = batch(&model, &io["columns"]);
    let answers = model.predict(&rows).map_err(|error| error.to_string())?;
    let margins = gap(&answers.margins, &block(&io["raw"]).expect("raw scores"));
    let predicted = gap(
        &answers.values,
        &block(&io["predicted"]).expect("predictions"),
    );
    if margins.max(predicted) > 1e-12 {
        return Err(format!(
            "margins differ by {margins:e}, predictions by {predicted:e}"
        ));
    }
    if let (Head::Classification { labels, .. }, Some(expected)) =
        (&model.parts().head, io["labels"].as_array())
    {
        let found: Vec<String> = answers
            .labels
            .iter()
            .map(|&label| shown(&labels[label as usize]))
            .collect();
        let expected: Vec<String> = expected.iter().map(text_of).collect();
        if found != expected {
            return Err(format!("labels are {found:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

#[test]
fn predictions_and_labels_are_the_library_s() {
    let failures: Vec<String> = cases()
        .iter()
        .filter_map(|(name, io)| {
            let reason = check(name, io).err()?;
            Some(format!("{name}: {reason}"))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The table `[rows, outputs, features + 1]` as `[rows, features, outputs]`, and its base values.
fn attributions(table: &Value) -> Option<(Vec<f64>, Vec<f64>)> {
    let numbers = block(table)?;
    let shape = table["shape"].as_array()?;
    let [rows, outputs, width] =
        [0, 1, 2].map(|axis| shape[axis].as_u64().expect("an extent") as usize);
    let at = |row: usize, output: usize, feature: usize| {
        numbers[(row * outputs + output) * width + feature]
    };
    let mut values = Vec::new();
    for row in 0..rows {
        for feature in 0..width - 1 {
            values.extend((0..outputs).map(|output| at(row, output, feature)));
        }
    }
    let base = (0..outputs)
        .map(|output| at(0, output, width - 1))
        .collect();
    Some((values, base))
}

const TABLE_BYTES: usize = 1 << 24;

/// Attributions and base values, path-dependent or against the background of the case.
fn explained(name: &str, io: &Value, interventional: bool) -> Result<(Vec<f64>, Vec<f64>), String> {
    let imported = import(&model_file(name), &options(io)).map_err(|error| error.to_string())?;
    let model = model(imported);
    let (Some(trees), Core::Additive { column_feature, .. }) =
        (model.core_trees(), &model.parts().core)
    else {
        return Err("no trees".to_owned());
    };
    let encode = |key: &str| {
        let rows = batch(&model, &io[key]);
        model.encode(&rows).map_err(|error| error.to_string())
    };
    let features = model.schema().len();
    let explainer = if interventional {
        let background = encode("background")?;
        TreeExplainer::interventional(trees, column_feature, features, &background, TABLE_BYTES)
    } else {
        TreeExplainer::path_dependent(trees, column_feature, features, TABLE_BYTES)
    };
    let explainer = explainer.map_err(|error| error.to_string())?;
    let rows = encode("columns")?;
    let count = rows.len() / trees.columns();
    let mut found = vec![0.0; count * features * trees.outputs()];
    explainer.explain(&rows, &mut found);
    Ok((found, explainer.base_values().to_vec()))
}

fn compare(interventional: bool, tables: &[&str]) {
    let mut failures = Vec::new();
    for (name, io) in cases() {
        let table = tables
            .iter()
            .find_map(|key| attributions(&io[*key]))
            .unwrap_or_else(|| panic!("{name} has none of {tables:?}"));
        match explained(&name, &io, interventional) {
            Ok((values, base)) => {
                let gap = gap(&values, &table.0).max(gap(&base, &table.1));
                if gap.is_nan() || gap > 1e-6 {
                    failures.push(format!("{name}: attributions differ by {gap:e}"));
                }
            }
            Err(reason) => failures.push(format!("{name}: {reason}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// `defined` stands where the library refuses, or strays from the definition in the row of a leaf without training rows.
#[test]
fn path_dependent_attributions_are_the_library_s() {
    compare(false, &["defined", "path_dependent"]);
}

#[test]
fn interventional_attributions_are_those_of_all_coalitions() {
    compare(true, &["interventional"]);
}

fn refusal(name: &str, options: &ImportOptions) -> String {
    import(&model_file(name), options)
        .expect_err("a refusal")
        .to_string()
}

#[test]
fn what_cannot_be_run_exactly_is_refused_with_the_way_out() {
    let plain = ImportOptions::default();
    let colours = ImportOptions {
        categories: vec![("colour".to_owned(), vec!["red".to_owned()])],
        ..ImportOptions::default()
    };
    let checks = [
        (
            refusal("refused_ctr", &plain),
            "CatBoost model, feature `colour`: not supported: statistics of the target per category (CTRs); train with \
             one_hot_max_size=255 when no feature has more categories than that, or encode the categories to numbers \
             before the model, e.g. by scikit-learn's TargetEncoder in a pipeline exported to ONNX",
        ),
        (
            refusal("refused_uncertainty", &plain),
            "CatBoost model, model_info: not supported: loss_function `RMSEWithUncertainty`: it predicts a mean and a \
             variance, two numbers of different kinds; train with loss_function=\"RMSE\" and let pack measure the \
             uncertainty on held-out rows",
        ),
        (
            refusal("refused_threshold", &plain),
            "CatBoost model, model_info: not supported: binclass_probability_threshold is 0.3; save the model with \
             `model.set_probability_threshold(0.5)` and decide by the probability",
        ),
        (
            refusal("logloss_one_hot", &colours),
            "CatBoost model, feature `colour`: not supported: the file holds categories as hashes, and 1 of the 1 that its \
             trees ask for belong to no text that is known; pack with reference data that has every category of the \
             column, or list them in the recipe: [features.\"colour\"] categories = […]",
        ),
        (
            import(b"CBM1\x70\x1c\0\0", &plain)
                .expect_err("a refusal")
                .to_string(),
            "CatBoost model (.cbm): not supported: the binary format; load the model in Python and save it with \
             `model.save_model(\"model.json\", format=\"json\")`",
        ),
    ];
    for (said, words) in checks {
        assert_eq!(said, words);
    }
}

/// What `name` answers with the first `found` replaced by `replacement`.
fn edited(name: &str, found: &str, replacement: &str) -> String {
    let text = String::from_utf8(model_file(name)).expect("text");
    assert!(text.contains(found), "{name} has no `{found}`");
    let text = text.replacen(found, replacement, 1);
    match import(text.as_bytes(), &ImportOptions::default()) {
        Ok(_) => "taken".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn names_what_is_wrong_in_a_file() {
    let checks = [
        (
            edited("rmse", "\"type\": \"RMSE\"", "\"type\": \"Guess\""),
            "CatBoost model, model_info: not supported: loss_function `Guess`: how it turns scores into predictions is \
             not known",
        ),
        (
            edited("rmse", "\"type\": \"RMSE\"", "\"kind\": \"RMSE\""),
            "CatBoost model, model_info: it names no loss_function, so how scores become predictions is not known",
        ),
        (
            edited(
                "rmse",
                "\"float_feature_index\": 0",
                "\"float_feature_index\": 9",
            ),
            "CatBoost model, tree 0: float feature 9 of 4 is split",
        ),
        (
            edited(
                "rmse",
                "\"leaf_values\": [",
                "\"leaf_values\": [1, 2, 3, 4, 5, 6, 7, 8, ",
            ),
            "CatBoost model, tree 1: 8 leaf_values for 3 splits and 2 outputs",
        ),
        (
            edited("rmse", "\"leaf_weights\": [", "\"leaf_weights\": [1, "),
            "CatBoost model, tree 0: 9 leaf_weights for 8 leaves",
        ),
        (
            edited("rmse", "\"FloatFeature\"", "\"OnlineCtr\""),
            "CatBoost model, tree 0: a split of type `OnlineCtr` with the keys of no split that is known",
        ),
        (
            edited(
                "rmse",
                "\"flat_feature_index\": 1",
                "\"flat_feature_index\": 0",
            ),
            "CatBoost model, features_info: flat_feature_index 0 is taken, or not below 4",
        ),
        (
            edited("rmse", "\"oblivious_trees\"", "\"no_trees\""),
            "CatBoost model, oblivious_trees: 0 oblivious trees and 0 other trees, expected trees of one kind",
        ),
        (
            edited("multiclass_text_labels", "\"high\", ", ""),
            "CatBoost model, class_params: 2 class_names for 3 classes",
        ),
        (
            edited("depthwise", "\"right\"", "\"gone\""),
            "CatBoost model, tree 0: a node is neither a split with two sides nor a leaf",
        ),
        (
            edited(
                "rmse",
                "\"float_features\"",
                "\"text_features\": [{\"feature_id\": \"review\", \"flat_feature_index\": 4}], \"float_features\"",
            ),
            "CatBoost model, feature `review`: not supported: text features; turn it into numbers before the model, e.g. \
             by a TfidfVectorizer in a scikit-learn pipeline exported to ONNX",
        ),
    ];
    for (said, words) in checks {
        assert_eq!(said, words);
    }
}

#[test]
fn a_damaged_file_is_refused_and_none_panics() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for name in ["multiclass", "lossguide_multiclass", "rmse_sum"] {
        let whole = model_file(name);
        for length in (0..whole.len() - 1).step_by(41) {
            assert!(
                import(&whole[..length], &ImportOptions::default()).is_err(),
                "{name} cut to {length} bytes was taken"
            );
        }
        for _ in 0..400 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let mut damaged = whole.clone();
            let at = (state >> 20) as usize % whole.len();
            damaged[at] ^= 1 << (state >> 60 & 7);
            match import(&damaged, &ImportOptions::default()) {
                Ok(imported) => {
                    let model = model(imported);
                    model.predict(&model.example()).expect("a prediction");
                }
                Err(
                    ImportError::Invalid { place, .. } | ImportError::Unsupported { place, .. },
                ) => {
                    assert!(
                        place.starts_with("CatBoost")
                            || place == "model file"
                            || place.starts_with("XGBoost"),
                        "{place}"
                    );
                }
            }
        }
    }
}
