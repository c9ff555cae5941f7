//! `/predict` and `/explain`: every way to send rows gives the same answer.

use serde_json::json;

use crate::functions::{credit, credit_without_background, price, wine};
use crate::{header, json, send, send_with, text};

/// margin = 2048/1024 − 16/8 + 2 + 1 + 0.5 = 3.5
const ROW: &str = r#"{"amount":2048,"duration":16,"foreign":true,"housing":"own","purpose":"car"}"#;

/// 1 / (1 + exp(−3.5)) in f32, the arithmetic of the graph.
const GOOD: f64 = 0.970687747001648;

#[test]
fn a_row_by_feature_name() {
    let answer = json(&send(&credit(), "POST", "/predict", ROW.as_bytes()));
    let prediction = &answer["predictions"][0];
    assert_eq!(prediction["label"], "good");
    assert_eq!(prediction["margin"], 3.5);
    let good = prediction["probabilities"]["good"]
        .as_f64()
        .expect("a number");
    let bad = prediction["probabilities"]["bad"]
        .as_f64()
        .expect("a number");
    assert!((good - GOOD).abs() < 1e-6, "{good}");
    assert_eq!(good + bad, 1.0);
}

#[test]
fn every_envelope_carries_the_same_rows() {
    let function = credit();
    let expected = text(&send(
        &function,
        "POST",
        "/predict",
        format!("[{ROW},{ROW}]").as_bytes(),
    ));
    assert_eq!(expected.matches("label").count(), 2);
    let list = r#"[2048,16,true,"own","car"]"#;
    for body in [
        format!(r#"[{list},{list}]"#),
        format!(r#"{{"instances":[{ROW},{ROW}]}}"#),
        format!(r#"{{"instances":[{list},{list}],"parameters":{{}}}}"#),
        format!(r#"{{"inputs":[{ROW},{ROW}]}}"#),
        r#"{"inputs":{"purpose":["car","car"],"amount":[2048,2048],"duration":[16,16],"foreign":[1,1],"housing":["own","own"]}}"#.to_owned(),
        format!(r#"{{"dataframe_records":[{ROW},{ROW}]}}"#),
        r#"{"dataframe_split":{"index":[7,8],"columns":["housing","amount","duration","foreign","purpose"],"data":[["own",2048,16,true,"car"],["own",2048,16,1,"car"]]}}"#.to_owned(),
        "2048,16,true,own,car\n2048,16,1,own,car\n".to_owned(),
        "purpose,amount,duration,foreign,housing\r\ncar,2048,16,True,own\r\n\"car\",2048.0,16,1,own".to_owned(),
        format!("\u{feff}[{ROW},{ROW}]"),
    ] {
        assert_eq!(text(&send(&function, "POST", "/predict", body.as_bytes())), expected, "{body}");
    }
}

#[test]
fn a_plain_list_is_one_row_of_several_features_or_several_rows_of_one() {
    let credit = credit();
    let one = json(&send(
        &credit,
        "POST",
        "/predict",
        br#"[2048,16,true,"own","car"]"#,
    ));
    assert_eq!(one["predictions"].as_array().map(Vec::len), Some(1));
    let price = price();
    assert_eq!(
        text(&send(&price, "POST", "/predict", b"[1,2.5]")),
        r#"{"predictions":[{"value":4},{"value":8.5}]}"#
    );
}

#[test]
fn a_content_type_is_believed_only_where_it_says_something() {
    let function = credit();
    let csv = b"amount,duration,foreign,housing,purpose\n2048,16,true,own,car\n";
    let expected = text(&send(&function, "POST", "/predict", ROW.as_bytes()));
    for content_type in [
        "text/csv; charset=utf-8",
        "application/x-www-form-urlencoded",
        "Text/CSV",
    ] {
        let response = send_with(
            &function,
            "POST",
            "/predict",
            &[("Content-Type", content_type)],
            csv,
        );
        assert_eq!(text(&response), expected, "{content_type}");
    }
    let response = send_with(
        &function,
        "POST",
        "/predict",
        &[("content-type", "application/json")],
        csv,
    );
    assert_eq!(
        text(&response),
        r#"{"error":"the body is not valid JSON: expected value at line 1 column 1"}"#
    );
}

#[test]
fn missing_and_unseen_values_that_the_model_takes() {
    let function = credit();
    for (purpose, margin) in [
        ("null", 3.0),
        ("\"boat\"", 3.0),
        ("\"\"", 3.0),
        ("\"tv\"", 2.5),
    ] {
        let body = format!(
            r#"{{"amount":2048,"duration":16,"foreign":true,"housing":"own","purpose":{purpose}}}"#
        );
        assert_eq!(
            json(&send(&function, "POST", "/predict", body.as_bytes()))["predictions"][0]["margin"],
            margin,
            "{purpose}"
        );
    }
    let without = br#"{"amount":2048,"duration":16,"foreign":true,"housing":"own"}"#;
    assert_eq!(
        json(&send(&function, "POST", "/predict", without))["predictions"][0]["margin"],
        3.0
    );
    assert_eq!(
        json(&send(&function, "POST", "/predict", b"2048,16,true,own,\n"))["predictions"][0]["margin"],
        3.0
    );
}

#[test]
fn an_explanation_can_be_recomputed_from_itself() {
    let function = credit();
    let answer = json(&send(&function, "POST", "/explain", ROW.as_bytes()));
    let explanation = &answer["explanations"][0];
    // Background margins: 2 − 2 + 0 + 1 + 0.5 = 1.5 and 1 − 1 + 0 − 1 − 0.5 = −1.5.
    assert_eq!(
        *explanation,
        json!({
            "method": "linear", "exact": true, "space": "margin", "output": "good",
            "base_value": 0, "prediction": 3.5,
            "attributions": [
                {"feature": "amount", "value": 2048, "attribution": 0.5},
                {"feature": "duration", "value": 16, "attribution": -0.5},
                {"feature": "foreign", "value": true, "attribution": 2},
                {"feature": "housing", "value": "own", "attribution": 1},
                {"feature": "purpose", "value": "car", "attribution": 0.5},
            ],
            "residual": 0, "evaluations": 0, "seed": null, "background": "sha256:b0", "model": "sha256:a1",
        })
    );
    assert_eq!(
        answer["predictions"],
        json(&send(&function, "POST", "/predict", ROW.as_bytes()))["predictions"]
    );
}

#[test]
fn the_largest_attributions_first_and_the_rest_as_one() {
    let body = br#"{"amount":2048,"duration":16,"foreign":true,"housing":"own","purpose":"boat"}"#;
    let answer = json(&send(&credit(), "POST", "/explain?top=2&seed=7", body));
    let explanation = &answer["explanations"][0];
    assert_eq!(
        explanation["attributions"],
        json!([
            {"feature": "foreign", "value": true, "attribution": 2},
            {"feature": "housing", "value": "own", "attribution": 1},
        ])
    );
    assert_eq!(
        explanation["other"],
        json!({"features": 3, "attribution": 0})
    );
    let all = json(&send(&credit(), "POST", "/explain?top=99", body));
    assert_eq!(all["explanations"][0].get("other"), None);
    assert!(
        all["explanations"][0]["attributions"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|part| part["value"] == "boat")
    );
}

#[test]
fn several_outputs_are_objects_by_name() {
    let answer = json(&send(&wine(), "POST", "/explain", b"[[1,3]]"));
    assert_eq!(answer["predictions"][0]["label"], 20);
    assert_eq!(
        answer["predictions"][0]["margin"],
        json!({"10": 1, "20": 3, "30": -4})
    );
    let explanation = &answer["explanations"][0];
    assert_eq!(
        explanation["base_value"],
        json!({"10": 1, "20": 0, "30": -1})
    );
    assert_eq!(
        explanation["prediction"],
        json!({"10": 1, "20": 3, "30": -4})
    );
    assert_eq!(
        explanation["attributions"][1]["attribution"],
        json!({"10": 0, "20": 3, "30": -3})
    );
    assert_eq!(explanation.get("output"), None);
}

#[test]
fn a_method_and_a_space_can_be_asked_for() {
    let function = price();
    let answer = json(&send(
        &function,
        "POST",
        "/explain?method=enumeration&space=probability",
        b"[[5]]",
    ));
    let explanation = &answer["explanations"][0];
    assert_eq!(
        (&explanation["method"], &explanation["space"]),
        (&json!("enumeration"), &json!("probability"))
    );
    assert_eq!(
        (
            &explanation["base_value"],
            &explanation["attributions"][0]["attribution"]
        ),
        (&json!(7), &json!(9))
    );
    assert_eq!(explanation["evaluations"], 2);
}

#[test]
fn what_a_model_cannot_explain_is_unsupported_and_still_predicted() {
    let function = credit_without_background();
    assert_eq!(
        send(&function, "POST", "/explain", ROW.as_bytes()).status,
        501
    );
    assert_eq!(
        send(&function, "POST", "/predict", ROW.as_bytes()).status,
        200
    );
    function
        .warm_up()
        .expect("a function without explanations can be loaded");
}

#[test]
fn answers_are_exactly_application_json() {
    let function = credit();
    for (path, body) in [("/predict", ROW), ("/explain", ROW), ("/predict", "{")] {
        let response = send(&function, "POST", path, body.as_bytes());
        assert_eq!(header(&response, "content-type"), Some("application/json"));
        assert_eq!(
            header(&response, "content-length"),
            Some(response.body.len().to_string().as_str())
        );
    }
}

#[test]
fn interactions_add_up_to_the_attributions() {
    for (function, body) in [(credit(), ROW), (price(), r#"{"size": 5}"#)] {
        let answer = json(&send(
            &function,
            "POST",
            "/explain?interactions=true",
            body.as_bytes(),
        ));
        let explanation = &answer["explanations"][0];
        let matrix = &answer["interactions"][0]["values"];
        for (at, part) in explanation["attributions"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
        {
            assert_eq!(part["feature"], answer["interactions"][0]["features"][at]);
            let expected: Vec<(&serde_json::Value, f64)> = match &part["attribution"] {
                serde_json::Value::Object(outputs) => outputs
                    .iter()
                    .map(|(name, value)| (&matrix[name], value.as_f64().unwrap()))
                    .collect(),
                value => vec![(matrix, value.as_f64().unwrap())],
            };
            for (matrix, attribution) in expected {
                let sum: f64 = matrix[at]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|value| value.as_f64().unwrap())
                    .sum();
                assert!(
                    (sum - attribution).abs() < 1e-6,
                    "{sum} is not {attribution}"
                );
            }
        }
    }
}
