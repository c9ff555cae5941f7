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

use crate::answers::{Answers, Float};
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
    /// How answers are explained.
    pub explainer: ExplainerCard,
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
    /// `number`, `integer`, `boolean` or `category`.
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
    let (kind, categories) = match &feature.kind {
        FeatureKind::Number => ("number", None),
        FeatureKind::Integer => ("integer", None),
        FeatureKind::Boolean => ("boolean", None),
        FeatureKind::Category(categories) => ("category", Some(categories)),
    };
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
            };
            (feature.name.clone(), value)
        })
        .collect()
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
    /// Categories.
    Texts(Vec<Option<String>>),
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
        if feature.kind == "category" {
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
