//! XGBoost's own model files (`Booster.save_model`): JSON and UBJSON.
//!
//! Features, thresholds and leaf values are f32, and `x < t` goes left; the graph's input is f32 too. Covers are
//! `sum_hessian`, as in the library's `pred_contribs`. The sum over trees is kept in f64, where the library rounds to
//! f32 after every tree. All trees count, except that a model saved by the scikit-learn interface after early stopping
//! ends with its best iteration, as that interface's predictions do.

mod document;
mod objective;
mod tree;
mod ubjson;

use std::borrow::Cow;

use hyaline_model::graph::Linear;
use hyaline_model::trees::Aggregate;
use hyaline_model::{Categories, ElementType, Feature, FeatureKind, Missing, Unseen};

use crate::ImportError;
use crate::booster::{Booster, BoosterFeature, Estimator, Task};
use crate::forest::Forest;
use document::{Document, Encoding, Learner, Model, Numbers};
use objective::Objective;
use tree::{Leaves, plant, single};

const FORMAT: &str = "XGBoost model";

/// A feature list longer than this is refused before memory is spent on it.
const MAX_FEATURES: u32 = 65_536;

fn invalid(place: &str, reason: impl Into<String>) -> ImportError {
    ImportError::invalid(format!("{FORMAT}, {place}"), reason)
}

/// Whether `bytes` look like an XGBoost model in either encoding.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}

/// Reads a model in either encoding.
///
/// # Errors
/// [`ImportError`] naming the key, tree and node; for a damaged file the line and column or the byte. Memory stays within
/// a small multiple of the file's length.
pub(crate) fn read(bytes: &[u8]) -> Result<Booster, ImportError> {
    // A JSON object goes on with a key or its end; a UBJSON object with a key's length or a container's type.
    let json = bytes
        .trim_ascii_start()
        .get(1..)
        .is_some_and(|rest| matches!(rest.trim_ascii_start().first(), None | Some(b'"' | b'}')));
    let document: Document = if json {
        let bytes = with_standard_numbers(bytes);
        serde_json::from_slice(&bytes)
            .map_err(|error| ImportError::invalid(format!("{FORMAT} (JSON)"), error.to_string()))?
    } else {
        ubjson::from_slice(bytes).map_err(|error| {
            ImportError::invalid(format!("{FORMAT} (UBJSON)"), error.to_string())
        })?
    };
    let major = document.version.first().copied().unwrap_or(0);
    let Learner {
        attributes,
        feature_names,
        feature_types,
        gradient_booster,
        learner_model_param,
        objective,
    } = document.learner;
    let number = |key: &str, text: &str| -> Result<u32, ImportError> {
        text.trim().parse().map_err(|_| {
            invalid(
                "learner_model_param",
                format!("{key} is `{text}`, not a count"),
            )
        })
    };
    let width = number("num_feature", &learner_model_param.num_feature)?;
    let classes = number("num_class", &learner_model_param.num_class)?;
    let targets = learner_model_param
        .num_target
        .as_deref()
        .map_or(Ok(1), |text| number("num_target", text))?;
    let outputs = classes.max(targets).max(1);
    if width == 0 || width > MAX_FEATURES {
        let reason =
            format!("num_feature is {width}; models of 1 to {MAX_FEATURES} features are read");
        return Err(ImportError::unsupported(
            format!("{FORMAT}, learner_model_param"),
            reason,
        ));
    }
    let Some(behaviour) = Objective::named(&objective.name, outputs as usize) else {
        let reason = format!(
            "objective `{}`: how it turns margins into predictions is not known",
            objective.name
        );
        return Err(ImportError::unsupported(FORMAT, reason));
    };
    if (behaviour.task == Task::Classes) != (classes > 1) {
        return Err(invalid(
            "learner_model_param",
            format!("num_class is {classes} with objective `{}`", objective.name),
        ));
    }
    // Dropout factors stand beside the trees, beside the booster, or around it, by version.
    let booster = gradient_booster;
    let mut weight_drop = booster.weight_drop;
    let model = match (booster.name.as_str(), booster.model, booster.gbtree) {
        ("gbtree" | "gblinear" | "dart", Some(mut model), None) => {
            weight_drop = weight_drop.or(model.weight_drop.take());
            model
        }
        ("dart", None, Some(mut inner)) => {
            weight_drop = weight_drop
                .or(inner.weight_drop)
                .or(inner.model.weight_drop.take());
            inner.model
        }
        ("gbtree" | "gblinear" | "dart", ..) => {
            return Err(invalid("gradient_booster", "it has no model"));
        }
        (other, ..) => {
            return Err(ImportError::unsupported(
                format!("{FORMAT}, gradient_booster"),
                format!("booster `{other}`"),
            ));
        }
    };
    // A model without outputs to match would make a hostile count cost memory.
    if outputs as usize > evidence(&model) {
        return Err(invalid(
            "learner_model_param",
            format!("{outputs} outputs, more than the model has numbers for"),
        ));
    }
    let base = base_margins(&learner_model_param.base_score, &behaviour, outputs)?;
    let mut notes = Vec::new();
    let columns = columns(
        width,
        &feature_names,
        &feature_types,
        model.cats.as_ref().map_or(&[], |cats| &cats.enc),
    )?;
    let estimator = if booster.name == "gblinear" {
        linear(&model, width, base)?
    } else {
        let best = attributes
            .best_iteration
            .as_deref()
            .and_then(|text| text.trim().parse::<u64>().ok());
        let stop = best.filter(|_| attributes.scikit_learn.is_some());
        let (forest, used, all) =
            trees(&model, width, outputs, weight_drop.as_ref(), &columns, stop)?;
        if used < all {
            notes.push(format!("early stopping: the first {used} of {all} trees count, as in the scikit-learn interface"));
        } else if best.is_some() {
            notes.push(
                "early stopping: all trees count, as in Booster.predict without iteration_range"
                    .to_owned(),
            );
        }
        let covers = forest.has_covers();
        if !covers {
            notes.push(
                "the file has no hessian sums: path-dependent explanations need reference data"
                    .to_owned(),
            );
        }
        Estimator::Trees(forest.finish(base, Aggregate::Sum, covers))
    };
    if major == 0 {
        notes.push("the file does not say which XGBoost wrote it".to_owned());
    }
    Ok(Booster {
        library: "XGBoost",
        features: columns.into_iter().map(|column| column.shown).collect(),
        precision: ElementType::F32,
        estimator,
        transform: behaviour.transform,
        task: behaviour.task,
        labels: Vec::new(),
        notes,
    })
}

/// The text with XGBoost's `NaN` and `Infinity`, which JSON does not have, as `null` and `1e99` (an infinity in f32).
fn with_standard_numbers(text: &[u8]) -> Cow<'_, [u8]> {
    let mut standard = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    let mut in_string = false;
    while at < text.len() {
        let word: Option<(&[u8], &[u8])> = match text[at] {
            b'\\' if in_string => {
                at += 1;
                None
            }
            b'"' => {
                in_string = !in_string;
                None
            }
            b'N' if !in_string => Some((b"NaN", b"null")),
            b'I' if !in_string => Some((b"Infinity", b"1e99")),
            _ => None,
        };
        match word {
            Some((written, meant)) if text[at..].starts_with(written) => {
                standard.extend_from_slice(&text[copied..at]);
                standard.extend_from_slice(meant);
                at += written.len();
                copied = at;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    standard.extend_from_slice(&text[copied..]);
    Cow::Owned(standard)
}

/// How many outputs the model's arrays can speak about.
fn evidence(model: &Model) -> usize {
    let trees = model.trees.as_deref().unwrap_or_default();
    let vectors = trees.first().map_or(0, |tree| tree.base_weights.0.len());
    trees
        .len()
        .max(vectors)
        .max(model.weights.as_ref().map_or(0, |weights| weights.0.len()))
}

/// `base_score` (`5E-1` or `[5E-1,…]`) as one margin per output.
fn base_margins(text: &str, objective: &Objective, outputs: u32) -> Result<Vec<f64>, ImportError> {
    let refuse = |reason: String| invalid("base_score", reason);
    let list = text.trim().trim_start_matches('[').trim_end_matches(']');
    let margins: Vec<f64> = list
        .split(',')
        .map(|word| {
            let score: f64 = word
                .trim()
                .parse()
                .map_err(|_| refuse(format!("`{text}` is no number or list of numbers")))?;
            objective.base.margin(single(score)).map_err(refuse)
        })
        .collect::<Result<_, _>>()?;
    match margins.len() {
        1 => Ok(vec![margins[0]; outputs as usize]),
        found if found == outputs as usize => Ok(margins),
        found => Err(refuse(format!("{found} numbers for {outputs} outputs"))),
    }
}

/// A feature, and the numbers its categories stand for when its rows show those.
struct ModelColumn {
    shown: BoosterFeature,
    numbers: Option<Vec<f64>>,
}

fn columns(
    width: u32,
    names: &[String],
    types: &[String],
    encodings: &[Encoding],
) -> Result<Vec<ModelColumn>, ImportError> {
    for (key, length) in [
        ("feature_names", names.len()),
        ("feature_types", types.len()),
        ("cats", encodings.len()),
    ] {
        if length != 0 && length != width as usize {
            return Err(invalid(
                key,
                format!("{length} entries for {width} features"),
            ));
        }
    }
    (0..width as usize)
        .map(|index| {
            let name = names
                .get(index)
                .cloned()
                .unwrap_or_else(|| format!("f{index}"));
            let mut numbers = None;
            let mut codes = None;
            let kind = match encodings
                .get(index)
                .map(|encoding| categories(encoding, index))
                .transpose()?
                .flatten()
            {
                Some(Values::Texts(texts)) => {
                    codes = Some(texts.clone());
                    FeatureKind::Category(Categories {
                        values: texts,
                        unseen: Unseen::Refused,
                    })
                }
                Some(Values::Numbers(values)) => {
                    let whole = values.iter().all(|value| libm::trunc(*value) == *value);
                    numbers = Some(values);
                    if whole {
                        FeatureKind::Integer
                    } else {
                        FeatureKind::Number
                    }
                }
                None => match types.get(index).map(String::as_str) {
                    Some("int" | "c") => FeatureKind::Integer,
                    Some("i") => FeatureKind::Boolean,
                    _ => FeatureKind::Number,
                },
            };
            let feature = Feature {
                missing: Missing::Accepted,
                ..Feature::new(name, kind)
            };
            Ok(ModelColumn {
                shown: BoosterFeature { feature, codes },
                numbers,
            })
        })
        .collect()
}

enum Values {
    Texts(Vec<String>),
    Numbers(Vec<f64>),
}

/// The categories of feature `index`; `None` when it has none.
fn categories(encoding: &Encoding, index: usize) -> Result<Option<Values>, ImportError> {
    let refuse = |reason: &str| invalid("cats", format!("feature {index}: {reason}"));
    let Numbers(values) = &encoding.values;
    let Some(offsets) = &encoding.offsets else {
        let singles: Vec<f64> = values.iter().map(|&value| single(value)).collect();
        let mut sorted = singles.clone();
        sorted.sort_by(f64::total_cmp);
        if sorted.windows(2).any(|pair| pair[0] == pair[1])
            || sorted.iter().any(|value| !value.is_finite())
        {
            return Err(refuse("two categories are the same number in f32"));
        }
        return Ok((!singles.is_empty()).then_some(Values::Numbers(singles)));
    };
    // Bytes are written as signed numbers.
    let bytes: Vec<u8> = values.iter().map(|&value| value as i64 as u8).collect();
    let mut texts = Vec::new();
    for pair in offsets.windows(2) {
        let slice = bytes
            .get(pair[0] as usize..pair[1] as usize)
            .ok_or_else(|| refuse("offsets outside the values"))?;
        let text = std::str::from_utf8(slice).map_err(|_| refuse("a category is no UTF-8 text"))?;
        texts.push(text.to_owned());
    }
    Ok((!texts.is_empty()).then_some(Values::Texts(texts)))
}

/// The forest up to iteration `stop` (inclusive), how many trees that is, and of how many.
fn trees(
    model: &Model,
    width: u32,
    outputs: u32,
    weight_drop: Option<&Numbers>,
    columns: &[ModelColumn],
    stop: Option<u64>,
) -> Result<(Forest, usize, usize), ImportError> {
    let trees = model.trees.as_deref().unwrap_or_default();
    let info = model.tree_info.as_deref().unwrap_or_default();
    if trees.is_empty() || info.len() != trees.len() {
        return Err(invalid(
            "gradient_booster",
            format!(
                "{} trees and {} entries of tree_info",
                trees.len(),
                info.len()
            ),
        ));
    }
    if let Some(Numbers(factors)) = weight_drop
        && factors.len() != trees.len()
    {
        return Err(invalid(
            "weight_drop",
            format!("{} factors for {} trees", factors.len(), trees.len()),
        ));
    }
    let values: Vec<Option<Vec<f64>>> = columns
        .iter()
        .map(|column| column.numbers.clone())
        .collect();
    let used = match stop {
        None => trees.len(),
        Some(best) => trees_until(model, best, outputs, trees.len())?,
    };
    let mut forest = Forest::new(width, outputs);
    for (index, (tree, &output)) in trees.iter().zip(info).enumerate().take(used) {
        let place = format!("tree {index}");
        let vector: u32 = match tree.tree_param.size_leaf_vector.as_deref() {
            None => 1,
            Some(text) => text
                .trim()
                .parse()
                .map_err(|_| invalid(&place, format!("size_leaf_vector is `{text}`")))?,
        };
        let leaves = match &tree.leaf_weights {
            _ if vector <= 1 && output < outputs => Leaves::One(output),
            _ if vector <= 1 => {
                return Err(invalid(
                    &place,
                    format!("it adds to output {output} of {outputs}"),
                ));
            }
            _ if vector != outputs => {
                return Err(invalid(
                    &place,
                    format!("leaves of {vector} values for {outputs} outputs"),
                ));
            }
            Some(Numbers(weights)) => Leaves::Vector {
                weights,
                outputs,
                indirect: true,
            },
            None => Leaves::Vector {
                weights: &tree.base_weights.0,
                outputs,
                indirect: false,
            },
        };
        let factor = weight_drop.map_or(1.0, |Numbers(factors)| single(factors[index]));
        plant(tree, &mut forest, &leaves, factor, &values)
            .map_err(|reason| invalid(&place, reason))?;
    }
    Ok((forest, used, trees.len()))
}

/// How many trees the iterations 0 to `best` have.
fn trees_until(model: &Model, best: u64, outputs: u32, trees: usize) -> Result<usize, ImportError> {
    let end = match &model.iteration_indptr {
        Some(ends) => usize::try_from(best)
            .ok()
            .and_then(|best| ends.get(best.checked_add(1)?))
            .map(|&end| u64::from(end)),
        None => {
            let parallel = model
                .gbtree_model_param
                .as_ref()
                .and_then(|param| param.num_parallel_tree.as_deref());
            let parallel: u64 = parallel.map_or(Ok(1), str::parse).unwrap_or(1);
            best.checked_add(1).and_then(|rounds| {
                rounds
                    .checked_mul(parallel)?
                    .checked_mul(u64::from(outputs))
            })
        }
    };
    match end.and_then(|end| usize::try_from(end).ok()) {
        Some(end) if end <= trees && end > 0 => Ok(end),
        _ => Err(invalid(
            "attributes",
            format!("best_iteration {best} of a model with {trees} trees"),
        )),
    }
}

/// `gblinear`. Like the library, every output starts at the first output's base score.
fn linear(model: &Model, width: u32, base: Vec<f64>) -> Result<Estimator, ImportError> {
    let Numbers(weights) = model
        .weights
        .as_ref()
        .ok_or_else(|| invalid("gradient_booster", "gblinear without weights"))?;
    let (columns, outputs) = (width as usize, base.len());
    if weights.len() != (columns + 1) * outputs {
        let reason = format!(
            "{} weights for {width} features, a bias and {outputs} outputs",
            weights.len()
        );
        return Err(invalid("gradient_booster", reason));
    }
    let coefficient = |feature: usize, output: usize| single(weights[feature * outputs + output]);
    let rows = (0..outputs).flat_map(|output| (0..columns).map(move |feature| (feature, output)));
    let coefficients = rows
        .map(|(feature, output)| coefficient(feature, output))
        .collect();
    let intercept = (0..outputs)
        .map(|output| base[0] + coefficient(columns, output))
        .collect();
    Ok(Estimator::Linear(
        Linear::new(width, coefficients, intercept)
            .map_err(|reason| invalid("gblinear", reason))?,
    ))
}
