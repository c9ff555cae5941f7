//! CatBoost's JSON model (`model.save_model(path, format="json")`).
//!
//! Features and borders are f32, and `x > border` answers a split with yes; leaf values are f64. Covers are the leaf
//! weights that the library's own `ShapValues` use.
//!
//! The file holds categories as 32-bit hashes of their texts. A model with one-hot splits is read exactly when
//! [`ImportOptions::categories`] knows a text for each hash that a split asks for; statistics of the target per category
//! (CTRs) are not read.

mod document;
mod hash;
mod loss;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use hyaline_model::trees::Aggregate;
use hyaline_model::{Categories, ElementType, Feature, FeatureKind, Label, Missing, Unseen};
use serde_json::Value;

use crate::booster::{Booster, BoosterFeature, Estimator, Task};
use crate::forest::Forest;
use crate::{ImportError, ImportOptions};
use document::{Document, FeaturesInfo, ModelInfo, Split};
use loss::Loss;
use tree::{Columns, outputs_of, plant, plant_oblivious};

const FORMAT: &str = "CatBoost model";

fn invalid(place: &str, reason: impl Into<String>) -> ImportError {
    ImportError::invalid(format!("{FORMAT}, {place}"), reason)
}

fn unsupported(place: &str, reason: impl Into<String>) -> ImportError {
    ImportError::unsupported(format!("{FORMAT}, {place}"), reason)
}

/// Keys with which CatBoost's document can begin, and XGBoost's cannot.
const FIRST_KEYS: [&[u8]; 6] = [
    b"\"ctr_data\"",
    b"\"features_info\"",
    b"\"model_info\"",
    b"\"oblivious_trees\"",
    b"\"scale_and_bias\"",
    b"\"trees\"",
];

/// What every file of CatBoost's binary format begins with.
const BINARY: &[u8] = b"CBM1";

/// Whether `bytes` look like a CatBoost model, JSON or binary.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    let first_key = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    bytes.starts_with(BINARY)
        || first_key.is_some_and(|key| FIRST_KEYS.iter().any(|known| key.starts_with(known)))
}

/// Reads a JSON model; the binary format is refused.
///
/// # Errors
/// [`ImportError`] naming the key, tree or feature; for a damaged file the line and column. Memory stays within a small
/// multiple of the file's length.
pub(crate) fn read(bytes: &[u8], options: &ImportOptions) -> Result<Booster, ImportError> {
    if bytes.starts_with(BINARY) {
        return Err(ImportError::unsupported(
            format!("{FORMAT} (.cbm)"),
            "the binary format; load the model in Python and save it with `model.save_model(\"model.json\", \
             format=\"json\")`",
        ));
    }
    let document: Document = serde_json::from_slice(bytes)
        .map_err(|error| ImportError::invalid(format!("{FORMAT} (JSON)"), error.to_string()))?;
    refuse_features(&document.features_info)?;
    let oblivious = document.oblivious_trees.as_deref().unwrap_or_default();
    let others = document.trees.as_deref().unwrap_or_default();
    if oblivious.is_empty() == others.is_empty() {
        return Err(invalid(
            "oblivious_trees",
            format!(
                "{} oblivious trees and {} other trees, expected trees of one kind",
                oblivious.len(),
                others.len()
            ),
        ));
    }
    let outputs = outputs_of(oblivious.first(), others.first());
    if outputs == 0 {
        return Err(invalid("tree 0", "its leaves have no values"));
    }
    let loss = loss(&document.model_info)?;
    let labels = labels(&document.model_info, loss.task, outputs)?;
    let (scale, bias) = &document.scale_and_bias;
    let base = match bias.as_slice() {
        [one] => vec![*one; outputs],
        many if many.len() == outputs => many.to_vec(),
        many => {
            return Err(invalid(
                "scale_and_bias",
                format!("{} biases for {outputs} outputs", many.len()),
            ));
        }
    };
    let (features, columns) = columns(&document, options)?;
    let mut forest = Forest::new(features.len() as u32, outputs as u32);
    let placed = |index: usize| move |reason: String| invalid(&format!("tree {index}"), reason);
    for (index, tree) in oblivious.iter().enumerate() {
        plant_oblivious(tree, &mut forest, outputs, *scale, &columns).map_err(placed(index))?;
    }
    for (index, tree) in others.iter().enumerate() {
        plant(tree, &mut forest, outputs, *scale, &columns).map_err(placed(index))?;
    }
    let covers = forest.has_covers();
    let mut notes = Vec::new();
    if !covers {
        notes.push(
            "the file has no leaf weights: path-dependent explanations need reference data"
                .to_owned(),
        );
    }
    Ok(Booster {
        library: "CatBoost",
        features,
        precision: ElementType::F32,
        estimator: Estimator::Trees(forest.finish(base, Aggregate::Sum, covers)),
        transform: loss.transform,
        task: loss.task,
        labels,
        notes,
    })
}

/// Refuses what no column of numbers or one-hot categories can stand for.
fn refuse_features(info: &FeaturesInfo) -> Result<(), ImportError> {
    for (what, features, remedy) in [
        (
            "text",
            &info.text_features,
            "turn it into numbers before the model, e.g. by a TfidfVectorizer in a scikit-learn pipeline exported to \
             ONNX",
        ),
        (
            "embedding",
            &info.embedding_features,
            "give its numbers to the model as float features",
        ),
    ] {
        if let Some(feature) = features.first() {
            let name = shown(&feature.feature_id, feature.flat_feature_index);
            return Err(unsupported(
                &format!("feature `{name}`"),
                format!("{what} features; {remedy}"),
            ));
        }
    }
    if !info.ctrs.is_empty() {
        let category = info
            .ctrs
            .iter()
            .flat_map(|ctr| &ctr.elements)
            .find_map(|element| {
                info.categorical_features
                    .iter()
                    .find(|feature| Some(feature.feature_index) == element.cat_feature_index)
            });
        let name = category.map_or_else(
            || "features_info.ctrs".to_owned(),
            |feature| {
                let name = shown(&feature.feature_id, feature.flat_feature_index);
                format!("feature `{name}`")
            },
        );
        return Err(unsupported(
            &name,
            "statistics of the target per category (CTRs); train with one_hot_max_size=255 when no feature has more \
             categories than that, or encode the categories to numbers before the model, e.g. by scikit-learn's \
             TargetEncoder in a pipeline exported to ONNX",
        ));
    }
    Ok(())
}

fn loss(info: &ModelInfo) -> Result<Loss, ImportError> {
    let Some(name) = info.loss() else {
        return Err(invalid(
            "model_info",
            "it names no loss_function, so how scores become predictions is not known",
        ));
    };
    let loss = Loss::named(&name)
        .map_err(|reason| unsupported("model_info", format!("loss_function `{name}`: {reason}")))?;
    if let (Task::Binary, Some(threshold)) = (loss.task, info.threshold()) {
        return Err(unsupported(
            "model_info",
            format!(
                "binclass_probability_threshold is {threshold}; save the model with \
                 `model.set_probability_threshold(0.5)` and decide by the probability"
            ),
        ));
    }
    Ok(loss)
}

/// The classes' labels as the library answers them; none for a regressor or where the file has none.
fn labels(info: &ModelInfo, task: Task, outputs: usize) -> Result<Vec<Label>, ImportError> {
    let classes = match task {
        Task::Regression => return Ok(Vec::new()),
        Task::Binary if outputs != 1 => {
            return Err(invalid(
                "tree 0",
                format!("one score per row, not {outputs}, for two classes"),
            ));
        }
        Task::Binary => 2,
        Task::Classes if outputs < 2 => {
            return Err(invalid("tree 0", "at least two scores per row, not 1"));
        }
        Task::Classes => outputs,
    };
    let names = info.class_names();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    if names.len() != classes {
        return Err(invalid(
            "class_params",
            format!("{} class_names for {classes} classes", names.len()),
        ));
    }
    let whole = |name: &Value| {
        let number = name.as_f64()?;
        (libm::trunc(number) == number && number.abs() < 1e15).then_some(number as i64)
    };
    let integers: Option<Vec<Label>> = names
        .iter()
        .map(|name| whole(name).map(Label::Integer))
        .collect();
    Ok(integers.unwrap_or_else(|| {
        let text = |name: &Value| match name {
            Value::String(text) => text.clone(),
            // As Python writes them.
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            other => other.to_string(),
        };
        names.iter().map(|name| Label::Text(text(name))).collect()
    }))
}

/// The features in the order of a row, and what splits know them by.
fn columns(
    document: &Document,
    options: &ImportOptions,
) -> Result<(Vec<BoosterFeature>, Columns), ImportError> {
    let info = &document.features_info;
    let width = info.float_features.len() + info.categorical_features.len();
    let mut features: Vec<Option<BoosterFeature>> = Vec::new();
    features.resize_with(width, || None);
    let mut columns = Columns {
        floats: Vec::new(),
        categories: Vec::new(),
    };
    let mut place = |flat: usize, feature: BoosterFeature| match features.get_mut(flat) {
        Some(slot @ None) => {
            *slot = Some(feature);
            Ok(())
        }
        _ => Err(invalid(
            "features_info",
            format!("flat_feature_index {flat} is taken, or not below {width}"),
        )),
    };
    for (position, float) in info.float_features.iter().enumerate() {
        in_order(position, float.feature_index)?;
        columns
            .floats
            .push((float.flat_feature_index as u32, float.nan_value_treatment));
        let name = shown(&float.feature_id, float.flat_feature_index);
        let feature = Feature {
            missing: Missing::Accepted,
            ..Feature::new(name, FeatureKind::Number)
        };
        place(
            float.flat_feature_index,
            BoosterFeature {
                feature,
                codes: None,
            },
        )?;
    }
    let tested = tested(document);
    for (position, category) in info.categorical_features.iter().enumerate() {
        in_order(position, category.feature_index)?;
        let name = shown(&category.feature_id, category.flat_feature_index);
        let texts = known_texts(options, &name, category.flat_feature_index, width);
        let mut codes: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (code, text) in texts.iter().enumerate() {
            codes
                .entry(hash::category(text))
                .or_default()
                .push(code as f64);
        }
        let wanted = &tested[position];
        let unknown = wanted
            .iter()
            .filter(|hash| !codes.contains_key(hash))
            .count();
        if unknown > 0 {
            return Err(unsupported(
                &format!("feature `{name}`"),
                format!(
                    "the file holds categories as hashes, and {unknown} of the {} that its trees ask for belong to no \
                     text that is known; pack with reference data that has every category of the column, or list them \
                     in the recipe: [features.\"{name}\"] categories = […]",
                    wanted.len()
                ),
            ));
        }
        columns
            .categories
            .push((category.flat_feature_index as u32, codes));
        let kind = FeatureKind::Category(Categories {
            values: texts.clone(),
            unseen: Unseen::Accepted,
        });
        place(
            category.flat_feature_index,
            BoosterFeature {
                feature: Feature::new(name, kind),
                codes: Some(texts),
            },
        )?;
    }
    let features: Option<Vec<BoosterFeature>> = features.into_iter().collect();
    let features = features
        .filter(|features| !features.is_empty())
        .ok_or_else(|| invalid("features_info", "a column has no feature"))?;
    Ok((features, columns))
}

/// Splits know features by their position in their list.
fn in_order(position: usize, index: usize) -> Result<(), ImportError> {
    if position == index {
        return Ok(());
    }
    Err(invalid(
        "features_info",
        format!("feature_index {index} where {position} belongs"),
    ))
}

/// The file's name, or the library's for a feature without one: its column.
fn shown(id: &str, column: usize) -> String {
    if id.is_empty() {
        column.to_string()
    } else {
        id.to_owned()
    }
}

/// The texts of the feature: those of the column of its name, or of its place when no name of the columns fits.
fn known_texts(options: &ImportOptions, name: &str, place: usize, width: usize) -> Vec<String> {
    let columns = &options.categories;
    let named = options
        .feature_names
        .get(place)
        .map_or(name, String::as_str);
    let by_name = columns.iter().find(|(column, _)| column == named);
    let by_place = || columns.get(place).filter(|_| columns.len() == width);
    by_name
        .or_else(by_place)
        .map_or_else(Vec::new, |(_, texts)| texts.clone())
}

/// The hashes that one-hot splits ask for, per categorical feature.
fn tested(document: &Document) -> Vec<BTreeSet<u32>> {
    let mut tested = vec![BTreeSet::new(); document.features_info.categorical_features.len()];
    let mut note = |split: &Split| {
        if let (Some(index), Some(value)) = (split.cat_feature_index, split.value)
            && let Some(hashes) = tested.get_mut(index)
        {
            hashes.insert(value as u32);
        }
    };
    for tree in document.oblivious_trees.iter().flatten() {
        tree.splits.iter().flatten().for_each(&mut note);
    }
    let mut nodes: Vec<_> = document.trees.iter().flatten().collect();
    while let Some(node) = nodes.pop() {
        node.split.iter().for_each(&mut note);
        nodes.extend(node.left.iter().chain(&node.right).map(|child| &**child));
    }
    tested
}
