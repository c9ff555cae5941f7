//! `/explain?method=lime` and `/anchor`: the two background rows of the credit function serve as reference.

use serde_json::{Value, json};

use crate::functions::{credit, credit_without_background, price, wine};
use crate::{json, send, text};

/// Margin 2 − 2 + 0 + 0 − 1 = −1: bad.
const BAD: &[u8] =
    br#"{"amount":2048,"duration":16,"foreign":false,"housing":"free","purpose":"book"}"#;

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn lime_adds_up_and_words_its_rules() {
    let function = credit();
    let answer = json(&send(
        &function,
        "POST",
        "/explain?method=lime&samples=500",
        BAD,
    ));
    assert_eq!(answer["predictions"][0]["label"], "bad");
    let explanation = &answer["explanations"][0];
    let attributions = explanation["attributions"].as_array().expect("a list");
    let sum: f64 = attributions
        .iter()
        .map(|one| number(&one["attribution"]))
        .sum();
    let local = number(&explanation["base_value"]) + sum;
    assert!((local - number(&explanation["local_prediction"])).abs() < 1e-12);
    let whole = local + number(&explanation["residual"]);
    assert!((whole - number(&explanation["prediction"])).abs() < 1e-12);
    let rule = |feature: &str| {
        let mut all = attributions.iter();
        all.find(|one| one["feature"] == feature)
            .expect("a feature")
            .clone()
    };
    assert_eq!(rule("housing")["rule"], "housing=free");
    assert_eq!(rule("foreign")["rule"], "foreign=false");
    // Quartiles of 1024 and 2048, and of 8 and 16.
    assert_eq!(rule("amount")["rule"], "amount > 1792.00");
    assert_eq!(
        (&rule("amount")["above"], &rule("amount")["up_to"]),
        (&json!(1792), &Value::Null)
    );
    assert_eq!(rule("duration")["rule"], "duration > 14.00");
    for (key, value) in [
        ("method", json!("lime")),
        ("exact", json!(false)),
        ("space", json!("probability")),
        ("output", json!("good")),
        ("kernel_width", json!(0.75 * 5f64.sqrt())),
        ("samples", json!(500)),
        ("evaluations", json!(500)),
        ("seed", json!(0)),
        ("reference", json!("sha256:b0")),
        ("model", json!("sha256:a1")),
    ] {
        assert_eq!(explanation[key], value, "{key}");
    }
    let again = send(&function, "POST", "/explain?method=lime&samples=500", BAD);
    assert_eq!(json(&again), answer);
    let other = send(
        &function,
        "POST",
        "/explain?method=lime&samples=500&seed=1",
        BAD,
    );
    assert_ne!(
        json(&other)["explanations"][0]["base_value"],
        explanation["base_value"]
    );
}

#[test]
fn lime_takes_few_features_margins_and_standard_deviations() {
    let function = credit();
    let path = "/explain?method=lime&samples=800&features=2&space=margin&discretize=false";
    let answer = json(&send(&function, "POST", path, BAD));
    let explanation = &answer["explanations"][0];
    let attributions = explanation["attributions"].as_array().expect("a list");
    assert_eq!(attributions.len(), 2);
    assert_eq!(explanation["space"], "margin");
    assert_eq!(explanation["prediction"], -1);
    // margin = amount/1024: an attribution is the weight times the distance from the mean in deviations.
    let path = "/explain?method=lime&samples=2000&space=margin&discretize=false";
    let answer = json(&send(&function, "POST", path, BAD));
    let attributions = answer["explanations"][0]["attributions"]
        .as_array()
        .expect("a list")
        .clone();
    let amount = attributions
        .iter()
        .find(|one| one["feature"] == "amount")
        .expect("it is there");
    assert_eq!(amount["rule"], "amount");
    assert!((number(&amount["weight"]) - 0.5).abs() < 0.01, "{amount}");
    assert!(
        (number(&amount["attribution"]) - 0.5).abs() < 0.01,
        "{amount}"
    );
}

#[test]
fn several_classes_share_their_samples() {
    let answer = json(&send(
        &wine(),
        "POST",
        "/explain?method=lime",
        br#"{"x":1,"y":0}"#,
    ));
    let explanation = &answer["explanations"][0];
    let base = explanation["base_value"].as_object().expect("by class");
    assert_eq!(base.keys().collect::<Vec<_>>(), ["10", "20", "30"]);
    // Probabilities add up to 1, so do intercepts, and attributions to 0.
    let sum: f64 = base.values().map(number).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    let first = explanation["attributions"][0]["attribution"]
        .as_object()
        .expect("by class");
    assert!(first.values().map(number).sum::<f64>().abs() < 1e-9);
}

#[test]
fn an_anchor_is_a_rule_with_its_precision() {
    let function = credit();
    let answer = json(&send(&function, "POST", "/anchor", BAD));
    let explanation = &answer["explanations"][0];
    assert_eq!(explanation["method"], "anchor");
    // Of the background, `free` has the margin −1.5 and `own` 1.5; with `free` in its place the latter has −0.5.
    assert_eq!(
        explanation["anchor"],
        json!([{"feature": "housing", "value": "free", "rule": "housing=free"}])
    );
    assert_eq!(explanation["text"], "housing=free");
    assert_eq!(
        (&explanation["found"], &explanation["precision"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(explanation["coverage"], 0.5);
    assert!(number(&explanation["precision_low"]) > 0.9 && explanation["precision_high"] == 1.0);
    assert_eq!(explanation["threshold"], 0.95);
    assert_eq!(
        (&explanation["seed"], &explanation["reference"]),
        (&json!(0), &json!("sha256:b0"))
    );
}

#[test]
fn a_regressor_is_anchored_within_a_tolerance() {
    let function = price();
    let refused = send(&function, "POST", "/anchor", br#"{"size":2}"#);
    assert_eq!(
        (refused.status, text(&refused)),
        (
            501,
            r#"{"error":"the model predicts a number; say with tolerance=<number> how far another one may be to be the same"}"#
                .to_owned()
        )
    );
    let answer = json(&send(
        &function,
        "POST",
        "/anchor?tolerance=1",
        br#"{"size":2}"#,
    ));
    // The one reference row has the same answer, so nothing need hold.
    assert_eq!(answer["explanations"][0]["anchor"], json!([]));
    assert_eq!(answer["explanations"][0]["coverage"], 1);
}

#[test]
fn what_is_no_question_is_refused_in_words() {
    let function = credit();
    for (path, error) in [
        (
            "/explain?method=lime&nsamples=5",
            "unknown parameter `nsamples`; LIME takes `method`, `samples`, `features`, `top`, `discretize`, `kernel_width`, \
             `space`, `seed`",
        ),
        (
            "/explain?method=lime&samples=1",
            "parameter `samples` is `1`; expected a whole number from 2 to 100000",
        ),
        (
            "/explain?method=lime&discretize=maybe",
            "parameter `discretize` is `maybe`; expected `true` or `false`",
        ),
        (
            "/explain?method=lime&kernel_width=0",
            "parameter `kernel_width` is `0`; expected a number above 0",
        ),
        (
            "/explain?method=lime&space=odds",
            "parameter `space` is `odds`; expected one of `margin`, `probability`",
        ),
        (
            "/anchor?precision=1.5",
            "parameter `precision` is `1.5`; expected a number above 0 and up to 1",
        ),
        (
            "/anchor?beam=11",
            "parameter `beam` is `11`; expected a whole number from 1 to 10",
        ),
    ] {
        let answer = send(&function, "POST", path, BAD);
        assert_eq!(answer.status, 400, "{path}");
        let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(body["error"], error, "{path}");
    }
    for path in ["/explain?method=lime", "/anchor"] {
        let answer = send(&credit_without_background(), "POST", path, BAD);
        assert_eq!(answer.status, 501);
        assert_eq!(
            text(&answer),
            r#"{"error":"the function has no reference rows to learn from what values occur; pack it with --data"}"#
        );
    }
}
