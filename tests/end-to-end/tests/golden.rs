//! Every golden row of every demonstration function, asked over HTTP of `hyaline up`: answers of ONNX Runtime, LightGBM
//! and independent Shapley oracles, made by the `train.py` beside each model. Golden attributions are of margins and are
//! compared where the function has a margin; those of words and pixels have tests of their own.

use anyhow::{Context, Result};
use end_to_end::{NAMES, Server, assert_close, golden, numbers, packed};
use serde_json::{Value, json};

/// The golden answers come from 32-bit models.
const TOLERANCE: f64 = 1e-5;

#[test]
fn every_golden_row_is_answered_as_the_reference_libraries_do() -> Result<()> {
    NAMES.iter().for_each(|name| drop(packed(name)));
    let server = Server::up()?;
    for name in NAMES {
        let card = server.get(&format!("/{name}/card"))?.json()?;
        for (index, golden) in golden(name)?.iter().enumerate() {
            let place = format!("{name}, golden row {index}");
            let explained =
                golden["attributions"].is_object() && card["explainer"]["space"] == "margin";
            let path = match explained {
                true => format!("/{name}/explain"),
                false => format!("/{name}/predict"),
            };
            let answer = server.post_json(&path, &golden["row"])?;
            assert_eq!(answer.status, 200, "{place}: {}", answer.text());
            let answer = answer.json()?;
            check_prediction(&place, &card, golden, &answer)?;
            if explained {
                check_explanation(&place, &card, golden, &answer)?;
            }
        }
    }
    Ok(())
}

#[test]
fn interactions_are_symmetric_and_sum_to_the_attributions() -> Result<()> {
    let server = Server::up()?;
    for name in ["breast-cancer", "credit", "diabetes"] {
        let golden = golden(name)?.remove(0);
        let answer = server
            .post_json(
                &format!("/{name}/explain?interactions=true"),
                &golden["row"],
            )?
            .json()?;
        let matrix = answer["interactions"][0]["values"]
            .as_array()
            .context("a matrix")?;
        let matrix: Vec<Vec<f64>> = matrix.iter().map(numbers).collect();
        let attributions = answer["explanations"][0]["attributions"]
            .as_array()
            .context("attributions")?;
        let attributions: Vec<f64> = attributions
            .iter()
            .flat_map(|part| numbers(&part["attribution"]))
            .collect();
        let sums: Vec<f64> = matrix.iter().map(|row| row.iter().sum()).collect();
        assert_close(name, &sums, &attributions, TOLERANCE);
        for (i, row) in matrix.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                assert!(
                    (value - matrix[j][i]).abs() < 1e-9,
                    "{name}: [{i}, {j}] is {value}, [{j}, {i}] is {}",
                    matrix[j][i]
                );
            }
        }
    }
    Ok(())
}

/// The labels of a card, as texts.
fn labels(card: &Value) -> Vec<String> {
    let labels = card["labels"].as_array().into_iter().flatten();
    labels.map(text).collect()
}

fn check_prediction(place: &str, card: &Value, golden: &Value, answer: &Value) -> Result<()> {
    let prediction = &answer["predictions"][0];
    let labels = labels(card);
    if golden["label"].is_null() {
        assert_close(
            &format!("{place}: value"),
            &numbers(&prediction["value"]),
            &numbers(&golden["values"]),
            TOLERANCE,
        );
    } else {
        assert_eq!(
            text(&prediction["label"]),
            text(&golden["label"]),
            "{place}: label"
        );
        let ours = by_name(&prediction["probabilities"], &labels)?;
        assert_close(
            &format!("{place}: probabilities"),
            &ours,
            &numbers(&golden["values"]),
            TOLERANCE,
        );
    }
    Ok(())
}

fn check_explanation(place: &str, card: &Value, golden: &Value, answer: &Value) -> Result<()> {
    let labels = labels(card);
    let explanation = &answer["explanations"][0];
    assert_eq!(explanation["exact"], json!(true), "{place}");
    let per_output = |value: &Value| match value {
        Value::Object(_) => by_name(value, &labels),
        one => Ok(numbers(one)),
    };
    assert_close(
        &format!("{place}: base"),
        &per_output(&explanation["base_value"])?,
        &numbers(&golden["base"]),
        TOLERANCE,
    );
    let parts = explanation["attributions"]
        .as_array()
        .context("attributions are a list")?;
    assert_eq!(
        parts.len(),
        golden["row"]
            .as_object()
            .context("a row is an object")?
            .len(),
        "{place}"
    );
    let mut sums = per_output(&explanation["base_value"])?;
    for part in parts {
        let feature = part["feature"]
            .as_str()
            .context("an attribution names its feature")?;
        let ours = per_output(&part["attribution"])?;
        assert_close(
            &format!("{place}: {feature}"),
            &ours,
            &numbers(&golden["attributions"][feature]),
            TOLERANCE,
        );
        sums.iter_mut()
            .zip(&ours)
            .for_each(|(sum, value)| *sum += value);
    }
    let residual = per_output(&explanation["residual"])?;
    let total = per_output(&explanation["prediction"])?;
    for ((sum, residual), total) in sums.iter().zip(&residual).zip(&total) {
        assert!(
            residual.abs() <= 1e-6 * total.abs().max(1.0),
            "{place}: residual {residual} of {total}"
        );
        assert!(
            (sum + residual - total).abs() <= 1e-9 * total.abs().max(1.0),
            "{place}: {sum} + {residual} is not {total}"
        );
    }
    Ok(())
}

fn by_name(value: &Value, labels: &[String]) -> Result<Vec<f64>> {
    labels
        .iter()
        .map(|label| {
            value[label]
                .as_f64()
                .with_context(|| format!("{label} in {value}"))
        })
        .collect()
}

/// A label as text, whether it is one or a number.
fn text(label: &Value) -> String {
    label
        .as_str()
        .map_or_else(|| label.to_string(), str::to_owned)
}
