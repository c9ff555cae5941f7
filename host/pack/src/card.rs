//! The card: what a function says of itself.
//!
//! The model image carries the card of the model; the packed component carries the same card and what is known only once
//! it is packed: the digests of image and engine, and golden rows with their answers.

use std::collections::BTreeMap;

use hyaline_model::{
    Batch, Categories, Column, Feature, FeatureKind, Head, Label, Missing, Model, Unseen,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answers::{Answers, Draw, Float};
use crate::held_out::{CalibrationCard, UncertaintyCard};
use crate::json;

/// A row by feature name; a missing value is `null`.
pub type Row = Map<String, Value>;

/// What a function is, where it comes from and how it explains.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Card {
    /// Name in routes and protocols.
    pub name: String,
    /// Version text.
    pub version: String,
    /// A line for people.
    pub title: String,
    /// What the function decides; may be empty.
    pub description: String,
    /// `classification` or `regression`.
    pub task: String,
    /// What is predicted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
    /// Classes in output order, as texts or integers; names of the targets of a regressor.
    pub labels: Vec<Value>,
    /// The class that explanations of a binary classifier speak about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub positive: Option<Value>,
    /// What a row looks like, in the order of attributions.
    pub features: Vec<FeatureCard>,
    /// What runs the model.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub engine: Option<EngineCard>,
    /// How answers are explained.
    pub explainer: ExplainerCard,
    /// Features that are explained as one, by the name of their group.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub groups: BTreeMap<String, Vec<String>>,
    /// Rows kept for explanations of the data as a whole; 0 without reference data.
    #[serde(default)]
    pub reference_rows: usize,
    /// How probabilities were calibrated; absent for the model's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub calibration: Option<CalibrationCard>,
    /// What prediction intervals and sets follow from; absent without them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uncertainty: Option<UncertaintyCard>,
    /// Figures on held-out data.
    pub metrics: BTreeMap<String, f64>,
    /// Licences of the parts.
    pub licence: BTreeMap<String, String>,
    /// `sha256:` digests: `model` (the file that was packed) and `background` (its rows as a canonical JSON array of
    /// objects by feature name); once packed `engine` and `image`.
    pub digests: BTreeMap<String, String>,
    /// Versions of what made the function.
    pub tools: BTreeMap<String, String>,
    /// A typical row.
    pub example: Row,
    /// Rows with the answers they must get.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub golden: Option<Golden>,
}

/// A feature on the card.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FeatureCard {
    /// Name.
    pub name: String,
    /// `number`, `integer`, `boolean`, `category`, `text` or `tensor`.
    pub kind: String,
    /// Whether a value may be missing.
    pub missing: bool,
    /// One sentence; may be empty.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub description: String,
    /// Smallest and largest value of the reference rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub range: Option<(f64, f64)>,
    /// Known categories in display order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub categories: Vec<String>,
    /// Whether a category outside of the list is accepted; categories only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unseen: Option<bool>,
    /// Extents of a tensor, outermost first; tensors only.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub shape: Vec<u32>,
    /// How a tensor is an image; images only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image: Option<ImageCard>,
}

/// How the numbers of a tensor are an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageCard {
    /// Pixels from top to bottom.
    pub height: u32,
    /// Pixels from left to right.
    pub width: u32,
    /// Numbers per pixel: 1 grey, 3 red, green and blue, 4 with opacity.
    pub channels: u32,
}

/// What runs a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineCard {
    /// `tabular` or `neural`.
    pub name: String,
    /// Why this one.
    pub reason: String,
}

/// How a function explains.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainerCard {
    /// The default method; `none` when the model has no exact one.
    pub method: String,
    /// Why this method and not another.
    pub reason: String,
    /// Whether it is exact.
    pub exact: bool,
    /// `margin` or `probability`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub space: Option<String>,
    /// Rows that stand for an absent feature; 0 without a background.
    pub background_rows: usize,
    /// Most bytes of precomputed tables.
    pub table_budget: u64,
    /// Most features for which all coalitions are enumerated unasked.
    pub enumeration_limit: u32,
}

/// Rows and the answers they must get, to the bit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Golden {
    /// The rows, asked as one batch.
    pub rows: Vec<Row>,
    /// How their sampled explanations are drawn; absent when the function has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub draw: Option<Draw>,
    /// The answers.
    pub answers: Answers,
}

impl Card {
    /// Canonical JSON: equal cards give equal bytes.
    pub fn to_json(&self) -> String {
        json::canonical(
            &serde_json::to_value(self).expect("a card is made of texts and finite numbers"),
        )
    }
}

/// `classification` or `regression`.
pub(crate) fn task(head: &Head) -> &'static str {
    match head {
        Head::Regression { .. } => "regression",
        Head::Classification { .. } => "classification",
    }
}

/// Classes of a classifier, target names of a regressor.
pub(crate) fn labels(head: &Head) -> Vec<Value> {
    match head {
        Head::Regression { targets, .. } => targets
            .iter()
            .map(|name| Value::from(name.as_str()))
            .collect(),
        Head::Classification { labels, .. } => labels.iter().map(label).collect(),
    }
}

/// A label as JSON.
pub(crate) fn label(label: &Label) -> Value {
    match label {
        Label::Text(text) => Value::from(text.as_str()),
        Label::Integer(number) => Value::from(*number),
    }
}

/// The card's view of a feature.
pub(crate) fn feature(feature: &Feature) -> FeatureCard {
    let (kind, categories, tensor) = match &feature.kind {
        FeatureKind::Number => ("number", None, None),
        FeatureKind::Integer => ("integer", None, None),
        FeatureKind::Boolean => ("boolean", None, None),
        FeatureKind::Category(categories) => ("category", Some(categories), None),
        FeatureKind::Text => ("text", None, None),
        FeatureKind::Tensor(tensor) => ("tensor", None, Some(tensor)),
    };
    let image = tensor.and_then(|tensor| tensor.image.as_ref());
    FeatureCard {
        name: feature.name.clone(),
        kind: kind.to_owned(),
        missing: feature.missing == Missing::Accepted,
        description: feature.description.clone(),
        range: feature.range,
        categories: categories
            .map(|Categories { values, .. }| values.clone())
            .unwrap_or_default(),
        unseen: categories.map(|categories| categories.unseen == Unseen::Accepted),
        shape: tensor.map_or_else(Vec::new, |tensor| tensor.extents.clone()),
        image: image.map(|image| ImageCard {
            height: image.height,
            width: image.width,
            channels: image.channels,
        }),
    }
}

/// Row `row` of `batch` by feature name. A category is the text that `text` gives for the feature at this position, and
/// the model's own text of it otherwise.
pub(crate) fn row<'a>(
    model: &Model,
    batch: &Batch,
    row: usize,
    text: impl Fn(usize) -> Option<&'a str>,
) -> Row {
    let columns = model
        .schema()
        .features()
        .iter()
        .zip(batch.columns())
        .enumerate();
    columns
        .map(|(position, (feature, column))| {
            let value = match column {
                Column::Symbols(symbols) => {
                    match text(position).or_else(|| model.symbols().text(symbols[row])) {
                        None | Some("") => Value::Null,
                        Some(text) => Value::from(text),
                    }
                }
                Column::Numbers(numbers) => match (numbers[row], &feature.kind) {
                    (value, _) if value.is_nan() => Value::Null,
                    (value, FeatureKind::Boolean) => Value::from(value != 0.0),
                    (value, FeatureKind::Integer) => Value::from(value as i64),
                    (value, _) => serde_json::to_value(Float(value)).expect("a number is JSON"),
                },
                Column::Texts(texts) => Value::from(texts[row].as_str()),
                Column::Tensors(tensors) => match &feature.kind {
                    FeatureKind::Tensor(kind) => nested(&kind.extents, tensors.row(row)),
                    _ => Value::Null,
                },
            };
            (feature.name.clone(), value)
        })
        .collect()
}

/// Numbers as lists nested by `extents`, each in the shortest text of its single precision.
fn nested(extents: &[u32], numbers: &[f32]) -> Value {
    match extents.split_first() {
        None => serde_json::from_str(&numbers[0].to_string()).unwrap_or(Value::Null),
        Some((&extent, inner)) => numbers
            .chunks_exact(numbers.len() / extent as usize)
            .map(|part| nested(inner, part))
            .collect(),
    }
}

/// Why rows cannot be asked through the typed door.
#[derive(Debug, thiserror::Error)]
#[error("row {row}, feature `{feature}`: {value} is no {kind}")]
pub struct RowError {
    /// Name of the feature.
    pub feature: String,
    /// Position of the row, counted from 1.
    pub row: usize,
    /// The value seen.
    pub value: String,
    /// Kind of the feature.
    pub kind: String,
}

/// The values of one feature, one per row: what a `column` of the typed door holds.
#[derive(Clone, Debug)]
pub enum Cells {
    /// Numbers, whole numbers, and booleans as 0 or 1; NaN is missing.
    Numbers(Vec<f64>),
    /// Categories and free texts.
    Texts(Vec<Option<String>>),
    /// Tensors of so many numbers each.
    Tensors(u32, Vec<f32>),
}

/// `rows` as columns, in the order of `features`. A feature that a row does not have is missing.
///
/// # Errors
/// [`RowError`] when a value is of another type than its feature.
pub fn columns(features: &[FeatureCard], rows: &[Row]) -> Result<Vec<Cells>, RowError> {
    let column = |feature: &FeatureCard| {
        let cells = rows
            .iter()
            .enumerate()
            .map(|(index, row)| (index, row.get(&feature.name).unwrap_or(&Value::Null)));
        let refused = |(row, value): (usize, &Value)| RowError {
            feature: feature.name.clone(),
            row: row + 1,
            value: value.to_string(),
            kind: feature.kind.clone(),
        };
        if feature.kind == "tensor" {
            let width: u32 = feature.shape.iter().product();
            let mut values = Vec::with_capacity(rows.len() * width as usize);
            for (index, value) in cells {
                let start = values.len();
                flatten(value, &mut values)
                    .filter(|()| values.len() - start == width as usize)
                    .ok_or_else(|| refused((index, value)))?;
            }
            Ok(Cells::Tensors(width, values))
        } else if matches!(feature.kind.as_str(), "category" | "text") {
            let text = |(index, value): (usize, &Value)| match value {
                Value::Null => Ok(None),
                Value::String(text) => Ok(Some(text.clone())),
                _ => Err(refused((index, value))),
            };
            Ok(Cells::Texts(cells.map(text).collect::<Result<_, _>>()?))
        } else {
            let number = |(index, value): (usize, &Value)| match value {
                Value::Null => Ok(f64::NAN),
                Value::Bool(value) => Ok(f64::from(u8::from(*value))),
                value => value.as_f64().ok_or_else(|| refused((index, value))),
            };
            Ok(Cells::Numbers(cells.map(number).collect::<Result<_, _>>()?))
        }
    };
    features.iter().map(column).collect()
}

/// The numbers of nested lists, in order; `None` where there is something else.
fn flatten(value: &Value, numbers: &mut Vec<f32>) -> Option<()> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| flatten(item, numbers)),
        value => {
            numbers.push(value.as_f64()? as f32);
            Some(())
        }
    }
}
