//! The model as a whole, and how far its answers can be trusted.

use hyaline_explain::Explainer;
use hyaline_model::{Batch, Column, Conformity, ConformityScore, Model, ModelParts, Reference};
use hyaline_protocol::Function;
use serde_json::json;

use super::functions::{credit, credit_without_background, price, wine};
use super::{json, send, text};

fn with(function: &Function, change: impl FnOnce(&mut ModelParts)) -> Function {
    let mut parts = function.model().clone().into_parts();
    change(&mut parts);
    let model = Model::new(parts).expect("the parts fit each other");
    let explainer = Explainer::new(&model).expect("the model can be explained");
    Function::new(model, explainer)
}

/// `credit` with four reference rows, of which the model gets three right.
fn credit_with_reference() -> Function {
    with(&credit(), |parts| {
        let symbols = |texts: [&str; 4]| {
            Column::Symbols(texts.map(|text| parts.symbols.symbol(text)).to_vec())
        };
        let columns = vec![
            Column::Numbers(vec![1024.0, 2048.0, 1024.0, 4096.0]),
            Column::Numbers(vec![8.0, 16.0, 24.0, 8.0]),
            Column::Numbers(vec![0.0, 0.0, 1.0, 0.0]),
            symbols(["own", "rent", "free", "own"]),
            symbols(["car", "tv", "", "car"]),
        ];
        let rows = Batch::new(&parts.schema, columns).expect("the columns fit the schema");
        parts.reference = Some(Reference {
            rows,
            answers: vec![1.0, 1.0, 0.0, 1.0],
        });
    })
}

fn conforming(function: &Function, score: ConformityScore, scores: &[f64]) -> Function {
    with(function, |parts| {
        parts.conformity = Some(Conformity {
            score,
            scores: scores.to_vec(),
        });
    })
}

#[test]
fn a_regressor_answers_an_interval() {
    let function = conforming(
        &price(),
        ConformityScore::AbsoluteError,
        &[0.5, 1.0, 2.0, 4.0],
    );
    // ⌈5 · 0.6⌉ = 3: the third score.
    let answer = json(&send(
        &function,
        "POST",
        "/predict?coverage=0.6",
        br#"{"size": 3}"#,
    ));
    assert_eq!(
        answer["predictions"],
        json!([{"value": 10, "interval": [8, 12]}])
    );
    assert_eq!(answer["uncertainty"]["method"], "split-conformal");
    assert_eq!(answer["uncertainty"]["score"], "absolute-error");
    assert_eq!(answer["uncertainty"]["coverage"], 0.6);
    assert_eq!(answer["uncertainty"]["held_out_rows"], 4);
}

#[test]
fn a_classifier_answers_a_set() {
    let scores = [0.1, 0.2, 0.3, 0.9];
    let function = conforming(&wine(), ConformityScore::LeastAmbiguous, &scores);
    // Margins 0, 0, 0: a third each, and a score of two thirds.
    let body = br#"[{"x": 0, "y": 0}, {"x": 9, "y": -9}]"#;
    for (coverage, sets) in [
        ("0.5", json!([[], [10]])),
        ("0.75", json!([[10, 20, 30], [10]])),
    ] {
        let path = format!("/predict?coverage={coverage}");
        let answer = json(&send(&function, "POST", &path, body));
        let found: Vec<_> = (0..2)
            .map(|row| answer["predictions"][row]["set"].clone())
            .collect();
        assert_eq!(json!(found), sets, "{coverage}");
        assert!(answer["predictions"][0]["label"].is_number());
    }
}

#[test]
fn refuses_a_coverage_that_cannot_be_kept() {
    let function = conforming(
        &price(),
        ConformityScore::AbsoluteError,
        &[0.5, 1.0, 2.0, 4.0],
    );
    let refused = |function: &Function, query: &str| {
        let response = send(
            function,
            "POST",
            &format!("/predict?{query}"),
            br#"{"size": 3}"#,
        );
        (response.status, text(&response))
    };
    for (query, status, words) in [
        (
            "coverage=0.9",
            501,
            "4 held-out rows cannot promise a coverage of 0.9: at most 0.8 is possible with them",
        ),
        (
            "coverage=90",
            400,
            "parameter `coverage` is `90`; expected a number above 0 and below 1, such as 0.9",
        ),
        (
            "coverage=NaN",
            400,
            "parameter `coverage` is `NaN`; expected a number above 0 and below 1, such as 0.9",
        ),
        (
            "cover=0.9",
            400,
            "unknown parameter `cover`; a prediction takes `coverage`",
        ),
    ] {
        assert_eq!(
            refused(&function, query),
            (status, format!("{{\"error\":\"{words}\"}}"))
        );
    }
    let (status, words) = refused(&price(), "coverage=0.9");
    assert_eq!(status, 501);
    assert!(words.contains("no scores of held-out rows"), "{words}");
}

#[test]
fn importance_by_shuffling() {
    let function = credit_with_reference();
    let answer = json(&send(
        &function,
        "GET",
        "/importance?repeats=20&seed=3&metric=accuracy",
        b"",
    ));
    assert_eq!(answer["method"], "permutation");
    assert_eq!(answer["score"], 0.75);
    assert_eq!(
        (&answer["repeats"], &answer["seed"]),
        (&json!(20), &json!(3))
    );
    assert_eq!(answer["evaluations"], 4 * (1 + 20 * 5));
    let importances = answer["importances"].as_array().expect("one per feature");
    assert_eq!(importances.len(), 5);
    let values: Vec<f64> = importances
        .iter()
        .map(|entry| entry["importance"].as_f64().expect("a number"))
        .collect();
    assert!(
        values.windows(2).all(|pair| pair[0] >= pair[1]),
        "{values:?}"
    );
    assert!(values[0] > 0.0, "{values:?}");
    for digest in ["reference", "model"] {
        assert!(
            answer[digest]
                .as_str()
                .is_some_and(|digest| digest.starts_with("sha256:"))
        );
    }
    let again = send(
        &function,
        "GET",
        "/importance?repeats=20&seed=3&metric=accuracy",
        b"",
    );
    assert_eq!(json(&again), answer);
}

#[test]
fn importance_by_attributions() {
    let answer = json(&send(&credit(), "GET", "/importance?method=shap", b""));
    // The background rows have the margins 1.5 and −1.5; amounts differ by one mark unit, durations by one.
    assert_eq!(answer["explainer"], "linear");
    assert_eq!(answer["output"], "good");
    let amount = answer["importances"].as_array().and_then(|all| {
        all.iter()
            .find(|entry| entry["feature"] == "amount")
            .cloned()
    });
    assert_eq!(
        amount,
        Some(json!({"feature": "amount", "importance": 0.5}))
    );
    assert_eq!(answer["rows"], 2);
}

#[test]
fn curves_of_a_feature() {
    let function = credit_with_reference();
    let answer = json(&send(
        &function,
        "GET",
        "/dependence?feature=duration&space=margin",
        b"",
    ));
    assert_eq!(answer["kind"], "partial");
    assert_eq!(answer["grid"], json!([8, 16, 24]));
    let values: Vec<f64> = (0..3)
        .filter_map(|at| answer["values"][at].as_f64())
        .collect();
    // The margin falls by one eighth per month.
    assert!((values[0] - values[1] - 1.0).abs() < 1e-6, "{values:?}");
    assert!((values[1] - values[2] - 1.0).abs() < 1e-6, "{values:?}");

    let answer = json(&send(
        &function,
        "GET",
        "/dependence?feature=housing&kind=individual&rows=2",
        b"",
    ));
    assert_eq!(answer["grid"], json!(["own", "rent", "free"]));
    assert_eq!(
        (&answer["curves"][0]["row"], &answer["curves"][1]["row"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(answer["output"], "good");

    let answer = json(&send(&function, "GET", "/dependence?feature=foreign", b""));
    assert_eq!(answer["grid"], json!([false, true]));

    let answer = json(&send(
        &function,
        "GET",
        "/dependence?feature=duration&kind=accumulated&space=margin",
        b"",
    ));
    assert_eq!(answer["counts"], json!([3, 1]));
    let values: Vec<f64> = (0..3)
        .filter_map(|at| answer["values"][at].as_f64())
        .collect();
    assert!((values[0] - values[2] - 2.0).abs() < 1e-6, "{values:?}");
    // Centred: three rows between the first two points, one between the last two.
    let centre = 0.75 * (values[0] + values[1]) / 2.0 + 0.25 * (values[1] + values[2]) / 2.0;
    assert!(centre.abs() < 1e-6, "{values:?}");
}

#[test]
fn curves_of_several_classes() {
    let answer = json(&send(&wine(), "GET", "/dependence?feature=x&grid=2", b""));
    assert_eq!(answer["grid"], json!([0, 2]));
    let values = answer["values"].as_object().expect("one list per class");
    assert_eq!(values.keys().collect::<Vec<_>>(), ["10", "20", "30"]);
    assert!(answer["mean"]["20"].is_number());
}

#[test]
fn typical_and_untypical_rows() {
    let function = credit_with_reference();
    let answer = json(&send(&function, "GET", "/prototypes?count=1", b""));
    assert_eq!(answer["method"], "mmd-critic");
    let examples = answer["examples"].as_array().expect("one per class");
    assert_eq!(examples.len(), 2);
    let good = &examples[1];
    assert_eq!(good["label"], "good");
    let prototype = &good["prototypes"][0];
    assert_eq!(prototype["prediction"]["label"], "good");
    assert!(prototype["values"]["amount"].is_number());
    assert_eq!(
        examples[0]["rows"]
            .as_u64()
            .zip(examples[1]["rows"].as_u64())
            .map(|(a, b)| a + b),
        Some(4)
    );
}

#[test]
fn explanations_are_measured_on_request() {
    let function = credit();
    let row =
        br#"{"amount": 4096, "duration": 8, "foreign": true, "housing": "rent", "purpose": "tv"}"#;
    let answer = json(&send(&function, "POST", "/explain?check=true", row));
    let quality = &answer["explanations"][0]["quality"];
    assert_eq!(quality["output"], "good");
    // A sum of terms: attributions are exactly what is lost without a feature.
    let correlation = quality["faithfulness_correlation"]
        .as_f64()
        .expect("sums differ");
    assert!(correlation > 0.999_999, "{quality}");
    assert!(
        quality["infidelity"]
            .as_f64()
            .is_some_and(|found| found < 1e-9),
        "{quality}"
    );
    let area = |name: &str| quality[name].as_f64().expect("an area");
    assert!(area("insertion") > area("deletion"), "{quality}");
    assert_eq!(quality["agreement"], json!(null));
    let plain = json(&send(&function, "POST", "/explain", row));
    assert!(plain["explanations"][0]["quality"].is_null());

    let answer = json(&send(
        &function,
        "POST",
        "/explain?check=true&method=kernel",
        row,
    ));
    let agreement = &answer["explanations"][0]["quality"]["agreement"];
    assert_eq!(agreement["method"], "linear");
}

#[test]
fn refuses_what_a_whole_model_cannot_tell() {
    let refused = |function: &Function, path: &str| {
        let response = send(function, "GET", path, b"");
        let body: serde_json::Value = serde_json::from_str(&text(&response)).expect("JSON");
        (
            response.status,
            body["error"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let bare = credit_without_background();
    for path in ["/importance", "/dependence?feature=amount", "/prototypes"] {
        assert_eq!(
            refused(&bare, path),
            (501, "the function has no reference rows to explain the model as a whole from; pack it with --data".to_owned())
        );
    }
    for (path, status, words) in [
        (
            "/dependence",
            400,
            "which feature? add `feature=…`, such as `feature=amount`",
        ),
        (
            "/dependence?feature=ammount",
            400,
            "the model has no feature `ammount`; did you mean `amount`?",
        ),
        (
            "/dependence?feature=amount&kind=ice",
            400,
            "parameter `kind` is `ice`; expected one of `partial`, `individual`, `accumulated`",
        ),
        (
            "/dependence?feature=amount&rows=5",
            400,
            "parameter `rows` is for kind=individual; partial curves take all reference rows",
        ),
        (
            "/dependence?feature=amount&grid=1",
            400,
            "parameter `grid` is `1`; expected a whole number from 2 to 200",
        ),
        (
            "/dependence?feature=housing&kind=accumulated",
            501,
            "feature `housing` is a category and has no order to accumulate in; ask for kind=partial",
        ),
        (
            "/importance?method=gain",
            400,
            "parameter `method` is `gain`; expected one of `permutation`, `shap`",
        ),
        (
            "/importance?metric=f1",
            400,
            "parameter `metric` is `f1`; expected one of `accuracy`, `log-loss`, `roc-auc`, `r2`, `mean-absolute-error`, `prediction-change`",
        ),
        (
            "/importance?metric=accuracy",
            501,
            "accuracy needs observed answers, which the reference rows of this function do not have; ask for metric=prediction-change",
        ),
        (
            "/importance?method=shap&repeats=3",
            400,
            "parameter `repeats` is for method=permutation; mean attributions draw and measure nothing",
        ),
        (
            "/prototypes?count=0",
            400,
            "parameter `count` is `0`; expected a whole number from 1 to 50",
        ),
        (
            "/prototypes?k=3",
            400,
            "unknown parameter `k`; a list of prototypes takes `count`",
        ),
    ] {
        assert_eq!(
            refused(&credit(), path),
            (status, words.to_owned()),
            "{path}"
        );
    }
}
