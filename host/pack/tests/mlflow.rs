//! MLflow model folders, packed with the embedded engine: predictions are those of `mlflow.pyfunc`'s libraries.

use std::fs;
use std::path::{Path, PathBuf};

use hyaline_pack::recipe::{Function, Recipe, Source};
use hyaline_pack::{Inputs, Packed, pack};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/mlflow")
        .join(name)
}

fn recipe(name: &str) -> Recipe {
    Recipe {
        function: Function {
            name: name.to_owned(),
            ..Function::default()
        },
        model: Source {
            path: fixture(name),
            ..Source::default()
        },
        ..Recipe::default()
    }
}

#[test]
fn every_flavour_answers_as_its_library_does() {
    for name in [
        "catboost",
        "lightgbm",
        "onnx",
        "several_flavours",
        "sklearn_with_onnx",
        "xgboost",
    ] {
        let recipe = recipe(name);
        let inputs = Inputs::read(&recipe).unwrap_or_else(|error| panic!("{error}"));
        let Packed { card, report, .. } =
            pack(&recipe, &inputs, &mut |_| {}).unwrap_or_else(|error| {
                panic!("{name}: {error}: {:?}", std::error::Error::source(&error))
            });
        let expected: Value = serde_json::from_slice(
            &fs::read(fixture(name).join("expected.json")).expect("the answers"),
        )
        .expect("JSON");
        let kinds: Vec<(&str, &str)> = card
            .features
            .iter()
            .map(|feature| (&*feature.name, &*feature.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                ("length", "number"),
                ("width", "number"),
                ("weight", "number"),
                ("doors", "integer")
            ],
            "{name}"
        );
        let golden = card.golden.expect("golden rows");
        assert_eq!(serde_json::json!(golden.rows), expected["rows"], "{name}");
        let answers = golden.answers.predictions.expect("predictions");
        let positive: Vec<f64> = answers
            .values
            .iter()
            .skip(1)
            .step_by(2)
            .map(|value| value.0)
            .collect();
        let expected = expected["predicted"].as_array().expect("a list");
        assert_eq!(positive.len(), expected.len(), "{name}");
        for (found, expected) in positive.iter().zip(expected) {
            let expected = expected.as_f64().expect("a number");
            assert!(
                (found - expected).abs() <= 1e-6,
                "{name}: {found}, expected {expected}"
            );
        }
        assert!(
            report
                .notes
                .iter()
                .any(|note| note.contains("MLflow flavour") || note.contains("ONNX form")),
            "{name}: {:?}",
            report.notes
        );
    }
}

#[test]
fn a_folder_without_a_readable_flavour_is_refused() {
    let error = Inputs::read(&recipe("sklearn")).expect_err("a pickle");
    let said = error.to_string();
    assert!(
        said.contains("the flavour `sklearn` is a pickle, which runs code when it is opened"),
        "{said}"
    );
}
