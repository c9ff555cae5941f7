//! Explanations.

use std::borrow::Cow;

use hyaline_explain::{Explanations, OutputSpace};
use hyaline_model::{Model, sorted_positions};

use super::{margin_names, output_names};
use crate::Function;
use crate::json::JsonWriter;
use crate::options::space_name;
use crate::rows::Rows;

/// `"explanations": [{…}, …]`, one object per row.
pub(crate) fn write_explanations(
    json: &mut JsonWriter,
    function: &Function,
    rows: &Rows,
    explanations: &Explanations,
    top: Option<usize>,
) {
    json.key("explanations").begin_array();
    for row in 0..explanations.rows {
        write_explanation(json, function, rows, explanations, row, top);
    }
    json.end_array();
}

/// One explanation. It can be re-computed from itself and the model: it names method, unit, background and model, and
/// holds every value it explains.
///
/// With one output, `base_value`, `prediction`, `residual` and each `attribution` are numbers and `output` names what
/// they speak about; with several, each is an object by output name. `top` keeps the attributions of largest magnitude
/// (summed over outputs), largest first, and adds the sum of the rest as `other`. Sampled attributions have a
/// `standard_error`, and the explanation a `seed` and whether it `converged` to the tolerance asked for. An explanation by slopes says
/// by `gradient` where they come from.
pub(crate) fn write_explanation(
    json: &mut JsonWriter,
    function: &Function,
    rows: &Rows,
    explanations: &Explanations,
    row: usize,
    top: Option<usize>,
) {
    json.begin_object();
    write_explanation_members(json, function, rows, explanations, row, top);
    json.end_object();
}

/// The members of [`write_explanation`], in an open object.
pub(super) fn write_explanation_members(
    json: &mut JsonWriter,
    function: &Function,
    rows: &Rows,
    explanations: &Explanations,
    row: usize,
    top: Option<usize>,
) {
    let model = function.model();
    let outputs = explanations.outputs;
    let names = explained_names(model, explanations.outputs, explanations.space);
    let per_output = |json: &mut JsonWriter, key: &str, values: &[f64]| {
        json.key(key);
        match values {
            &[value] => {
                json.number(value);
            }
            values => {
                json.begin_object();
                for (name, &value) in names.iter().zip(values) {
                    json.key(name).number(value);
                }
                json.end_object();
            }
        }
    };

    json.key("method").text(explanations.method.name());
    json.key("exact").boolean(explanations.exact);
    json.key("space").text(space_name(explanations.space));
    if let [name] = names.as_slice() {
        json.key("output").text(name);
    }
    per_output(json, "base_value", &explanations.base_values);
    per_output(
        json,
        "prediction",
        &explanations.predictions[row * outputs..][..outputs],
    );

    let attributions = &explanations.attributions[row * explanations.features * outputs..]
        [..explanations.features * outputs];
    let order = largest_first(attributions, outputs, top);
    json.key("attributions").begin_array();
    for &feature in &order {
        json.begin_object();
        json.key("feature")
            .text(&model.schema().features()[feature].name);
        json.key("value");
        rows.seen(model, row, feature).write(json);
        per_output(
            json,
            "attribution",
            &attributions[feature * outputs..][..outputs],
        );
        if !explanations.standard_errors.is_empty() {
            let place = (row * explanations.features + feature) * outputs;
            per_output(
                json,
                "standard_error",
                &explanations.standard_errors[place..][..outputs],
            );
        }
        json.end_object();
    }
    json.end_array();
    if order.len() < explanations.features {
        let mut rest = vec![0.0; outputs];
        for feature in (0..explanations.features).filter(|feature| !order.contains(feature)) {
            for (sum, value) in rest.iter_mut().zip(&attributions[feature * outputs..]) {
                *sum += value;
            }
        }
        json.key("other").begin_object();
        json.key("features")
            .integer((explanations.features - order.len()) as u64);
        per_output(json, "attribution", &rest);
        json.end_object();
    }

    per_output(
        json,
        "residual",
        &explanations.residuals[row * outputs..][..outputs],
    );
    json.key("evaluations")
        .integer(explanations.evaluations / explanations.rows as u64);
    json.key("seed");
    match explanations.seed {
        Some(seed) => json.integer(seed),
        None => json.null(),
    };
    if explanations.seed.is_some() {
        json.key("converged").boolean(explanations.converged);
    }
    if let Some(source) = explanations.gradient {
        json.key("gradient").text(source.name());
    }
    json.key("background");
    match function.background_digest() {
        Some(digest) => json.text(digest),
        None => json.null(),
    };
    json.key("model").text(function.model_digest());
}

/// What the outputs of an explanation are called.
pub(crate) fn explained_names(
    model: &Model,
    outputs: usize,
    space: OutputSpace,
) -> Vec<Cow<'_, str>> {
    let names = output_names(model);
    match outputs {
        // A binary classifier is explained by its positive class.
        1 if names.len() == 2 => vec![names[model.parts().positive as usize].clone()],
        count if count == names.len() => names,
        count if space == OutputSpace::Margin => margin_names(model, count),
        count => (0..count).map(|at| Cow::Owned(at.to_string())).collect(),
    }
}

/// The features to show: all in schema order, or the `top` by magnitude. Equal magnitudes keep the schema's order.
fn largest_first(attributions: &[f64], outputs: usize, top: Option<usize>) -> Vec<usize> {
    let features = attributions.len() / outputs;
    if let Some(top) = top {
        let magnitude = |feature: usize| {
            attributions[feature * outputs..][..outputs]
                .iter()
                .map(|value| value.abs())
                .sum::<f64>()
        };
        let mut order = sorted_positions(features, &|a, b| magnitude(b).total_cmp(&magnitude(a)));
        order.truncate(top);
        return order;
    }
    (0..features).collect()
}
