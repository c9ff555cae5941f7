//! Damaged and hostile LightGBM and XGBoost files are refused, never trusted: an error, no panic.

use std::fs;
use std::path::Path;

use hyaline_formats::{ImportError, ImportOptions, import};
use hyaline_model::{Model, ModelParts};

const FILES: &[&str] = &[
    "lightgbm-4.7.0-categorical_strings_nan/model.txt",
    "lightgbm-4.7.0-zero_as_missing_nan/model.txt",
    "xgboost-3.4.1-categorical_strings/model.json",
    "xgboost-3.4.1-categorical_strings/model.ubj",
    "xgboost-3.4.1-multi_output_tree/model.ubj",
    "xgboost-3.4.1-gblinear_multi/model.json",
    "xgboost-2.0.3-dart_multi/model.ubj",
];

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/native")
        .join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Imports, and when that works makes a model of it and predicts its example row.
fn run(bytes: &[u8]) -> Result<(), String> {
    let imported = import(bytes, &ImportOptions::default()).map_err(|error| error.to_string())?;
    let parts = ModelParts {
        name: "hostile".to_owned(),
        version: "1".to_owned(),
        schema: imported.schema,
        symbols: imported.symbols,
        graph: imported.graph,
        head: imported.head,
        core: imported.core,
        positive: 0,
        explainer: hyaline_model::ExplainerSettings::default(),
        background: None,
        reference: None,
        groups: Vec::new(),
        conformity: None,
        card: "{}".to_owned(),
    };
    let model = Model::new(parts).map_err(|error| error.to_string())?;
    model
        .predict(&model.example())
        .map_err(|error| error.to_string())?;
    Ok(())
}

#[test]
fn refuses_a_truncated_file() {
    for name in FILES {
        let whole = fixture(name);
        run(&whole).unwrap_or_else(|error| panic!("{name}: {error}"));
        // Behind its trees a text model may end anywhere: that part is the library's log of its training.
        let trees_end = whole
            .windows(12)
            .position(|window| window == b"end of trees")
            .map(|at| at + 12);
        let must_fail = trees_end.unwrap_or(whole.len());
        for length in (0..whole.len())
            .step_by(37)
            .chain(whole.len() - 40..whole.len())
        {
            let answer = run(&whole[..length]);
            let ends_in_space = whole[length..].iter().all(u8::is_ascii_whitespace);
            assert!(
                answer.is_err() || length >= must_fail || ends_in_space,
                "{name} cut to {length} bytes was taken"
            );
        }
    }
}

#[test]
fn survives_flipped_bits() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for name in FILES {
        let whole = fixture(name);
        for _ in 0..400 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let mut damaged = whole.clone();
            let at = (state >> 20) as usize % whole.len();
            damaged[at] ^= 1 << (state >> 60 & 7);
            let _ = run(&damaged);
        }
    }
}

/// What `name` answers with the first `found` replaced by `replacement`.
fn edited(name: &str, found: &str, replacement: &str) -> String {
    let text = String::from_utf8(fixture(name)).expect("text");
    assert!(text.contains(found), "{name} has no `{found}`");
    match import(
        text.replacen(found, replacement, 1).as_bytes(),
        &ImportOptions::default(),
    ) {
        Ok(_) => "taken".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn names_what_is_wrong_in_a_lightgbm_file() {
    let plain =
        |found, replacement| edited("lightgbm-4.7.0-regression/model.txt", found, replacement);
    let categories = |found, replacement| {
        edited(
            "lightgbm-4.7.0-categorical_strings/model.txt",
            found,
            replacement,
        )
    };
    let checks = [
        (
            plain("version=v4", "version=v2"),
            "LightGBM model, header: not supported: version=v2: v3 and v4 are read; save the model again with LightGBM 3 or 4",
        ),
        (
            plain("max_feature_idx=5", "max_feature_idx=4000000000"),
            "LightGBM model, header: max_feature_idx=4000000000 with 6 feature_names",
        ),
        (
            plain(
                "num_tree_per_iteration=1",
                "num_tree_per_iteration=4000000000",
            ),
            "LightGBM model, header: num_tree_per_iteration=4000000000 does not divide the 8 trees",
        ),
        (
            plain("num_tree_per_iteration=1", "num_tree_per_iteration=0"),
            "LightGBM model, header: num_tree_per_iteration=0 does not divide the 8 trees",
        ),
        (
            plain("objective=regression", "objective=colour"),
            "LightGBM model, header: not supported: objective=colour: how it turns scores into predictions is not known",
        ),
        (
            plain("objective=regression", "objective=binary sigmoid:0"),
            "LightGBM model, header: objective=binary sigmoid:0: sigmoid is no positive number",
        ),
        (
            plain("objective=regression", "objective=multiclass"),
            "LightGBM model, header: objective=multiclass: at least two scores per row",
        ),
        (
            plain("num_leaves=8", "num_leaves=999999999"),
            "LightGBM model, tree 0: split_feature holds 7 numbers, expected 999999998",
        ),
        (
            plain("num_leaves=8", "num_leaves=0"),
            "LightGBM model, tree 0: num_leaves=0: a tree has at least one leaf",
        ),
        (
            plain("num_leaves=8", "num_leaves=-1"),
            "LightGBM model, tree 0: num_leaves=-1: not a number of its kind",
        ),
        (
            plain("left_child=", "left_child=0 "),
            "LightGBM model, tree 0: left_child holds 8 numbers, expected 7",
        ),
        (
            plain("leaf_value=", "leaf_value=nan "),
            "LightGBM model, tree 0: leaf_value holds 9 numbers, expected 8",
        ),
        (
            plain("Tree=1", "Tree=2"),
            "LightGBM model, after tree 1: `Tree=2` where `Tree=1` belongs",
        ),
        (
            plain("end of trees", ""),
            "LightGBM model, after tree 8: `feature_importances:` where `Tree=8` belongs",
        ),
        (
            categories("pandas_categorical:[", "pandas_categorical:[[\"x\"],"),
            "LightGBM model, pandas_categorical: not supported: 3 lists of categories for 2 categorical features; which belong together cannot be told. Train with every category column unordered and without other categorical_feature, or encode the columns to numbers first",
        ),
        (
            categories("pandas_categorical:[", "pandas_categorical:["),
            "taken",
        ),
        (
            categories("[categorical_feature: 0,1]", "[categorical_feature: 0,999]"),
            "LightGBM model, parameters: categorical_feature 999 of 6 features",
        ),
        (
            categories("cat_boundaries=0 ", "cat_boundaries=9 "),
            "LightGBM model, tree 0: cat_boundaries go down",
        ),
    ];
    let wrong: Vec<String> = checks
        .iter()
        .filter(|(found, expected)| found != expected)
        .map(|(found, expected)| format!("found    {found}\nexpected {expected}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn names_what_is_wrong_in_an_xgboost_file() {
    let plain =
        |found, replacement| edited("xgboost-3.4.1-squarederror/model.json", found, replacement);
    let multi = |found, replacement| {
        edited(
            "xgboost-3.4.1-multi_softprob/model.json",
            found,
            replacement,
        )
    };
    let checks = [
        (
            plain(
                "\"num_feature\":\"6\",\"num_target",
                "\"num_feature\":\"4000000000\",\"num_target",
            ),
            "XGBoost model, learner_model_param: not supported: num_feature is 4000000000; models of 1 to 65536 features are read",
        ),
        (
            plain(
                "\"num_feature\":\"6\",\"num_target",
                "\"num_feature\":\"many\",\"num_target",
            ),
            "XGBoost model, learner_model_param: num_feature is `many`, not a count",
        ),
        (
            plain("\"num_target\":\"1\"", "\"num_target\":\"4000000000\""),
            "XGBoost model, learner_model_param: 4000000000 outputs, more than the model has numbers for",
        ),
        (
            plain("\"reg:squarederror\"", "\"reg:colour\""),
            "XGBoost model: not supported: objective `reg:colour`: how it turns margins into predictions is not known",
        ),
        (
            plain("\"reg:squarederror\"", "\"multi:softprob\""),
            "XGBoost model, learner_model_param: num_class is 0 with objective `multi:softprob`",
        ),
        (
            plain("\"name\":\"gbtree\"", "\"name\":\"gbforest\""),
            "XGBoost model, gradient_booster: not supported: booster `gbforest`",
        ),
        (
            plain("\"left_children\":[1,", "\"left_children\":[0,"),
            "XGBoost model, tree 0: node 0 is reached twice, so the nodes are no tree",
        ),
        (
            plain("\"left_children\":[1,", "\"left_children\":[999,"),
            "XGBoost model, tree 0: node 999 does not exist, the table has 15",
        ),
        (
            plain("\"left_children\":[1,", "\"left_children\":[-7,"),
            "XGBoost model, tree 0: node 0 has the child -7",
        ),
        (
            plain("\"left_children\":[", "\"left_children\":[1,"),
            "XGBoost model, tree 0: right_children has 15 entries, left_children 16",
        ),
        (
            plain("\"split_indices\":[", "\"split_indices\":[1e9,"),
            "XGBoost model (JSON): ",
        ),
        (
            plain("\"tree_info\":[0,", "\"tree_info\":[7,"),
            "XGBoost model, tree 0: it adds to output 7 of 1",
        ),
        (
            plain("\"tree_info\":[0,", "\"tree_info\":["),
            "XGBoost model, gradient_booster: 8 trees and 7 entries of tree_info",
        ),
        (
            multi("\"num_class\":\"3\"", "\"num_class\":\"2\""),
            "XGBoost model, base_score: 3 numbers for 2 outputs",
        ),
        (
            edited(
                "xgboost-3.4.1-binary_logistic/model.json",
                "\"base_score\":\"[",
                "\"base_score\":\"[1",
            ),
            "XGBoost model, base_score: base_score ",
        ),
    ];
    let wrong: Vec<String> = checks
        .iter()
        .filter(|(found, expected)| {
            if expected.ends_with(' ') {
                !found.starts_with(expected)
            } else {
                found != expected
            }
        })
        .map(|(found, expected)| format!("found    {found}\nexpected {expected}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn tells_invalid_from_unsupported() {
    let linear = import(
        &fixture("lightgbm-4.7.0-linear_tree/model.txt"),
        &ImportOptions::default(),
    );
    assert!(
        matches!(linear, Err(ImportError::Unsupported { .. })),
        "{linear:?}"
    );
    let nothing = import(b"", &ImportOptions::default());
    assert!(
        matches!(nothing, Err(ImportError::Invalid { .. })),
        "{nothing:?}"
    );
}

#[test]
fn takes_names_and_labels_from_the_options() {
    let names: Vec<String> = (0..6).map(|index| format!("feature {index}")).collect();
    let options = ImportOptions {
        feature_names: names.clone(),
        labels: vec!["bad".to_owned(), "good".to_owned()],
        ..ImportOptions::default()
    };
    let imported = import(&fixture("lightgbm-4.7.0-binary/model.txt"), &options).expect("a model");
    let found: Vec<&str> = imported
        .schema
        .features()
        .iter()
        .map(|feature| feature.name.as_str())
        .collect();
    assert_eq!(found, names);
    assert_eq!(imported.symbols.len(), 2);
    let options = ImportOptions {
        labels: vec!["only".to_owned()],
        ..ImportOptions::default()
    };
    let refused =
        import(&fixture("lightgbm-4.7.0-binary/model.txt"), &options).expect_err("one label");
    assert_eq!(
        refused.to_string(),
        "LightGBM model: 1 labels given for 2 classes"
    );
}
