//! Predictions.

use std::borrow::Cow;

use hyaline_model::{Core, Head, Label, Link, Model, Predictions};

use crate::json::JsonWriter;

/// A label as a text, for keys.
pub(crate) fn label_text(label: &Label) -> Cow<'_, str> {
    match label {
        Label::Text(text) => Cow::Borrowed(text),
        Label::Integer(number) => Cow::Owned(number.to_string()),
    }
}

/// A label as the model has it: a text or an integer.
pub(crate) fn write_label(json: &mut JsonWriter, label: &Label) {
    match label {
        Label::Text(text) => json.text(text),
        Label::Integer(number) => json.raw(&number.to_string()),
    };
}

/// Names of the numbers in an answer: classes, or targets.
pub(crate) fn output_names(model: &Model) -> Vec<Cow<'_, str>> {
    match &model.parts().head {
        Head::Regression { targets, .. } => targets
            .iter()
            .map(|name| Cow::Borrowed(name.as_str()))
            .collect(),
        Head::Classification { labels, .. } => labels.iter().map(label_text).collect(),
    }
}

/// Names of `margins` margins: the class that a single margin speaks for, or one class or target each. Where the model
/// has no name for one, its position.
pub(crate) fn margin_names(model: &Model, margins: usize) -> Vec<Cow<'_, str>> {
    let names = output_names(model);
    match margins {
        1 if names.len() == 2 => vec![names[1].clone()],
        count if count == names.len() => names,
        count => (0..count).map(|at| Cow::Owned(at.to_string())).collect(),
    }
}

/// The class scores of `row`, one per label. A binary classifier that scores only its second class gets the score of the
/// first one added, when scores are probabilities.
pub(crate) fn probabilities<'p>(
    model: &Model,
    predictions: &'p Predictions,
    row: usize,
) -> Cow<'p, [f64]> {
    let scores = &predictions.values[row * predictions.outputs..][..predictions.outputs];
    match (&model.parts().head, scores) {
        (
            Head::Classification {
                labels,
                probabilities: true,
                ..
            },
            &[second],
        ) if labels.len() == 2 => Cow::Owned(vec![1.0 - second, second]),
        _ => Cow::Borrowed(scores),
    }
}

/// `"predictions": [{…}, …]`, one object per row.
pub(crate) fn write_predictions(json: &mut JsonWriter, model: &Model, predictions: &Predictions) {
    json.key("predictions").begin_array();
    for row in 0..predictions.rows {
        write_prediction(json, model, predictions, row);
    }
    json.end_array();
}

/// The prediction of one row.
pub(crate) fn write_prediction(
    json: &mut JsonWriter,
    model: &Model,
    predictions: &Predictions,
    row: usize,
) {
    json.begin_object();
    write_prediction_members(json, model, predictions, row);
    json.end_object();
}

/// What a plain scikit-learn server would answer for a row: the label of a classifier, the value of a regressor (a list
/// when it has several targets).
pub(crate) fn write_outcome(
    json: &mut JsonWriter,
    model: &Model,
    predictions: &Predictions,
    row: usize,
) {
    match &model.parts().head {
        Head::Classification { labels, .. } => {
            write_label(json, &labels[predictions.labels[row] as usize])
        }
        Head::Regression { .. } => {
            match &predictions.values[row * predictions.outputs..][..predictions.outputs] {
                &[value] => {
                    json.number(value);
                }
                values => {
                    json.numbers(values.iter().copied());
                }
            }
        }
    }
}

/// A classifier's `label`, `probabilities` (or `scores`) by label, and `margin`; a regressor's `value`. A single number
/// stands alone, several are an object by name.
pub(crate) fn write_prediction_members(
    json: &mut JsonWriter,
    model: &Model,
    predictions: &Predictions,
    row: usize,
) {
    match &model.parts().head {
        Head::Classification {
            labels,
            probabilities: are_probabilities,
            ..
        } => {
            write_label(json.key("label"), &labels[predictions.labels[row] as usize]);
            json.key(if *are_probabilities {
                "probabilities"
            } else {
                "scores"
            });
            let scores = probabilities(model, predictions, row);
            let names = match scores.len() {
                count if count == labels.len() => output_names(model),
                count => margin_names(model, count),
            };
            write_by_name(json, &names, &scores, true);
        }
        Head::Regression { .. } => {
            json.key("value");
            let values = &predictions.values[row * predictions.outputs..][..predictions.outputs];
            write_by_name(json, &output_names(model), values, false);
        }
    }
    let margins =
        &predictions.margins[row * predictions.margin_outputs..][..predictions.margin_outputs];
    if !margins.is_empty() && !margin_is_answer(model) {
        json.key("margin");
        write_by_name(json, &margin_names(model, margins.len()), margins, false);
    }
}

/// An object of numbers by name, or the number alone where there is one and `always_named` is not asked.
pub(crate) fn write_by_name(
    json: &mut JsonWriter,
    names: &[Cow<'_, str>],
    values: &[f64],
    always_named: bool,
) {
    if let (&[value], false) = (values, always_named) {
        json.number(value);
        return;
    }
    json.begin_object();
    for (name, &value) in names.iter().zip(values) {
        json.key(name).number(value);
    }
    json.end_object();
}

/// Whether the margin says nothing that the value does not.
fn margin_is_answer(model: &Model) -> bool {
    matches!(
        (&model.parts().head, &model.parts().core),
        (
            Head::Regression { .. },
            Core::Additive {
                link: Link::Identity,
                ..
            }
        )
    )
}
