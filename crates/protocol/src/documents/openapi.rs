//! OpenAPI 3.1 of the whole function.

use hyaline_model::{Core, FeatureKind, Head, Model};

use super::schema::write_example;
use crate::card::Card;
use crate::json::JsonWriter;
use crate::render::{output_names, write_label};
use crate::rows::Rows;

/// The document but for what depends on the model: texts that start with `@` stand for JSON, and `@name` in a path for
/// the function's name.
const TEMPLATE: &str = include_str!("openapi.template.json");

/// The document of `model`; `row` is the JSON Schema of a row.
pub(super) fn document(model: &Model, card: &Card, row: &str) -> String {
    let parts = model.parts();
    let quoted = |text: &str| {
        write(|json| {
            json.text(text);
        })
    };
    let description = card
        .description
        .as_deref()
        .unwrap_or("A trained model with its explainer.");
    let example = Rows::trusted(model.example());
    TEMPLATE
        .replace(
            "\"@title\"",
            &quoted(card.title.as_deref().unwrap_or(&parts.name)),
        )
        .replace("\"@description\"", &quoted(description))
        .replace("\"@version\"", &quoted(&parts.version))
        .replace("\"@row\"", row)
        .replace("\"@prediction\"", &write(|json| prediction(json, model)))
        .replace(
            "\"@example\"",
            &write(|json| write_example(json, model, &example)),
        )
        .replace(
            "\"@inference\"",
            &write(|json| inference(json, model, &example)),
        )
        .replace("@name", &parts.name)
}

fn write(value: impl FnOnce(&mut JsonWriter)) -> String {
    let mut json = JsonWriter::new();
    value(&mut json);
    json.finish_text()
}

/// JSON Schema of a prediction.
fn prediction(json: &mut JsonWriter, model: &Model) {
    let by_output = |json: &mut JsonWriter, key: &str| {
        json.key(key)
            .begin_object()
            .key("$ref")
            .text("#/components/schemas/NumberByOutput")
            .end_object();
    };
    json.begin_object()
        .key("type")
        .text("object")
        .key("properties")
        .begin_object();
    let required = match &model.parts().head {
        Head::Regression { .. } => {
            by_output(json, "value");
            vec!["value"]
        }
        Head::Classification {
            labels,
            probabilities,
            ..
        } => {
            json.key("label").begin_object().key("enum").begin_array();
            labels.iter().for_each(|label| write_label(json, label));
            json.end_array().end_object();
            let scores = if *probabilities {
                "probabilities"
            } else {
                "scores"
            };
            json.key(scores)
                .begin_object()
                .key("type")
                .text("object")
                .key("properties")
                .begin_object();
            for name in output_names(model) {
                json.key(&name)
                    .begin_object()
                    .key("$ref")
                    .text("#/components/schemas/Number")
                    .end_object();
            }
            json.end_object().end_object();
            vec!["label", scores]
        }
    };
    if matches!(model.parts().core, Core::Additive { .. }) {
        by_output(json, "margin");
    }
    json.end_object()
        .key("required")
        .texts(required)
        .end_object();
}

/// An Open Inference V2 request for the example row.
fn inference(json: &mut JsonWriter, model: &Model, example: &Rows) {
    json.begin_object().key("inputs").begin_array();
    for (index, feature) in model.schema().features().iter().enumerate() {
        let datatype = match feature.kind {
            FeatureKind::Number => "FP64",
            FeatureKind::Integer => "INT64",
            FeatureKind::Boolean => "BOOL",
            FeatureKind::Category(_) | FeatureKind::Text => "BYTES",
            FeatureKind::Tensor(_) => "FP32",
        };
        json.begin_object();
        json.key("name")
            .text(&feature.name)
            .key("shape")
            .numbers([1.0, 1.0])
            .key("datatype")
            .text(datatype);
        json.key("data").begin_array();
        example.seen(model, 0, index).write(json);
        json.end_array().end_object();
    }
    json.end_array().end_object();
}
