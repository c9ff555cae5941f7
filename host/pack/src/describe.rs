//! An imported model + recipe + reference rows → the parts of the packed model.

use hyaline_formats::Imported;
use hyaline_model::{
    Batch, Categories, FeatureKind, Head, Model, ModelParts, Schema, SchemaError, Symbols,
};
use serde_json::Value;

use crate::card;
use crate::features::{FeatureError, annotate, groups};
use crate::mlflow::SignatureColumn;
use crate::recipe::Recipe;
use crate::reference::{Reference, ReferenceError, evenly_spaced};

/// Why recipe, data and model do not fit.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// The data does not fit the model.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The recipe's features make no schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A note about no feature.
    #[error(
        "the recipe describes a feature `{name}`, which the model does not take; it takes {features}"
    )]
    NoFeature {
        /// Name in the recipe.
        name: String,
        /// The model's features.
        features: String,
    },
    /// A note that does not fit its feature.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// A category that no part of the model mentions.
    #[error(
        "the recipe lists the category `{category}` of `{feature}`, which the model does not know; it knows {known}"
    )]
    Category {
        /// The feature.
        feature: String,
        /// The category.
        category: String,
        /// The model's categories.
        known: String,
    },
    /// No such class.
    #[error("`{positive}` is no label of the model; its labels are {labels}")]
    Positive {
        /// Label in the recipe.
        positive: String,
        /// The model's labels.
        labels: String,
    },
    /// A positive class for a model without classes.
    #[error(
        "the recipe names the positive label `{0}`, but the model predicts numbers: remove `positive`"
    )]
    NoClasses(String),
}

/// Completes an imported model by what recipe, data and an MLflow signature say: name, features, groups, positive
/// class, background and reference rows.
pub(crate) fn describe(
    imported: Imported,
    recipe: &Recipe,
    reference: Option<&Reference>,
    signature: &[SignatureColumn],
) -> Result<ModelParts, DescribeError> {
    let schema = schema(&imported, recipe, reference, signature)?;
    let mut parts = ModelParts::new(
        recipe.function.name.clone(),
        schema,
        imported.symbols,
        imported.graph,
        imported.head,
        imported.core,
    );
    if let Some(version) = &recipe.function.version {
        parts.version.clone_from(version);
    }
    if let Some(positive) = &recipe.model.positive {
        parts.positive = position(&parts.head, positive)?;
    }
    parts.explainer = recipe.explainer.settings();
    parts.groups = groups(&parts.schema, recipe);
    if let (Some(reference), Some(data)) = (reference, &recipe.data) {
        let rows = reference.batch(&parts.schema, &parts.symbols)?;
        let background = affordable(&parts.schema, data.background, KEPT_NUMBERS);
        parts.background = Some(rows.select(&evenly_spaced(rows.rows(), background)));
        let answers = reference.answers(&parts.head, data.target.as_deref())?;
        let kept = affordable(&parts.schema, data.reference, KEPT_NUMBERS);
        let kept = evenly_spaced(rows.rows(), kept);
        if !kept.is_empty() {
            parts.reference = Some(hyaline_model::Reference {
                rows: rows.select(&kept),
                answers: answers.map_or_else(Vec::new, |answers| {
                    kept.iter().map(|&row| answers[row]).collect()
                }),
            });
        }
    }
    Ok(parts)
}

/// Most numbers of tensors that background or reference rows keep in a function: 16 MiB of them.
const KEPT_NUMBERS: usize = 4 << 20;

/// Most numbers of tensors among the golden rows, which the card writes out as text.
const GOLDEN_NUMBERS: usize = 1 << 16;

/// `rows`, or as many (at least 1, where any are wanted) as have no more than `numbers` numbers in their tensors.
pub(crate) fn affordable(schema: &Schema, rows: usize, numbers: usize) -> usize {
    let elements = |kind: &FeatureKind| match kind {
        FeatureKind::Tensor(tensor) => tensor.elements(),
        _ => 0,
    };
    let features = schema.features().iter();
    let width: usize = features.map(|feature| elements(&feature.kind)).sum();
    match numbers.checked_div(width) {
        Some(most) => rows.min(most.max(1)),
        None => rows,
    }
}

fn schema(
    imported: &Imported,
    recipe: &Recipe,
    reference: Option<&Reference>,
    signature: &[SignatureColumn],
) -> Result<Schema, DescribeError> {
    let Imported {
        schema: imported,
        symbols,
        ..
    } = imported;
    if let Some(name) = recipe
        .features
        .keys()
        .find(|name| imported.position(name).is_none())
    {
        let features = quoted(
            imported
                .features()
                .iter()
                .map(|feature| feature.name.as_str()),
        );
        return Err(DescribeError::NoFeature {
            name: name.clone(),
            features,
        });
    }
    let mut features = imported.features().to_vec();
    for feature in &mut features {
        let note = recipe.features.get(&feature.name);
        let column = signature.iter().find(|column| column.name == feature.name);
        if let (FeatureKind::Number, Some(column)) = (&feature.kind, column) {
            feature.kind = kind_of(&column.kind);
        }
        if let Some(note) = note {
            annotate(feature, note, symbols)?;
        }
        if let FeatureKind::Category(categories) = &mut feature.kind {
            let wanted = note.and_then(|note| note.categories.as_ref());
            complete(&feature.name, categories, symbols, wanted, reference)?;
        }
        if let Some(reference) = reference {
            reference.describe(feature)?;
        }
    }
    Ok(Schema::new(features)?)
}

/// What a number of MLflow's type `name` is.
fn kind_of(name: &str) -> FeatureKind {
    match name {
        "long" | "integer" => FeatureKind::Integer,
        "boolean" => FeatureKind::Boolean,
        _ => FeatureKind::Number,
    }
}

/// The values of a category: the recipe's, else the model's own, else those of the reference rows that the model knows.
fn complete(
    feature: &str,
    categories: &mut Categories,
    symbols: &Symbols,
    wanted: Option<&Vec<String>>,
    reference: Option<&Reference>,
) -> Result<(), DescribeError> {
    let known = |text: &String| symbols.symbol(text).index().is_some();
    match (wanted, reference) {
        (Some(wanted), _) => {
            let unknown = |text: &&String| {
                !known(text) || !(categories.values.is_empty() || categories.values.contains(*text))
            };
            if let Some(category) = wanted.iter().find(unknown) {
                let known = quoted(categories.values.iter().map(String::as_str));
                return Err(DescribeError::Category {
                    feature: feature.to_owned(),
                    category: category.clone(),
                    known,
                });
            }
            categories.values.clone_from(wanted);
        }
        (None, Some(reference)) if categories.values.is_empty() => {
            categories.values = reference.texts(feature)?;
            categories.values.retain(known);
        }
        _ => {}
    }
    Ok(())
}

fn position(head: &Head, positive: &str) -> Result<u32, DescribeError> {
    let Head::Classification { labels, .. } = head else {
        return Err(DescribeError::NoClasses(positive.to_owned()));
    };
    let texts: Vec<String> = labels
        .iter()
        .map(|label| text(&card::label(label)))
        .collect();
    match texts.iter().position(|label| label == positive) {
        Some(position) => Ok(position as u32),
        None => Err(DescribeError::Positive {
            positive: positive.to_owned(),
            labels: quoted(texts.iter().map(String::as_str)),
        }),
    }
}

/// A label without the quotes of JSON.
fn text(label: &Value) -> String {
    label
        .as_str()
        .map_or_else(|| label.to_string(), str::to_owned)
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Golden rows: `count` (at least 1) evenly spaced reference rows. The batch and the rows by name hold the same values.
pub(crate) fn golden_rows(
    model: &Model,
    reference: &Reference,
    count: usize,
) -> Result<(Batch, Vec<card::Row>), ReferenceError> {
    let count = affordable(model.schema(), count.max(1), GOLDEN_NUMBERS);
    let chosen = evenly_spaced(reference.rows(), count);
    let batch = reference
        .batch(model.schema(), model.symbols())?
        .select(&chosen);
    let features = model.schema().features();
    let rows = chosen
        .iter()
        .enumerate()
        .map(|(row, &line)| {
            card::row(model, &batch, row, |position| {
                reference.cell(line, &features[position].name)
            })
        })
        .collect();
    Ok((batch, rows))
}
