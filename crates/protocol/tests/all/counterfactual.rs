//! `/counterfactual`: the two background rows of the credit function serve as reference.

use serde_json::json;

use crate::functions::{credit, credit_without_background, price, wine};
use crate::{json, send, text};

/// Margin 2 − 2 + 0 + 0 − 1 = −1: bad.
const BAD: &[u8] =
    br#"{"amount":2048,"duration":16,"foreign":false,"housing":"free","purpose":"book"}"#;

#[test]
fn a_row_is_led_to_the_other_answer() {
    let function = credit();
    let answer = json(&send(&function, "POST", "/counterfactual?count=2", BAD));
    assert_eq!(answer["predictions"][0]["label"], "bad");
    let explanation = &answer["explanations"][0];
    assert_eq!(explanation["found"], true);
    assert_eq!(explanation["target"], json!(null));
    assert_eq!(
        (&explanation["seed"], &explanation["model"]),
        (&json!(0), &json!("sha256:a1"))
    );
    assert_eq!(explanation["reference"], "sha256:b0");
    let counterfactuals = explanation["counterfactuals"].as_array().expect("a list");
    assert_eq!(counterfactuals.len(), 2);
    // The first of the cheapest; amounts and durations can only become what lies between those of the background.
    let first = &counterfactuals[0];
    assert_eq!(
        first["changes"],
        json!([{"feature": "foreign", "from": false, "to": true}])
    );
    assert_eq!(first["prediction"]["label"], "good");
    assert_eq!(
        (&first["sparsity"], &first["distance"]["mad"]),
        (&json!(1), &json!(0.2))
    );
    for counterfactual in counterfactuals {
        assert_eq!(counterfactual["prediction"]["label"], "good");
    }
}

#[test]
fn the_target_decides() {
    let function = credit();
    let path = "/counterfactual?target=bad";
    let answer = json(&send(&function, "POST", path, BAD));
    let explanation = &answer["explanations"][0];
    assert_eq!(
        (&explanation["found"], &explanation["reason"]),
        (
            &json!(false),
            &json!("the prediction is what was asked for already")
        )
    );
    assert_eq!(explanation["counterfactuals"], json!([]));

    let wine = wine();
    let row = br#"{"x":1,"y":0}"#;
    let answer = json(&send(
        &wine,
        "POST",
        "/counterfactual?target=20&count=1",
        row,
    ));
    let first = &answer["explanations"][0]["counterfactuals"][0];
    assert_eq!(first["prediction"]["label"], 20);
    assert_eq!(answer["explanations"][0]["target"], "20");
}

#[test]
fn a_regressor_needs_a_range() {
    let function = price();
    let answer = send(&function, "POST", "/counterfactual", br#"{"size":2}"#);
    assert_eq!(answer.status, 501);
    assert_eq!(
        text(&answer),
        r#"{"error":"the model predicts numbers, not classes; ask for target_low, target_high or both"}"#
    );
    // One reference row, so nothing but its own size may be.
    let path = "/counterfactual?target_low=4&target_high=10";
    let answer = json(&send(&function, "POST", path, br#"{"size":0.5}"#));
    let first = &answer["explanations"][0]["counterfactuals"][0];
    assert_eq!(
        first["changes"],
        json!([{"feature": "size", "from": 0.5, "to": 1}])
    );
    assert_eq!(first["prediction"]["value"], 4);
}

#[test]
fn what_is_no_question_is_refused_in_words() {
    let function = credit();
    for (path, error) in [
        (
            "/counterfactual?cuont=2",
            "unknown parameter `cuont`; a counterfactual takes `count`, `target`, `target_low`, `target_high`, `seed`",
        ),
        (
            "/counterfactual?count=0",
            "parameter `count` is `0`; expected a whole number from 1 to 16",
        ),
        (
            "/counterfactual?target=great",
            "parameter `target` is `great`; expected one of `bad`, `good`",
        ),
        (
            "/counterfactual?target=good&target_low=1",
            "`target` names a class, `target_low` and `target_high` a range of numbers; send one or the other",
        ),
        (
            "/counterfactual?target_low=2&target_high=1",
            "target_low is 2, above target_high, 1",
        ),
        (
            "/counterfactual?seed=-1",
            "parameter `seed` is `-1`; expected a whole number from 0",
        ),
    ] {
        let answer = send(&function, "POST", path, BAD);
        assert_eq!(answer.status, 400, "{path}");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(body["error"], error, "{path}");
    }
    let answer = send(&credit_without_background(), "POST", "/counterfactual", BAD);
    assert_eq!(answer.status, 501);
    assert_eq!(
        text(&answer),
        r#"{"error":"the function has no reference rows to learn from what values occur; pack it with --data"}"#
    );
}
