//! LightGBM's text model (`Booster.save_model`, versions `v3` and `v4`).
//!
//! Thresholds and values are f64 and compared as such, like in the library. Covers are the row counts the library's own
//! `pred_contrib` uses. A random forest (`boosting=rf`) predicts the average over iterations; its margin here is that
//! average, which the objective turns into the prediction, while the library's `raw_score` and `pred_contrib` of such a
//! model are the sum.

mod objective;
mod section;
mod tree;

use hyaline_model::trees::Aggregate;
use hyaline_model::{Categories, ElementType, Feature, FeatureKind, Missing, Unseen};

use crate::ImportError;
use crate::booster::{Booster, BoosterFeature, Estimator};
use crate::forest::Forest;
use objective::Objective;
use section::{Section, shorten};
use tree::TreeTable;

const FORMAT: &str = "LightGBM model";

/// What the codes of a categorical split stand for.
#[derive(Debug, PartialEq)]
enum CategoryValues {
    /// The column's own numbers.
    Codes,
    /// These numbers, by code.
    Numbers(Vec<f64>),
    /// Texts; the graph turns them into codes.
    Texts(Vec<String>),
}

fn invalid(place: impl AsRef<str>, reason: impl Into<String>) -> ImportError {
    ImportError::invalid(format!("{FORMAT}, {}", place.as_ref()), reason)
}

/// Whether `bytes` look like a LightGBM text model.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    let first = bytes
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    first.trim_ascii() == b"tree"
}

/// Reads a text model.
///
/// # Errors
/// [`ImportError`] naming the section and key; a truncated or damaged file is never read in part. Memory stays within a
/// small multiple of the file's length.
pub(crate) fn read(bytes: &[u8]) -> Result<Booster, ImportError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        ImportError::invalid(
            FORMAT,
            format!("byte {} is no UTF-8 text", error.valid_up_to()),
        )
    })?;
    let mut lines = text.lines();
    if lines.next().map(str::trim) != Some("tree") {
        return Err(ImportError::invalid(FORMAT, "the first line is not `tree`"));
    }
    let header = Section::read("header".to_owned(), &mut lines);
    match header.required("version")?.trim() {
        "v3" | "v4" => {}
        other => {
            let reason = format!(
                "version={}: v3 and v4 are read; save the model again with LightGBM 3 or 4",
                shorten(other)
            );
            return Err(ImportError::unsupported(
                format!("{FORMAT}, header"),
                reason,
            ));
        }
    }
    let tables = read_trees(&mut lines)?;
    let outputs = outputs(&header, tables.len())?;
    let objective = Objective::read(&header, outputs)?;
    let averaged = header.get("average_output").is_some();
    let trailer: Vec<&str> = lines.collect();
    let names: Vec<&str> = header
        .required("feature_names")?
        .split_ascii_whitespace()
        .collect();
    let width: usize = header.number("max_feature_idx")?;
    if width.checked_add(1) != Some(names.len()) {
        return Err(header.invalid(format!(
            "max_feature_idx={width} with {} feature_names",
            names.len()
        )));
    }
    let infos: Vec<&str> = header
        .required("feature_infos")?
        .split_ascii_whitespace()
        .collect();
    if infos.len() != names.len() {
        return Err(header.invalid(format!(
            "{} feature_infos for {} feature_names",
            infos.len(),
            names.len()
        )));
    }
    let categories = categories(&infos, &trailer)?;
    let scale = if averaged {
        outputs as f64 / tables.len() as f64
    } else {
        1.0
    };
    let mut forest = Forest::new(names.len() as u32, outputs as u32);
    for (index, table) in tables.iter().enumerate() {
        table.plant(&mut forest, (index % outputs) as u32, scale, &categories)?;
    }
    let covers = forest.has_covers();
    let mut notes = Vec::new();
    if !covers {
        notes.push(
            "the file has no row counts per node: path-dependent explanations need reference data"
                .to_owned(),
        );
    }
    if averaged {
        notes.push("random forest: margins are averages over its trees, where LightGBM's raw_score is their sum".to_owned());
    }
    let features = names
        .into_iter()
        .zip(&infos)
        .zip(categories)
        .map(|((name, info), values)| feature(name, info, values))
        .collect();
    Ok(Booster {
        library: "LightGBM",
        features,
        precision: ElementType::F64,
        estimator: Estimator::Trees(forest.finish(vec![0.0; outputs], Aggregate::Sum, covers)),
        transform: objective.transform,
        task: objective.task,
        labels: Vec::new(),
        notes,
    })
}

/// The trees up to `end of trees`, which a whole file has.
fn read_trees<'a>(
    lines: &mut impl Iterator<Item = &'a str>,
) -> Result<Vec<TreeTable>, ImportError> {
    let mut tables = Vec::new();
    loop {
        let number = tables.len();
        let Some(line) = lines.next() else {
            return Err(ImportError::invalid(
                FORMAT,
                format!("the file ends after {number} trees, without `end of trees`"),
            ));
        };
        let line = line.trim();
        if line == "end of trees" {
            return Ok(tables);
        }
        if line.is_empty() {
            continue;
        }
        if line
            .strip_prefix("Tree=")
            .and_then(|text| text.parse().ok())
            != Some(number)
        {
            return Err(invalid(
                format!("after tree {number}"),
                format!("`{}` where `Tree={number}` belongs", shorten(line)),
            ));
        }
        tables.push(TreeTable::read(
            number,
            &Section::read(format!("tree {number}"), lines),
        )?);
    }
}

/// Margins per row: trees are listed iteration by iteration, one per output.
fn outputs(header: &Section<'_>, trees: usize) -> Result<usize, ImportError> {
    let outputs: usize = header.number("num_tree_per_iteration")?;
    if trees == 0 {
        return Err(header.invalid("the model has no tree"));
    }
    if outputs == 0 || !trees.is_multiple_of(outputs) {
        return Err(header.invalid(format!(
            "num_tree_per_iteration={outputs} does not divide the {trees} trees"
        )));
    }
    Ok(outputs)
}

/// What the categories of each feature are: `pandas_categorical` lists them for the categorical features, in order.
fn categories(infos: &[&str], trailer: &[&str]) -> Result<Vec<CategoryValues>, ImportError> {
    let mut categories: Vec<CategoryValues> = infos.iter().map(|_| CategoryValues::Codes).collect();
    let Some(text) = trailer
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("pandas_categorical:"))
    else {
        return Ok(categories);
    };
    let place = "pandas_categorical";
    let lists: Option<Vec<Vec<serde_json::Value>>> =
        serde_json::from_str(text).map_err(|error| invalid(place, error.to_string()))?;
    let lists = lists.unwrap_or_default();
    if lists.is_empty() {
        return Ok(categories);
    }
    let parameter = trailer
        .iter()
        .find_map(|line| line.strip_prefix("[categorical_feature:"));
    let columns: Vec<usize> = match parameter.and_then(|text| text.trim().strip_suffix(']')) {
        Some(list) if !list.trim().is_empty() => {
            let numbers: Result<Vec<usize>, _> =
                list.split(',').map(|word| word.trim().parse()).collect();
            numbers.map_err(|_| {
                invalid(
                    "parameters",
                    format!("categorical_feature holds `{}`", shorten(list)),
                )
            })?
        }
        _ => (0..infos.len())
            .filter(|&feature| infos[feature].contains(':') && !infos[feature].starts_with('['))
            .collect(),
    };
    if columns.len() != lists.len() {
        let reason = format!(
            "{} lists of categories for {} categorical features; which belong together cannot be told. Train with every \
             category column unordered and without other categorical_feature, or encode the columns to numbers first",
            lists.len(),
            columns.len()
        );
        return Err(ImportError::unsupported(
            format!("{FORMAT}, {place}"),
            reason,
        ));
    }
    for (&column, list) in columns.iter().zip(lists) {
        let Some(slot) = categories.get_mut(column) else {
            return Err(invalid(
                "parameters",
                format!("categorical_feature {column} of {} features", infos.len()),
            ));
        };
        *slot = category_values(list)
            .map_err(|reason| invalid(format!("{place} of feature {column}"), reason))?;
    }
    Ok(categories)
}

/// Texts, or numbers and booleans, but not both.
fn category_values(list: Vec<serde_json::Value>) -> Result<CategoryValues, String> {
    use serde_json::Value;
    if list.iter().all(Value::is_string) {
        let texts = list
            .into_iter()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect();
        return Ok(CategoryValues::Texts(texts));
    }
    let number = |value: &Value| match value {
        Value::Bool(value) => Ok(f64::from(u8::from(*value))),
        other => other
            .as_f64()
            .ok_or_else(|| format!("the category {other} among numbers")),
    };
    Ok(CategoryValues::Numbers(
        list.iter().map(number).collect::<Result<_, _>>()?,
    ))
}

/// The schema's view of a feature. `info` is `[min:max]`, `code:code:…` for a categorical one, or `none`.
fn feature(name: &str, info: &str, values: CategoryValues) -> BoosterFeature {
    let range = info
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .and_then(|text| text.split_once(':'));
    let range = range.and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    let (kind, codes) = match values {
        CategoryValues::Texts(texts) => {
            let kind = FeatureKind::Category(Categories {
                values: texts.clone(),
                unseen: Unseen::Accepted,
            });
            (kind, Some(texts))
        }
        CategoryValues::Numbers(numbers)
            if numbers.iter().any(|number| libm::trunc(*number) != *number) =>
        {
            (FeatureKind::Number, None)
        }
        CategoryValues::Numbers(_) => (FeatureKind::Integer, None),
        CategoryValues::Codes if info.contains(':') && range.is_none() => {
            (FeatureKind::Integer, None)
        }
        CategoryValues::Codes => (FeatureKind::Number, None),
    };
    let range =
        range.filter(|(low, high): &(f64, f64)| low.is_finite() && high.is_finite() && low <= high);
    let mut feature = Feature {
        missing: Missing::Accepted,
        ..Feature::new(name, kind)
    };
    feature.range = range;
    BoosterFeature { feature, codes }
}
