//! JSON Schema (2020-12) of one row, an object by feature name.

use hyaline_model::{Feature, FeatureKind, ImageKind, Missing, Model, Unseen};

use crate::card::Card;
use crate::json::JsonWriter;
use crate::rows::{Rows, Seen};

/// The schema of a row. Ranges are what the reference data had, given as `x-range` because values outside of them are
/// accepted; `default` is a typical value, `examples` holds one whole row. A tensor is nested lists of `x-shape`, or one
/// flat list of as many numbers.
pub(super) fn row(model: &Model, card: &Card) -> String {
    let example = Rows::trusted(model.example());
    let mut json = JsonWriter::new();
    json.begin_object();
    json.key("$schema")
        .text("https://json-schema.org/draft/2020-12/schema");
    json.key("title")
        .text(card.title.as_deref().unwrap_or(&model.parts().name));
    if let Some(description) = &card.description {
        json.key("description").text(description);
    }
    json.key("type").text("object");
    json.key("properties").begin_object();
    for (index, feature) in model.schema().features().iter().enumerate() {
        json.key(&feature.name);
        write_feature(&mut json, feature, example.seen(model, 0, index));
    }
    json.end_object();
    let required = model
        .schema()
        .features()
        .iter()
        .filter(|feature| feature.missing == Missing::Refused);
    json.key("required")
        .texts(required.map(|feature| feature.name.as_str()));
    json.key("additionalProperties").boolean(false);
    json.key("examples").begin_array();
    write_example(&mut json, model, &example);
    json.end_array();
    json.end_object();
    json.finish_text()
}

/// The example row as an object.
pub(super) fn write_example(json: &mut JsonWriter, model: &Model, example: &Rows) {
    json.begin_object();
    for (index, feature) in model.schema().features().iter().enumerate() {
        json.key(&feature.name);
        example.seen(model, 0, index).write(json);
    }
    json.end_object();
}

/// How a picture becomes the numbers of the tensor: `black` and `white` are those of the bytes 0 and 255, per channel.
fn write_image(json: &mut JsonWriter, image: &ImageKind) {
    json.key("x-image").begin_object();
    json.key("width").integer(image.width.into());
    json.key("height").integer(image.height.into());
    json.key("channels").integer(image.channels.into());
    json.key("channels_first").boolean(image.channels_first);
    for (key, numbers) in [("black", &image.black), ("white", &image.white)] {
        json.key(key)
            .numbers(numbers.iter().map(|&number| f64::from(number)));
    }
    json.end_object();
}

fn write_feature(json: &mut JsonWriter, feature: &Feature, typical: Seen<'_>) {
    json.begin_object();
    if !feature.description.is_empty() {
        json.key("description").text(&feature.description);
    }
    let name = match &feature.kind {
        FeatureKind::Number => "number",
        FeatureKind::Integer => "integer",
        FeatureKind::Boolean => "boolean",
        FeatureKind::Category(_) => "string",
        FeatureKind::Text => {
            json.key("x-text").boolean(true);
            "string"
        }
        FeatureKind::Tensor(tensor) => {
            json.key("x-shape")
                .numbers(tensor.extents.iter().map(|&extent| f64::from(extent)));
            if let Some(image) = &tensor.image {
                write_image(json, image);
            }
            "array"
        }
    };
    json.key("type");
    match feature.missing {
        Missing::Accepted => json.texts([name, "null"]),
        Missing::Refused => json.text(name),
    };
    if let FeatureKind::Category(categories) = &feature.kind
        && !categories.values.is_empty()
    {
        // A list of suggestions where other texts are taken too.
        json.key(if categories.unseen == Unseen::Refused {
            "enum"
        } else {
            "x-values"
        })
        .begin_array();
        for value in &categories.values {
            json.text(value);
        }
        if feature.missing == Missing::Accepted && categories.unseen == Unseen::Refused {
            json.null();
        }
        json.end_array();
    }
    if let Some((smallest, largest)) = feature.range {
        json.key("x-range").numbers([smallest, largest]);
    }
    json.key("default");
    typical.write(json);
    json.end_object();
}
