//! The file's inputs as raw features.

use std::collections::{BTreeMap, BTreeSet};

use hyaline_model::graph::GraphInput;
use hyaline_model::{Categories, ElementType, Feature, FeatureKind, TensorKind, Unseen};

use super::builder::{Builder, Value};
use super::constants::{element_type, text};
use super::head::Bound;
use super::node::Node;
use super::proto::{AttributeProto, GraphProto, ModelProto, TypeProto, ValueInfoProto};
use super::shorten;
use super::text::{Columns, FreeText};
use crate::{ImportError, ImportOptions};

/// Widest input that is taken.
const MAX_FEATURES: i64 = 1 << 16;

/// Most numbers of one row of a tensor.
const MAX_NUMBERS: i64 = 1 << 22;

/// The features, in the order of the inputs.
#[derive(Debug)]
pub(super) struct Inputs {
    /// Names and kinds; categories and the rule for missing values come later.
    pub(super) features: Vec<Feature>,
    /// What a user should know.
    pub(super) notes: Vec<String>,
}

/// A dictionary input: one number per key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dictionary {
    /// The keys, in the order of the features.
    keys: Vec<String>,
    value: Value,
}

/// What the file says of one input.
struct Declared<'a> {
    name: &'a str,
    element_type: ElementType,
    /// `None` when the file leaves it open.
    width: Option<i64>,
    flat: bool,
    /// Extents of one row, where it has more than one axis.
    extents: Option<Vec<u32>>,
    keys: Option<Vec<String>>,
    /// Whether the file says that there is one row.
    one_row: bool,
}

/// Adds the inputs to `builder`, binds their names and describes them as features.
///
/// Features are named, in this order of preference, by `options`, by the metadata key `feature_names` (a JSON list or
/// comma-separated), by the input itself when it has one column, and otherwise `<input>_<column>`.
///
/// # Errors
/// [`ImportError::Unsupported`] for inputs that are no rows of features; [`ImportError::Invalid`] when `options` name
/// another number of features.
pub(super) fn read(
    model: &ModelProto,
    graph: &GraphProto,
    options: &ImportOptions,
    builder: &mut Builder,
    bound: &mut BTreeMap<String, Bound>,
) -> Result<Inputs, ImportError> {
    let constants: BTreeSet<&str> = graph
        .initializer
        .iter()
        .map(|tensor| tensor.name.as_str())
        .collect();
    let mut declared = Vec::new();
    for info in graph
        .input
        .iter()
        .filter(|info| !constants.contains(info.name.as_str()))
    {
        declared.push(declare(info, graph)?);
    }
    let free_text = FreeText::of(graph);
    builder.one_row = !declared.is_empty() && declared.iter().all(|input| input.one_row);
    let names = named(model, options);
    let open = declared
        .iter()
        .filter(|input| input.width.is_none())
        .count();
    let known: i64 = declared.iter().filter_map(|input| input.width).sum();
    let mut features = Vec::new();
    for input in &declared {
        let place = || format!("ONNX input `{}`", shorten(input.name));
        let width = match input.width {
            Some(width) => width,
            None if open == 1 && names.len() as i64 > known => names.len() as i64 - known,
            None => {
                let width = widest_use(graph, input.name);
                width.ok_or_else(|| {
                    ImportError::invalid(
                        place(),
                        "the file does not say how many columns it has; name the features",
                    )
                })?
            }
        };
        if !(1..=MAX_FEATURES).contains(&width) {
            return Err(ImportError::unsupported(
                place(),
                format!("{width} columns, expected 1 to {MAX_FEATURES}"),
            ));
        }
        let mut add = |element_type, first_feature: usize, width: usize| {
            builder.input(GraphInput {
                name: input.name.to_owned(),
                element_type,
                first_feature: first_feature as u32,
                features: width as u32,
                flat: input.flat,
                extents: input.extents.clone(),
            })
        };
        let types = match input.element_type {
            ElementType::Symbol => column_types(&free_text.kinds(input.name, width as usize)),
            other => vec![other; width as usize],
        };
        let first = features.len();
        let made = if types.iter().all(|&found| found == types[0]) {
            let value = add(types[0], first, types.len());
            match &input.keys {
                Some(keys) => Bound::Dictionary(Dictionary {
                    keys: keys.clone(),
                    value,
                }),
                None => Bound::Value(value),
            }
        } else {
            let columns = types.iter().enumerate();
            Bound::Columns(Columns {
                values: columns
                    .map(|(column, &found)| add(found, first + column, 1))
                    .collect(),
            })
        };
        for column in 0..width as usize {
            let name = match &input.keys {
                Some(keys) => keys[column].clone(),
                None if width == 1 => input.name.to_owned(),
                None => format!("{}_{column}", input.name),
            };
            let kind = match &input.extents {
                None => kind(types[column]),
                Some(extents) => FeatureKind::Tensor(TensorKind {
                    extents: extents.clone(),
                    image: None,
                }),
            };
            features.push(Feature::new(name, kind));
        }
        if bound.insert(input.name.to_owned(), made).is_some() {
            return Err(ImportError::invalid(place(), "two inputs have this name"));
        }
    }
    if !names.is_empty() && names.len() != features.len() {
        let reason = format!(
            "{} feature names for {} features",
            names.len(),
            features.len()
        );
        return Err(ImportError::invalid("ONNX inputs", reason));
    }
    let mut notes = Vec::new();
    if names.is_empty()
        && declared
            .iter()
            .any(|input| input.width != Some(1) && input.keys.is_none())
    {
        notes.push(format!(
            "the file does not name its features; they are called `{}` and so on",
            features[0].name
        ));
    }
    for (feature, name) in features.iter_mut().zip(names) {
        feature.name = name;
    }
    if features.is_empty() {
        return Err(ImportError::invalid("ONNX file", "it has no inputs"));
    }
    Ok(Inputs { features, notes })
}

/// Element types of text columns, by whether they are free text.
fn column_types(free: &[bool]) -> Vec<ElementType> {
    let of = |&free: &bool| {
        if free {
            ElementType::Text
        } else {
            ElementType::Symbol
        }
    };
    free.iter().map(of).collect()
}

fn kind(element_type: ElementType) -> FeatureKind {
    match element_type {
        ElementType::F32 | ElementType::F64 => FeatureKind::Number,
        ElementType::I64 => FeatureKind::Integer,
        ElementType::Bool => FeatureKind::Boolean,
        ElementType::Text => FeatureKind::Text,
        ElementType::Symbol => FeatureKind::Category(Categories {
            values: Vec::new(),
            unseen: Unseen::Accepted,
        }),
    }
}

/// Names from the options or the file.
fn named(model: &ModelProto, options: &ImportOptions) -> Vec<String> {
    if !options.feature_names.is_empty() {
        return options.feature_names.clone();
    }
    let Some(entry) = model
        .metadata_props
        .iter()
        .find(|entry| entry.key == "feature_names")
    else {
        return Vec::new();
    };
    serde_json::from_str(&entry.value).unwrap_or_else(|_| {
        entry
            .value
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect()
    })
}

fn declare<'a>(info: &'a ValueInfoProto, graph: &GraphProto) -> Result<Declared<'a>, ImportError> {
    let unsupported = |reason: String| {
        ImportError::unsupported(format!("ONNX input `{}`", shorten(&info.name)), reason)
    };
    let empty = TypeProto::default();
    let declared = info.r#type.as_ref().unwrap_or(&empty);
    if declared.map_type.is_some() || declared.sequence_type.is_some() {
        let keys = dictionary_keys(graph, &info.name).map_err(unsupported)?;
        let width = Some(keys.len() as i64);
        return Ok(Declared {
            name: &info.name,
            element_type: ElementType::F32,
            width,
            flat: false,
            extents: None,
            one_row: false,
            keys: Some(keys),
        });
    }
    let tensor = declared
        .tensor_type
        .as_ref()
        .ok_or_else(|| unsupported("it is neither a tensor nor a map".to_owned()))?;
    let element_type = element_type(tensor.elem_type).map_err(unsupported)?;
    let dims: Vec<Option<i64>> = tensor.shape.as_ref().map_or(vec![None, None], |shape| {
        shape
            .dim
            .iter()
            .map(|dim| dim.dim_value.filter(|&extent| extent > 0))
            .collect()
    });
    let (width, flat, extents) = match dims[..] {
        [_] => (Some(1), true, None),
        [_, width] => (width, false, None),
        [_, ref extents @ ..] => {
            let extents = row_extents(extents).map_err(unsupported)?;
            (Some(1), false, Some(extents))
        }
        [] => return Err(unsupported("it has no axes, expected rows".to_owned())),
    };
    if extents.is_some() && matches!(element_type, ElementType::Symbol | ElementType::Text) {
        return Err(unsupported(format!(
            "texts with {} axes, expected rows and columns",
            dims.len()
        )));
    }
    Ok(Declared {
        name: &info.name,
        element_type,
        width,
        flat,
        extents,
        one_row: dims.first() == Some(&Some(1)),
        keys: None,
    })
}

/// The extents of one row of a tensor.
fn row_extents(extents: &[Option<i64>]) -> Result<Vec<u32>, String> {
    let mut elements = 1i64;
    let mut known = Vec::with_capacity(extents.len());
    for &extent in extents {
        let extent = extent.ok_or_else(|| {
            format!("axes {extents:?} behind the rows; export it with fixed extents")
        })?;
        elements = elements.saturating_mul(extent);
        known.push(u32::try_from(extent).unwrap_or(u32::MAX));
    }
    if elements > MAX_NUMBERS {
        return Err(format!(
            "{elements} numbers per row, expected up to {MAX_NUMBERS}"
        ));
    }
    Ok(known)
}

/// Columns that the first operator on the input is made for, where its attributes tell.
fn widest_use(graph: &GraphProto, name: &str) -> Option<i64> {
    let length = |attribute: &AttributeProto| match attribute.name.as_str() {
        "offset" | "scale" if attribute.floats.len() > 1 => Some(attribute.floats.len() as i64),
        "nodes_featureids" => attribute
            .ints
            .iter()
            .max()
            .map(|largest| largest.saturating_add(1)),
        _ => None,
    };
    graph
        .node
        .iter()
        .filter(|node| node.input.first().is_some_and(|first| first == name))
        .flat_map(|node| node.attribute.iter().filter_map(length))
        .max()
}

/// The text keys of the vectorizers that read the map `name`.
fn dictionary_keys(graph: &GraphProto, name: &str) -> Result<Vec<String>, String> {
    let mut vocabularies = graph
        .node
        .iter()
        .filter(|node| {
            node.op_type == "DictVectorizer" && node.input.iter().any(|input| input == name)
        })
        .map(|node| {
            node.attribute
                .iter()
                .find(|attribute| attribute.name == "string_vocabulary")
        });
    let first = vocabularies
        .next()
        .flatten()
        .ok_or("a map that no DictVectorizer with text keys reads")?;
    first
        .strings
        .iter()
        .map(|key| text(key).map(str::to_owned))
        .collect()
}

/// The vector of a dictionary's values: its keys are the vectorizer's, so the input is the vector already.
///
/// # Errors
/// [`ImportError::Unsupported`] when a second vectorizer reads other keys.
pub(super) fn vectorize(node: &Node<'_>, dictionary: &Dictionary) -> Result<Value, ImportError> {
    if node.texts("string_vocabulary")? != dictionary.keys {
        return Err(node.unsupported("a second vocabulary over the same map"));
    }
    Ok(dictionary.value)
}
