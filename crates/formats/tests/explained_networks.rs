//! Two dense networks are explained as the enumeration of all coalitions, and as fine integration, explain them.
//!
//! Made by `tests/fixtures/sampling/make.py`.

use std::fs;
use std::path::Path;

use hyaline_explain::gradients::{GradientSource, differences};
use hyaline_explain::{Explainer, Explanations, Method, OutputSpace, Predict, Request};
use hyaline_formats::{ImportOptions, import};
use hyaline_model::{Batch, Column, FeatureGroup, Model, ModelParts, Schema};
use serde_json::Value;

fn floats(values: &Value) -> Vec<f64> {
    let values = values.as_array().expect("numbers").iter();
    values.map(|x| x.as_f64().expect("a number")).collect()
}

fn batch(schema: &Schema, array: &Value) -> Batch {
    let values = floats(&array["data"]);
    let columns = (0..schema.len())
        .map(|feature| {
            let cells = values.iter().skip(feature).step_by(schema.len());
            Column::Numbers(cells.copied().collect())
        })
        .collect();
    Batch::new(schema, columns).expect("a batch of the schema")
}

struct Network {
    truth: Value,
    model: Model,
    rows: Batch,
}

fn network(name: &str) -> Network {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/sampling");
    let truth = fs::read(folder.join(format!("{name}.json"))).expect("the truth");
    let truth: Value = serde_json::from_slice(&truth).expect("JSON");
    let onnx = fs::read(folder.join(format!("{name}.onnx"))).expect("a network");
    let imported = import(&onnx, &ImportOptions::default()).expect("a network we run");
    let groups = truth["owen"]["groups"].as_array().into_iter().flatten();
    let groups = groups
        .enumerate()
        .map(|(at, group)| FeatureGroup {
            name: format!("group {at}"),
            features: floats(group).into_iter().map(|x| x as u32).collect(),
        })
        .collect();
    let background = batch(&imported.schema, &truth["background"]);
    let model = Model::new(ModelParts {
        background: Some(background),
        groups,
        ..ModelParts::new(
            name,
            imported.schema,
            imported.symbols,
            imported.graph,
            imported.head,
            imported.core,
        )
    })
    .expect("a model");
    let rows = batch(model.schema(), &truth["rows"]);
    Network { truth, model, rows }
}

impl Network {
    fn explain(&self, request: Request) -> Explanations {
        let explainer = Explainer::new(&self.model).expect("an explainer");
        let request = Request {
            space: Some(OutputSpace::Probability),
            ..request
        };
        explainer
            .explain(&self.model, &self.rows, request)
            .expect("an explanation")
    }
}

/// `|a − b| / |b|`.
fn distance(found: &[f64], exact: &[f64]) -> f64 {
    assert_eq!(found.len(), exact.len());
    let squares = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>();
    let apart = squares(&mut found.iter().zip(exact).map(|(a, b)| a - b));
    (apart / squares(&mut exact.iter().copied())).sqrt()
}

fn assert_adds_up(found: &Explanations) {
    let worst = found
        .residuals
        .iter()
        .fold(0.0, |most: f64, r| most.max(r.abs()));
    assert!(worst < 1e-9, "a residual of {worst}");
}

#[test]
fn without_being_asked_a_network_of_twenty_features_is_explained_by_leverage_within_its_errors() {
    let network = network("network20");
    let exact = floats(&network.truth["probability"]["values"]["data"]);
    let found = network.explain(Request::default());
    assert_eq!(
        (found.method, found.exact, found.seed),
        (Method::Leverage, false, Some(0))
    );
    assert_adds_up(&found);
    let error = distance(&found.attributions, &exact);
    assert!(error < 0.08, "a relative error of {error}");
    assert!(
        found.evaluations <= 3 * 31_000,
        "{} model rows",
        found.evaluations
    );
    let far = found
        .attributions
        .iter()
        .zip(&exact)
        .zip(&found.standard_errors)
        .filter(|((found, exact), error)| (*found - *exact).abs() > 2.0 * **error)
        .count();
    // One in twenty is expected beyond two standard errors.
    assert!(
        far <= 9,
        "{far} of 60 values are more than two standard errors off"
    );
}

#[test]
fn a_tolerance_buys_accuracy() {
    let network = network("network10");
    let exact = floats(&network.truth["probability"]["values"]["data"]);
    for method in [Method::Leverage, Method::Permutation] {
        let ask = |tolerance| {
            network.explain(Request {
                method: Some(method),
                tolerance: Some(tolerance),
                ..Request::default()
            })
        };
        let (loose, tight) = (ask(0.1), ask(0.02));
        assert!(loose.converged && tight.converged, "{method:?}");
        assert!(loose.evaluations < tight.evaluations, "{method:?}");
        let error = distance(&tight.attributions, &exact);
        assert!(error < 0.06, "{method:?}: a relative error of {error}");
    }
}

#[test]
fn few_coalitions_of_groups_give_exact_owen_values_and_more_are_sampled() {
    let network = network("network10");
    let exact = floats(&network.truth["owen"]["probability"]["data"]);
    let ask = |samples| {
        network.explain(Request {
            method: Some(Method::Owen),
            samples: Some(samples),
            ..Request::default()
        })
    };
    let found = ask(300);
    assert!(found.exact && found.standard_errors.is_empty() && found.seed.is_none());
    assert!(distance(&found.attributions, &exact) < 1e-5);
    assert_adds_up(&found);
    let sampled = ask(30);
    assert!(!sampled.exact && sampled.seed == Some(0));
    assert_adds_up(&sampled);
    let error = distance(&sampled.attributions, &exact);
    assert!((1e-4..0.25).contains(&error), "a relative error of {error}");
}

#[test]
fn integrated_gradients_agree_with_fine_integration() {
    for name in ["network10", "network20"] {
        let network = network(name);
        let exact = floats(&network.truth["gradients"]["probability"]["integrated"]["data"]);
        let found = network.explain(Request {
            method: Some(Method::IntegratedGradients),
            ..Request::default()
        });
        assert_eq!(found.gradient, Some(GradientSource::Backward), "{name}");
        let error = distance(&found.attributions, &exact);
        println!("{name}: {error}, residuals {:?}", found.residuals);
        assert!(error < 0.03, "{name}: a relative error of {error}");
        let worst = found
            .residuals
            .iter()
            .fold(0.0, |most: f64, r| most.max(r.abs()));
        assert!(worst < 0.02, "{name}: a residual of {worst}");
    }
}

#[test]
fn differences_give_the_slopes_of_the_backward_pass() {
    for name in ["network10", "network20"] {
        let network = network(name);
        let space = OutputSpace::Probability;
        let steps = vec![1e-3; network.model.schema().len()];
        let own = network
            .model
            .gradients(&network.rows, space, &steps)
            .unwrap();
        let taken = differences(network.model.schema(), &network.rows, &steps, &|batch| {
            network.model.answers(batch, space)
        })
        .unwrap();
        assert_eq!(own.source, GradientSource::Backward);
        assert_eq!(taken.source, GradientSource::FiniteDifference);
        assert_eq!(own.outputs, taken.outputs);
        let flat = |features: &[Vec<f64>]| features.concat();
        let error = distance(&flat(&taken.features), &flat(&own.features));
        assert!(error < 0.02, "{name}: {error}");
        // The truth is [rows, features, outputs], ours a list of [rows, outputs] per feature.
        let exact = floats(&network.truth["gradients"]["probability"]["gradient"]["data"]);
        let features = own.features.len();
        let turned: Vec<f64> = (0..3)
            .flat_map(|row| (0..features).map(move |feature| (row, feature)))
            .flat_map(|(row, feature)| {
                own.features[feature][row * own.outputs..][..own.outputs].to_vec()
            })
            .collect();
        assert!(distance(&turned, &exact) < 1e-4, "{name}");
    }
}
