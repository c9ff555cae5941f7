//! Interaction values.

use hyaline_explain::{Explanations, Interactions};
use hyaline_model::Model;

use super::explanation::explained_names;
use crate::json::JsonWriter;

/// `"interactions": [{"features": […], "values": …}, …]`, one object per row: a symmetric matrix in the order of
/// `features`, or one matrix by output name where there are several outputs.
pub(crate) fn write_interactions(
    json: &mut JsonWriter,
    model: &Model,
    explanations: &Explanations,
    interactions: &Interactions,
) {
    let names = explained_names(model, explanations.outputs, explanations.space);
    let (features, outputs) = (interactions.features, interactions.outputs);
    json.key("interactions").begin_array();
    for row in 0..interactions.rows {
        let values = &interactions.values[row * features * features * outputs..]
            [..features * features * outputs];
        json.begin_object();
        json.key("features").begin_array();
        for feature in model.schema().features() {
            json.text(&feature.name);
        }
        json.end_array();
        json.key("values");
        if outputs == 1 {
            write_matrix(json, features, values.iter());
        } else {
            json.begin_object();
            for (output, name) in names.iter().enumerate() {
                json.key(name);
                write_matrix(json, features, values.iter().skip(output).step_by(outputs));
            }
            json.end_object();
        }
        json.end_object();
    }
    json.end_array();
}

fn write_matrix<'v>(json: &mut JsonWriter, width: usize, values: impl Iterator<Item = &'v f64>) {
    json.begin_array();
    for (at, &value) in values.enumerate() {
        if at % width == 0 {
            json.begin_array();
        }
        json.number(value);
        if at % width == width - 1 {
            json.end_array();
        }
    }
    json.end_array();
}
