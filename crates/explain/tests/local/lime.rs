//! LIME beside the Python package `lime`.

use hyaline_explain::{
    Lime, LimeRequest, Moments, OutputSpace, ReferenceStatistics, ReferenceView, Rule, Selection,
    lime,
};
use hyaline_model::{Batch, Column, FeatureKind, Label};
use serde_json::Value;

use crate::black_box::{BlackBox, category, integer, number, truth};
use crate::packed::{Packed, fixture, numbers, packed};

fn explained(model: &BlackBox, reference: &[Vec<f64>], row: &[f64], request: LimeRequest) -> Lime {
    let rows = model.batch(reference);
    let statistics = ReferenceStatistics::new(model, &model.symbols, &rows).expect("answers");
    let view = ReferenceView {
        rows: &rows,
        statistics: &statistics,
    };
    lime(model, view, &model.batch(&[row.to_vec()]), 0, request).expect("answers")
}

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs().max(1.0),
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn the_linear_model_is_that_of_lime() {
    let vectors = fixture("local/ridge.json");
    for (at, case) in vectors["cases"]
        .as_array()
        .expect("cases")
        .iter()
        .enumerate()
    {
        let samples: Vec<Vec<f64>> = case["samples"]
            .as_array()
            .expect("a list")
            .iter()
            .map(numbers)
            .collect();
        let (weights, answers) = (numbers(&case["weights"]), numbers(&case["answers"]));
        let components = samples[0].len();
        let present = |sample: &[f64]| -> Vec<(u32, f32)> {
            let present = sample
                .iter()
                .enumerate()
                .filter(|(_, value)| **value != 0.0);
            present
                .map(|(at, &value)| (at as u32, value as f32))
                .collect()
        };
        let mut moments = Moments::new(components, 1);
        for ((sample, &weight), &answer) in samples.iter().zip(&weights).zip(&answers) {
            moments.add(weight, &present(sample), &[answer]);
        }
        let centred = moments.centred();
        let own: Vec<f32> = samples[0].iter().map(|&value| value as f32).collect();
        for fit in case["fits"].as_array().expect("fits") {
            let count = fit["count"].as_u64().expect("a count") as usize;
            let selection = match fit["method"].as_str() {
                Some("none") => Selection::All,
                _ => Selection::Best(count),
            };
            let found = centred.fit(0, selection, &own);
            let what = format!("case {at}, {} {count}", fit["method"]);
            let chosen: Vec<usize> = numbers(&fit["chosen"])
                .into_iter()
                .map(|at| at as usize)
                .collect();
            assert_eq!(found.components, chosen, "{what}");
            for (weight, expected) in found.weights.iter().zip(numbers(&fit["coefficients"])) {
                close(*weight, expected, 1e-9, &what);
            }
            let number = |key: &str| fit[key].as_f64().expect("a number");
            close(found.intercept, number("intercept"), 1e-9, &what);
            close(found.fidelity, number("score"), 1e-9, &what);
            close(found.answer(&own), number("prediction"), 1e-9, &what);
        }
        let all = centred.fit(0, Selection::All, &own);
        let mut scores = Moments::new(components, 0);
        for ((sample, &weight), &answer) in samples.iter().zip(&weights).zip(&answers) {
            let sample = present(sample);
            let point: Vec<f32> = (0..components as u32)
                .map(|at| {
                    sample
                        .iter()
                        .find(|(other, _)| *other == at)
                        .map_or(0.0, |(_, value)| *value)
                })
                .collect();
            let score = weight * (answer - all.answer(&point));
            scores.add(score * score, &sample, &[]);
        }
        let errors = centred.standard_errors(&all, &scores);
        for (error, expected) in errors.into_iter().zip(numbers(&case["robust"])) {
            close(error, expected, 1e-9, &format!("case {at}, standard error"));
        }
    }
}

/// The row of a case as a batch.
pub fn row(packed: &Packed, row: &Value) -> Batch {
    let schema = packed.model.schema();
    let columns = schema.features().iter().map(|feature| {
        let value = &row[&feature.name];
        match feature.kind {
            FeatureKind::Category(_) => {
                let text = value.as_str().expect("a text");
                Column::Symbols(vec![packed.model.symbols().symbol(text)])
            }
            _ => Column::Numbers(vec![value.as_f64().expect("a number")]),
        }
    });
    Batch::new(schema, columns.collect()).expect("the columns fit")
}

/// Seeds of ours that are averaged.
const SEEDS: u64 = 6;

#[test]
fn weights_are_those_of_lime_up_to_the_luck_of_the_draw() {
    let mut compared = 0;
    for name in ["credit", "wine", "breast-cancer"] {
        let packed = packed(name);
        let vectors = fixture(&format!("local/lime_{name}.json"));
        let statistics =
            ReferenceStatistics::new(&packed.model, packed.model.symbols(), &packed.rows);
        let statistics = statistics.expect("the model answers its reference rows");
        let view = ReferenceView {
            rows: &packed.rows,
            statistics: &statistics,
        };
        let schema = packed.model.schema();
        for run in vectors["runs"].as_array().expect("runs") {
            let seeds = run["seeds"].as_f64().expect("a count");
            for case in run["cases"].as_array().expect("cases") {
                let batch = row(&packed, &case["row"]);
                let class = Label::Text(case["class"].as_str().expect("a class").to_owned());
                let class = packed
                    .model
                    .labels()
                    .iter()
                    .position(|label| *label == class);
                let class = class.expect("the class is the model's");
                // Of two classes the second is explained; the first is its mirror image.
                let (output, sign) = match packed.model.labels().len() {
                    2 => (0, if class == 1 { 1.0 } else { -1.0 }),
                    _ => (class, 1.0),
                };
                let runs: Vec<Lime> = (0..SEEDS)
                    .map(|seed| {
                        let request = LimeRequest {
                            seed,
                            discretize: run["what"] == "quartiles",
                            samples: run["samples"].as_u64().expect("a count") as usize,
                            ..LimeRequest::default()
                        };
                        lime(&packed.model, view, &batch, 0, request).expect("an explanation")
                    })
                    .collect();
                let mean =
                    |of: &dyn Fn(&Lime) -> f64| runs.iter().map(of).sum::<f64>() / SEEDS as f64;
                let mut compare = |what: &str, found: f64, mean: f64, deviation: f64| {
                    let error = deviation * (1.0 / seeds + 1.0 / SEEDS as f64).sqrt();
                    assert!(
                        (found - mean).abs() <= 5.0 * error,
                        "{name} {} {what}: {found}, lime {mean} ± {error}",
                        run["what"]
                    );
                    compared += 1;
                };
                let (means, deviations) = (
                    numbers(&case["weights"]["mean"]),
                    numbers(&case["weights"]["sd"]),
                );
                for (feature, (&expected, &deviation)) in means.iter().zip(&deviations).enumerate()
                {
                    let name = vectors["features"][feature].as_str().expect("a name");
                    let feature = schema.position(name).expect("a feature");
                    let found = sign * mean(&|run| run.outputs[output].surrogate.weights[feature]);
                    compare(name, found, expected, deviation);
                }
                let number = |key: &str, of: &str| case[key][of].as_f64().expect("a number");
                let found = mean(&|run| run.outputs[output].surrogate.fidelity);
                compare(
                    "score",
                    found,
                    number("score", "mean"),
                    number("score", "sd"),
                );
                let offset = if sign < 0.0 { 1.0 } else { 0.0 };
                let found = offset + sign * mean(&|run| run.outputs[output].surrogate.intercept);
                compare(
                    "intercept",
                    found,
                    number("intercept", "mean"),
                    number("intercept", "sd"),
                );
                let found = offset + sign * mean(&|run| run.outputs[output].local_prediction);
                compare(
                    "prediction",
                    found,
                    number("prediction", "mean"),
                    number("prediction", "sd"),
                );
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn standard_errors_are_the_deviations_over_seeds() {
    let packed = packed("credit");
    let statistics = ReferenceStatistics::new(&packed.model, packed.model.symbols(), &packed.rows);
    let statistics = statistics.expect("the model answers its reference rows");
    let view = ReferenceView {
        rows: &packed.rows,
        statistics: &statistics,
    };
    let runs: Vec<Lime> = (0..60)
        .map(|seed| {
            let request = LimeRequest {
                seed,
                samples: 1000,
                ..LimeRequest::default()
            };
            lime(&packed.model, view, &packed.rows, 5, request).expect("an explanation")
        })
        .collect();
    for feature in 0..packed.model.schema().len() {
        let weights: Vec<f64> = runs
            .iter()
            .map(|run| run.outputs[0].surrogate.weights[feature])
            .collect();
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        let squares = weights
            .iter()
            .map(|weight| (weight - mean).powi(2))
            .sum::<f64>();
        let seen = (squares / (weights.len() - 1) as f64).sqrt();
        let stated = runs
            .iter()
            .map(|run| run.outputs[0].standard_errors[feature])
            .sum::<f64>()
            / 60.0;
        // A deviation of 60 draws is known to 9 %.
        assert!(
            (0.68..1.5).contains(&(stated / seen)),
            "{feature}: {stated} stated, {seen} seen"
        );
    }
}

#[test]
fn a_linear_model_explains_itself() {
    let features = vec![number("a"), number("b"), number("c")];
    let model = BlackBox::regressor(features, |row| 3.0 * row[0] - 2.0 * row[1] + 1.0);
    let reference: Vec<Vec<f64>> = (0..50)
        .map(|x| {
            vec![
                f64::from(x * 7 % 50),
                f64::from(x * 3 % 50) / 10.0,
                f64::from(x),
            ]
        })
        .collect();
    let request = LimeRequest {
        discretize: false,
        features: Some(2),
        ..LimeRequest::default()
    };
    let found = explained(&model, &reference, &reference[4], request);
    let output = &found.outputs[0];
    assert_eq!(output.surrogate.components, [0, 1]);
    let Rule::Deviation { deviation, .. } = found.rules[0] else {
        panic!("{:?}", found.rules);
    };
    // The ridge takes a little, one part in the sum of weights.
    close(
        output.surrogate.weights[0],
        3.0 * deviation,
        1e-2,
        "weight of a",
    );
    assert!(output.surrogate.fidelity > 0.999, "{output:?}");
    close(
        output.local_prediction,
        output.prediction,
        1e-2,
        "prediction",
    );
    assert_eq!(output.prediction, model.score(&reference[4]));
}

#[test]
fn every_kind_of_feature_has_its_rule() {
    let features = vec![
        integer("age"),
        truth("member"),
        category("housing", &["own", "rent"]),
        number("income"),
    ];
    let model = BlackBox::regressor(features, |row| {
        row[1] + row[2] + if row[3].is_nan() { 5.0 } else { 0.0 }
    });
    let reference: Vec<Vec<f64>> = (0..40)
        .map(|x| {
            let income = if x % 4 == 0 { f64::NAN } else { f64::from(x) };
            vec![
                f64::from(20 + x),
                f64::from(x % 2),
                f64::from(x % 3 / 2),
                income,
            ]
        })
        .collect();
    let row = [31.0, 1.0, 1.0, f64::NAN];
    let found = explained(&model, &reference, &row, LimeRequest::default());
    let texts = ["31", "true", "rent", "null"];
    let names = ["age", "member", "housing", "income"];
    let rules = found.rules.iter().zip(names).zip(texts);
    let rules: Vec<String> = rules
        .map(|((rule, name), text)| rule.text(name, text))
        .collect();
    assert_eq!(
        rules,
        [
            "29.75 < age <= 39.50",
            "member=true",
            "housing=rent",
            "income is missing"
        ]
    );
    let weights = &found.outputs[0].surrogate.weights;
    for (weight, expected) in weights.iter().zip([0.0, 1.0, 1.0, 5.0]) {
        assert!((weight - expected).abs() < 0.05, "{weights:?}");
    }
    let continuous = LimeRequest {
        discretize: false,
        ..LimeRequest::default()
    };
    let found = explained(&model, &reference, &row, continuous);
    assert!(matches!(found.rules[0], Rule::Deviation { .. }));
    assert_eq!(found.rules[1..], [Rule::Equal, Rule::Equal, Rule::Missing]);
    assert!((found.outputs[0].surrogate.weights[3] - 5.0).abs() < 0.05);
}

#[test]
fn a_seed_is_a_draw() {
    let packed = packed("wine");
    let statistics = ReferenceStatistics::new(&packed.model, packed.model.symbols(), &packed.rows);
    let statistics = statistics.expect("the model answers its reference rows");
    let view = ReferenceView {
        rows: &packed.rows,
        statistics: &statistics,
    };
    let ask = |seed, samples| {
        let request = LimeRequest {
            seed,
            samples,
            space: OutputSpace::Probability,
            ..LimeRequest::default()
        };
        lime(&packed.model, view, &packed.rows, 3, request).expect("an explanation")
    };
    assert_eq!(ask(1, 1500), ask(1, 1500));
    assert_ne!(ask(1, 1500), ask(2, 1500));
    assert_eq!(ask(1, 1500).outputs.len(), 3);
}
