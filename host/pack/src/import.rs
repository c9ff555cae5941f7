//! The model file → model parts, with the names that recipe and data give where the file has none of its own.

use hyaline_formats::{ImportError, ImportOptions, Imported};
use hyaline_model::{Feature, FeatureKind, Head, Label};

use crate::mlflow::SignatureColumn;
use crate::recipe::Recipe;
use crate::reference::Reference;

/// Most texts of a column that can be the categories of a feature; a column of numbers soon has more.
const MOST_CATEGORIES: usize = 4096;

/// Imports `model`. `columns` are the columns of the reference data without the target; without data, those of an MLflow
/// signature stand in.
///
/// The model's own feature names count where there is a column for each of them; else the model's features take the
/// names of the columns, in order, provided that there are as many.
///
/// # Errors
/// [`ImportError`] of the importer, or when model and data have nothing to do with each other.
pub(crate) fn import(
    recipe: &Recipe,
    model: &[u8],
    reference: Option<&Reference>,
    columns: Option<&[String]>,
    signature: &[SignatureColumn],
) -> Result<Imported, ImportError> {
    let unnamed = ImportOptions {
        categories: categories(recipe, reference, columns),
        ..ImportOptions::default()
    };
    let mut plain = hyaline_formats::import(model, &unnamed)?;
    let mut notes = Vec::new();
    let signed: Vec<String> = signature.iter().map(|column| column.name.clone()).collect();
    let options = ImportOptions {
        feature_names: match columns {
            Some(columns) => feature_names(&plain, columns, "the reference data", &mut notes)?,
            None if signed.is_empty() => Vec::new(),
            None => feature_names(&plain, &signed, "the signature", &mut notes)?,
        },
        labels: recipe
            .output
            .labels
            .clone()
            .filter(|labels| renames(&plain.head, labels))
            .unwrap_or_default(),
        target_names: match (&plain.head, &recipe.output.target) {
            (Head::Regression { targets, .. }, Some(target)) if targets.len() == 1 => {
                vec![target.clone()]
            }
            _ => Vec::new(),
        },
        ..unnamed.clone()
    };
    if options != unnamed {
        plain = hyaline_formats::import(model, &options)?;
    }
    plain.notes.append(&mut notes);
    Ok(plain)
}

/// What may stand in each column: the recipe's categories, then the texts of the reference data.
fn categories(
    recipe: &Recipe,
    reference: Option<&Reference>,
    columns: Option<&[String]>,
) -> Vec<(String, Vec<String>)> {
    let listed = |name: &str| {
        let note = recipe.features.get(name);
        note.and_then(|note| note.categories.clone())
            .unwrap_or_default()
    };
    let Some((reference, columns)) = reference.zip(columns) else {
        return recipe
            .features
            .keys()
            .map(|name| (name.clone(), listed(name)))
            .collect();
    };
    columns
        .iter()
        .map(|name| {
            let mut texts = listed(name);
            let found = reference.few_texts(name, MOST_CATEGORIES);
            for text in found.unwrap_or_default() {
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
            (name.clone(), texts)
        })
        .collect()
}

/// The names to give the model's features; none when its own are good.
fn feature_names(
    plain: &Imported,
    columns: &[String],
    source: &str,
    notes: &mut Vec<String>,
) -> Result<Vec<String>, ImportError> {
    let features = plain.schema.features();
    // A tensor has no column of its own name.
    let unnamed = |feature: &&Feature| {
        !(matches!(feature.kind, FeatureKind::Tensor(_)) || columns.contains(&feature.name))
    };
    let Some(unknown) = features.iter().find(unnamed) else {
        return Ok(Vec::new());
    };
    if columns.len() != features.len() {
        return Err(ImportError::invalid(
            source.trim_start_matches("the "),
            format!(
                "no column `{}` for the model's feature of that name, and {} columns besides the target cannot stand \
                 for {} features by position; name the columns like the features",
                unknown.name,
                columns.len(),
                features.len()
            ),
        ));
    }
    notes.push(format!(
        "the model's {} features take the names of {source}'s columns, in order (`{}` is `{}`, …)",
        features.len(),
        features[0].name,
        columns[0]
    ));
    Ok(columns.to_vec())
}

/// Whether `names` say something that the model's labels do not.
fn renames(head: &Head, names: &[String]) -> bool {
    match head {
        Head::Regression { .. } => true,
        Head::Classification { labels, .. } => {
            let same = |(label, name): (&Label, &String)| matches!(label, Label::Text(text) if text == name);
            labels.len() != names.len() || !labels.iter().zip(names).all(same)
        }
    }
}
