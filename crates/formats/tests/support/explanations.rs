//! The models of `tests/fixtures/explain` are explained as the enumeration of all coalitions over ONNX Runtime does.

use std::fs;
use std::path::Path;

use hyaline_explain::{Explainer, Explanations, Method, OutputSpace, Request};
use hyaline_formats::{ImportOptions, import};
use hyaline_model::{Model, ModelParts};
use serde_json::Value;

use super::{batch, fixtures, model, number};

/// Rows explained; the rest is the background.
const EXPLAINED: usize = 4;

/// The model with the background of the case.
fn with_background(bytes: &[u8], io: &Value) -> Result<Model, String> {
    let plain =
        model(import(bytes, &ImportOptions::default()).map_err(|error| error.to_string())?)?;
    let rows = batch(&plain, io);
    let rest: Vec<usize> = (EXPLAINED..rows.rows()).collect();
    let parts = ModelParts {
        background: Some(rows.select(&rest)),
        positive: 1.min(plain.labels().len() as u32),
        ..plain.clone().into_parts()
    };
    Model::new(parts).map_err(|error| error.to_string())
}

fn check(case: &Value, model: &Model, explanations: &Explanations) -> Result<(), String> {
    let list = |value: &Value| {
        value
            .as_array()
            .expect("a list")
            .iter()
            .map(number)
            .collect::<Vec<_>>()
    };
    let (base, values) = (list(&case["base"]), list(&case["values"]["data"]));
    // Of two classes we explain the positive one.
    let outputs = base.len();
    let chosen = |index: usize| {
        outputs == explanations.outputs || index % outputs == model.parts().positive as usize
    };
    let pick = |all: Vec<f64>| {
        all.into_iter()
            .enumerate()
            .filter(|(index, _)| chosen(*index))
            .map(|(_, value)| value)
            .collect::<Vec<_>>()
    };
    for (what, ours, truth) in [
        ("base", &explanations.base_values, pick(base)),
        ("value", &explanations.attributions, pick(values)),
    ] {
        if ours.len() != truth.len() {
            return Err(format!("{} numbers, expected {}", ours.len(), truth.len()));
        }
        for (index, (ours, truth)) in ours.iter().zip(&truth).enumerate() {
            if (ours - truth).abs() > 1e-5 * truth.abs().max(1.0) {
                return Err(format!(
                    "{:?}: {what} {index} is {ours}, expected {truth}",
                    explanations.method
                ));
            }
        }
    }
    Ok(())
}

/// Enumeration in the answer's own unit, and the exact method of the model wherever it speaks in that unit, too.
fn run(case: &Value, bytes: &[u8], io: &Value) -> Result<usize, String> {
    let model = with_background(bytes, io)?;
    let explainer = Explainer::new(&model).map_err(|error| error.to_string())?;
    let rows = batch(&model, io).select(&(0..EXPLAINED).collect::<Vec<_>>());
    let ask = |method| {
        let request = Request {
            method: Some(method),
            space: Some(OutputSpace::Probability),
            ..Request::default()
        };
        explainer
            .explain(&model, &rows, request)
            .map_err(|error| error.to_string())
    };
    check(case, &model, &ask(Method::Enumeration)?)?;
    let mut exact = 0;
    for method in [Method::Interventional, Method::Linear] {
        if let Ok(explanations) = ask(method) {
            check(case, &model, &explanations)?;
            exact += 1;
        }
    }
    Ok(exact)
}

#[test]
fn attributions_equal_the_enumeration_over_onnx_runtime() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/explain");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    let (mut failures, mut exact) = (Vec::new(), 0);
    for file in &files {
        let case: Value = serde_json::from_slice(&fs::read(file).expect("a case")).expect("JSON");
        let name = case["case"].as_str().expect("a name");
        let onnx = fixtures().join(name);
        let io = serde_json::from_slice(&fs::read(onnx.join("io.json")).expect("answers"))
            .expect("JSON");
        match run(
            &case,
            &fs::read(onnx.join("model.onnx")).expect("a model"),
            &io,
        ) {
            Ok(methods) => exact += methods,
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} fail:\n{}",
        failures.len(),
        files.len(),
        failures.join("\n")
    );
    assert!(
        exact >= 28,
        "only {exact} models are explained by trees or in closed form in the unit of their answer"
    );
}

/// Models whose estimator the importer puts together itself, by the method that explains them.
const REWRITTEN: &[(&str, Method)] = &[
    ("bagging_feature_subsets", Method::Interventional),
    ("bagging_regressor", Method::Interventional),
    ("bagging_regressor_feature_subsets", Method::Linear),
    ("bernoulli_nb", Method::Linear),
    ("linear_regression_double", Method::Linear),
    ("logistic_double", Method::Linear),
    ("mlp_identity_multi", Method::Linear),
    ("pls_regression", Method::Linear),
    ("sgd_classifier_hinge_multi", Method::Linear),
    ("tweedie_regressor", Method::Linear),
    ("xgboost_poisson", Method::Interventional),
];

#[test]
fn rewritten_models_are_explained_as_all_their_coalitions_are() {
    let mut failures = Vec::new();
    for &(name, method) in REWRITTEN {
        let folder = fixtures().join(name);
        let io: Value = serde_json::from_slice(&fs::read(folder.join("io.json")).expect("answers"))
            .expect("JSON");
        let model = with_background(&fs::read(folder.join("model.onnx")).expect("a model"), &io)
            .expect("a model");
        let rows = batch(&model, &io).select(&(0..EXPLAINED).collect::<Vec<_>>());
        let explainer = Explainer::new(&model).expect("an explainer");
        let ask = |method, space| {
            explainer
                .explain(
                    &model,
                    &rows,
                    Request {
                        method,
                        space,
                        ..Request::default()
                    },
                )
                .expect("explanations")
        };
        let found = ask(None, None);
        let counted = ask(Some(Method::Enumeration), Some(found.space));
        let numbers = |explanations: &Explanations| {
            [
                explanations.base_values.clone(),
                explanations.attributions.clone(),
            ]
            .concat()
        };
        let (ours, truth) = (numbers(&found), numbers(&counted));
        // The residuals tell whether the predictions fit, too.
        let scale = truth
            .iter()
            .fold(1.0, |largest: f64, number| largest.max(number.abs()));
        let close = ours.len() == truth.len()
            && ours
                .iter()
                .zip(&truth)
                .all(|(a, b)| (a - b).abs() <= 1e-6 * scale);
        if found.method != method
            || !close
            || found
                .residuals
                .iter()
                .any(|residual| residual.abs() > 1e-6 * scale)
        {
            failures.push(format!(
                "{name}: {:?} {ours:?}, residuals {:?}, expected {truth:?}",
                found.method, found.residuals
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
