//! OpenAPI 3.1 of the whole function.

use hyaline_explain::{Explainer, Method, PartMethod, picture_feature, reference_rows, takes_text};
use hyaline_model::{Core, FeatureKind, Head, Model};

use super::schema::write_example;
use crate::card::Card;
use crate::json::JsonWriter;
use crate::render::{output_names, write_label};
use crate::rows::Rows;

/// The document but for what depends on the model: texts that start with `@` stand for JSON, `@name` in a path for the
/// function's name, and a line behind `?word ` is there only where the function has what the word names.
const TEMPLATE: &str = include_str!("openapi.template.json");

/// What a function can do that not every function can.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abilities<'f> {
    /// Knows the additive methods.
    pub(crate) explainer: &'f Explainer,
    /// Whether it has rows to learn from what values occur.
    pub(crate) reference: bool,
}

impl Abilities<'_> {
    /// The names that `method` of an explanation may have: texts and pictures are explained by their parts.
    fn methods(self, model: &Model) -> Vec<&'static str> {
        let mut names = vec!["auto"];
        if takes_text(model) || takes_picture(model) {
            names.extend(PartMethod::ALL.map(PartMethod::name));
            if takes_picture(model) {
                names.extend(["rise", "integrated-gradients"]);
            }
        } else {
            names.extend(self.explainer.methods(model).into_iter().map(Method::name));
            names.extend(self.reference.then_some("lime"));
        }
        names
    }

    /// Whether the function has what `word` names in the template.
    fn has(self, model: &Model, word: &str) -> bool {
        match word {
            "reference" => self.reference,
            "rows" => reference_rows(model).is_some(),
            "values" => reference_rows(model).is_some() && has_plain_features(model),
            "text" => takes_text(model),
            "picture" => takes_picture(model),
            "table" => !takes_text(model) && !takes_picture(model),
            "other" => !takes_picture(model),
            "conformity" => model.parts().conformity.is_some(),
            _ => false,
        }
    }
}

/// Whether `/explain` is of pictures, which a function without their reader never is.
fn takes_picture(model: &Model) -> bool {
    cfg!(feature = "images") && picture_feature(model).is_some() && !takes_text(model)
}

/// Whether every feature is a number, a truth value or a category.
fn has_plain_features(model: &Model) -> bool {
    let mut features = model.schema().features().iter();
    features.all(|feature| !matches!(feature.kind, FeatureKind::Text | FeatureKind::Tensor(_)))
}

/// The document of `model`; `row` is the JSON Schema of a row.
pub(super) fn document(model: &Model, card: &Card, row: &str, abilities: Abilities<'_>) -> String {
    let parts = model.parts();
    let methods = abilities.methods(model);
    let kept = TEMPLATE.lines().filter_map(|line| {
        let Some(line) = line.strip_prefix('?') else {
            return Some(line);
        };
        let (word, line) = line.split_once(' ')?;
        abilities.has(model, word).then_some(line)
    });
    let template: Vec<&str> = kept.collect();
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
    template
        .join("\n")
        .replace(
            "\"@methods\"",
            &write(|json| {
                json.texts(methods);
            }),
        )
        .replace(
            "\"@title\"",
            &quoted(card.title.as_deref().unwrap_or(&parts.name)),
        )
        .replace("\"@description\"", &quoted(description))
        .replace("\"@version\"", &quoted(&parts.version))
        .replace("\"@row\"", row)
        .replace("\"@feature\"", &quoted(&model.schema().features()[0].name))
        .replace("\"@prediction\"", &write(|json| prediction(json, model)))
        .replace(
            "\"@example\"",
            &write(|json| write_example(json, model, &example)),
        )
        .replace(
            "\"@inference\"",
            &write(|json| inference(json, model, &example)),
        )
        .replace("\"@feature\"", &quoted(&model.schema().features()[0].name))
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
        let mut shape = vec![1.0];
        match &feature.kind {
            FeatureKind::Tensor(kind) => {
                shape.extend(kind.extents.iter().map(|&extent| f64::from(extent)));
            }
            _ => shape.push(1.0),
        }
        json.key("name")
            .text(&feature.name)
            .key("shape")
            .numbers(shape)
            .key("datatype")
            .text(datatype);
        json.key("data").begin_array();
        example.seen(model, 0, index).write(json);
        json.end_array().end_object();
    }
    json.end_array().end_object();
}
