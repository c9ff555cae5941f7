//! The output tensors of an inference.

use hyaline_explain::Explanations;
use hyaline_model::{Label, Predictions};

use super::input::Inference;
use super::metadata::label_datatype;
use super::tensor::{Datatype, Output, Tensor};
use crate::json::JsonWriter;
use crate::render::{label_text, probabilities, write_explanation};
use crate::{Function, Refusal};

/// One tensor per wanted output. The model is asked for predictions and for explanations at most once each.
pub(super) fn tensors(function: &Function, inference: &Inference) -> Result<Vec<Tensor>, Refusal> {
    let explained = |name: &str| matches!(name, "attributions" | "base_values" | "explanation");
    let mut predictions = None;
    let mut explanations = None;
    for wanted in &inference.wanted {
        if explained(&wanted.name) {
            if explanations.is_none() {
                explanations = Some(function.explain(&inference.rows, inference.options.request)?);
            }
        } else if predictions.is_none() {
            predictions = Some(function.predict(&inference.rows)?);
        }
    }
    let tensor = |name: &str| {
        let (shape, data) = match (name, &predictions, &explanations) {
            ("explanation", _, Some(explanations)) => documents(function, inference, explanations),
            ("attributions" | "base_values", _, Some(explanations)) => {
                attributions(name, explanations)
            }
            (_, Some(predictions), _) => predicted(function, name, predictions),
            _ => unreachable!("every wanted output was computed above"),
        };
        Tensor {
            name: name.to_owned(),
            shape,
            data,
            document: name == "explanation",
        }
    };
    Ok(inference
        .wanted
        .iter()
        .map(|wanted| tensor(&wanted.name))
        .collect())
}

fn predicted(function: &Function, name: &str, predictions: &Predictions) -> (Vec<usize>, Output) {
    let rows = predictions.rows;
    let model = function.model();
    match name {
        "label" => (vec![rows], labels(model.labels(), &predictions.labels)),
        "margin" => (
            vec![rows, predictions.margin_outputs],
            Output::Fp64(predictions.margins.clone()),
        ),
        "value" => (
            vec![rows, predictions.outputs],
            Output::Fp64(predictions.values.clone()),
        ),
        _ => {
            let scores: Vec<f64> = (0..rows)
                .flat_map(|row| probabilities(model, predictions, row).into_owned())
                .collect();
            (vec![rows, scores.len() / rows], Output::Fp64(scores))
        }
    }
}

fn labels(labels: &[Label], indices: &[u32]) -> Output {
    let chosen = indices.iter().map(|&index| &labels[index as usize]);
    match label_datatype(labels) {
        Datatype::Int64 => Output::Int64(
            chosen
                .map(|label| match label {
                    Label::Integer(number) => *number,
                    Label::Text(_) => unreachable!("all labels are integers"),
                })
                .collect(),
        ),
        _ => Output::Bytes(chosen.map(|label| label_text(label).into_owned()).collect()),
    }
}

/// `attributions` `[rows, features]` or, with several outputs, `[rows, features, outputs]`; `base_values` `[outputs]`.
fn attributions(name: &str, explanations: &Explanations) -> (Vec<usize>, Output) {
    let single = |values: &[f64]| Output::Fp32(values.iter().map(|&value| value as f32).collect());
    if name == "base_values" {
        return (
            vec![explanations.outputs],
            single(&explanations.base_values),
        );
    }
    let mut shape = vec![explanations.rows, explanations.features];
    if explanations.outputs > 1 {
        shape.push(explanations.outputs);
    }
    (shape, single(&explanations.attributions))
}

/// Each row's explanation as a JSON text, `[rows, 1]`, as Seldon's explainers answer.
fn documents(
    function: &Function,
    inference: &Inference,
    explanations: &Explanations,
) -> (Vec<usize>, Output) {
    let documents = (0..explanations.rows).map(|row| {
        let mut json = JsonWriter::new();
        write_explanation(
            &mut json,
            function,
            &inference.rows,
            explanations,
            row,
            inference.options.top,
        );
        json.finish_text()
    });
    (
        vec![explanations.rows, 1],
        Output::Bytes(documents.collect()),
    )
}
