//! The file's outputs as the answer of a function.

use std::collections::BTreeMap;

use hyaline_model::graph::Op;
use hyaline_model::graph::dense::{ArgExtreme, Binary, Cast, Compare, Concat, Reshape, Unary};
use hyaline_model::graph::ml::{LabelEncoder, Labels};
use hyaline_model::{Data, ElementType, Label, Symbols, Tensor};

use super::builder::{Builder, SAMPLE_ROWS, Value};
use super::inputs::Dictionary;
use super::node::Node;
use super::proto::GraphProto;
use super::shorten;
use super::text::Columns;
use crate::{ImportError, ImportOptions};

/// What a name of the file stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bound {
    /// A tensor.
    Value(Value),
    /// A dictionary input.
    Dictionary(Dictionary),
    /// An input with free text beside categories.
    Columns(Columns),
    /// A score per class (`ZipMap`).
    Classes {
        /// `[rows, classes]`
        scores: Value,
        /// The keys.
        labels: Vec<Label>,
    },
}

/// The values that answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// Numbers.
    Regression {
        /// `[rows]` or `[rows, targets]`.
        value: Value,
        /// Names of the targets.
        targets: Vec<String>,
    },
    /// A class.
    Classification {
        /// `[rows]` or `[rows, 1]`.
        label: Value,
        /// `[rows, classes]`, or one score per row.
        scores: Value,
        /// In score order.
        labels: Vec<Label>,
    },
}

/// What a `ZipMap` makes: the scores with their labels.
///
/// # Errors
/// [`ImportError::Invalid`] when it has no labels.
pub(super) fn zip_map(node: &Node<'_>) -> Result<Bound, ImportError> {
    let texts = node.texts("classlabels_strings")?;
    let labels: Vec<Label> = if texts.is_empty() {
        node.ints("classlabels_int64s")?
            .iter()
            .map(|&label| Label::Integer(label))
            .collect()
    } else {
        texts
            .into_iter()
            .map(|label| Label::Text(label.to_owned()))
            .collect()
    };
    if labels.is_empty() {
        return Err(node.invalid("it has no class labels"));
    }
    Ok(Bound::Classes {
        scores: node.operand(0)?,
        labels,
    })
}

/// Finds the answer among the outputs, and what a user should know of it.
///
/// A label (integers or text) and scores make a classifier, numbers alone a regressor.
///
/// # Errors
/// [`ImportError::Unsupported`] when the outputs are something else, [`ImportError::Invalid`] when one does not exist or
/// `options` contradict the file.
pub(super) fn read(
    graph: &GraphProto,
    bound: &BTreeMap<String, Bound>,
    builder: &mut Builder,
    symbols: &Symbols,
    options: &ImportOptions,
) -> Result<(Answer, Vec<String>), ImportError> {
    let fail = |name: &str, reason: &str| {
        ImportError::invalid(format!("ONNX output `{}`", shorten(name)), reason)
    };
    let mut outputs = Vec::new();
    for output in &graph.output {
        let made = bound
            .get(&output.name)
            .ok_or_else(|| fail(&output.name, "no operator makes it"))?;
        outputs.push((output.name.as_str(), made));
    }
    let mut notes = Vec::new();
    let mut ignore = |rest: &[(&str, &Bound)]| {
        for (name, _) in rest {
            notes.push(format!("the output `{}` is left out", shorten(name)));
        }
    };
    let answer = match outputs[..] {
        [] => return Err(ImportError::invalid("ONNX file", "it has no outputs")),
        [
            (name, &Bound::Value(label)),
            (_, Bound::Classes { scores, labels }),
            ref rest @ ..,
        ] => {
            ignore(rest);
            let own = labels_of(builder, symbols, label);
            let labels = own
                .filter(|own| own.len() == labels.len())
                .unwrap_or_else(|| labels.clone());
            classification(builder, name, label, *scores, labels)?
        }
        [(name, Bound::Classes { .. })] => {
            let reason = "scores without a label; export the label, too";
            return Err(ImportError::unsupported(
                format!("ONNX output `{}`", shorten(name)),
                reason,
            ));
        }
        [
            (name, &Bound::Value(label)),
            (_, &Bound::Value(scores)),
            ref rest @ ..,
        ] if is_label(builder, label) => {
            one_label(builder, name, label)?;
            let labels = labels_of(builder, symbols, label).ok_or_else(|| {
                ImportError::unsupported(
                    format!("ONNX output `{}`", shorten(name)),
                    "the labels it can take are not to be found in the file",
                )
            })?;
            let scores = match columns_as_matrix(builder, scores, rest, labels.len())? {
                Some(matrix) => matrix,
                None => {
                    ignore(rest);
                    scores
                }
            };
            classification(builder, name, label, scores, labels)?
        }
        [(name, &Bound::Value(value)), ref rest @ ..] => {
            ignore(rest);
            match scored(builder, value, options) {
                Some(answer) => answer,
                None => regression(builder, name, value, options)?,
            }
        }
        [(name, _), ..] => {
            let reason = "it is a map or a sequence, expected a label or numbers";
            return Err(ImportError::unsupported(
                format!("ONNX output `{}`", shorten(name)),
                reason,
            ));
        }
    };
    Ok((renamed(answer, builder, symbols, options)?, notes))
}

fn is_label(builder: &Builder, value: Value) -> bool {
    matches!(
        builder.element_type(value),
        ElementType::I64 | ElementType::Symbol | ElementType::Bool
    )
}

fn regression(
    builder: &Builder,
    name: &str,
    value: Value,
    options: &ImportOptions,
) -> Result<Answer, ImportError> {
    let place = || format!("ONNX output `{}`", shorten(name));
    if builder.element_type(value) == ElementType::Symbol {
        return Err(ImportError::unsupported(
            place(),
            "text without scores, expected numbers",
        ));
    }
    let columns = match builder.sample(value).map(Tensor::shape) {
        Some([SAMPLE_ROWS]) => 1,
        None => {
            return Err(ImportError::unsupported(
                place(),
                "its shape depends on the row's values",
            ));
        }
        Some(&[SAMPLE_ROWS, columns]) if columns > 0 => columns,
        Some(shape) => {
            return Err(ImportError::unsupported(
                place(),
                format!("shape {shape:?} for two rows, expected one row of numbers each"),
            ));
        }
    };
    let targets = match options.target_names.len() {
        0 if columns == 1 => vec![name.to_owned()],
        0 => (0..columns)
            .map(|column| format!("{name}_{column}"))
            .collect(),
        found if found == columns => options.target_names.clone(),
        found => {
            return Err(ImportError::invalid(
                place(),
                format!("{found} target names for {columns} numbers"),
            ));
        }
    };
    Ok(Answer::Regression { value, targets })
}

/// A classifier that only scores, for whose scores the user has labels: the label is that of the highest score, or whether
/// the only score is above one half.
fn scored(builder: &mut Builder, scores: Value, options: &ImportOptions) -> Option<Answer> {
    let labels: Vec<Label> = (0..options.labels.len() as i64)
        .map(Label::Integer)
        .collect();
    let label = match builder.sample(scores).map(Tensor::shape) {
        Some(&[SAMPLE_ROWS, columns]) if columns > 1 && columns == labels.len() => {
            let highest = ArgExtreme {
                axis: 1,
                largest: true,
                keep: false,
                last: false,
            };
            builder.answer("label", highest, &[scores])
        }
        Some([SAMPLE_ROWS] | [SAMPLE_ROWS, 1]) if labels.len() == 2 => {
            let half = match builder.element_type(scores) {
                ElementType::F32 => Data::F32(vec![0.5]),
                ElementType::F64 => Data::F64(vec![0.5]),
                _ => return None,
            };
            let half = builder.constant(Tensor::new(vec![], half)?);
            let above = builder
                .answer("label", Compare::Greater, &[scores, half])
                .ok()?;
            let to = ElementType::I64;
            builder.answer("label", Cast { to }, &[above])
        }
        _ => return None,
    };
    Some(Answer::Classification {
        label: label.ok()?,
        scores,
        labels,
    })
}

/// Refuses anything but one label per row.
fn one_label(builder: &Builder, name: &str, label: Value) -> Result<(), ImportError> {
    match builder.sample(label).map(Tensor::shape) {
        Some([SAMPLE_ROWS] | [SAMPLE_ROWS, 1] | [1, SAMPLE_ROWS]) | None => Ok(()),
        Some(shape) => {
            let reason = format!("labels of shape {shape:?} for two rows, expected one label each");
            Err(ImportError::unsupported(
                format!("ONNX output `{}`", shorten(name)),
                reason,
            ))
        }
    }
}

fn classification(
    builder: &Builder,
    name: &str,
    label: Value,
    scores: Value,
    labels: Vec<Label>,
) -> Result<Answer, ImportError> {
    let unsupported = |reason: String| {
        Err(ImportError::unsupported(
            format!("ONNX output `{}`", shorten(name)),
            reason,
        ))
    };
    one_label(builder, name, label)?;
    match builder.sample(scores).map(Tensor::shape) {
        Some([SAMPLE_ROWS] | [SAMPLE_ROWS, 1]) if labels.len() <= 2 => {}
        Some(&[SAMPLE_ROWS, columns]) if columns == labels.len() => {}
        None => {}
        Some(shape) => {
            return unsupported(format!(
                "scores of shape {shape:?} for two rows and {} classes",
                labels.len()
            ));
        }
    }
    Ok(Answer::Classification {
        label,
        scores,
        labels,
    })
}

/// Scores that come as one output per class, side by side.
fn columns_as_matrix(
    builder: &mut Builder,
    first: Value,
    rest: &[(&str, &Bound)],
    classes: usize,
) -> Result<Option<Value>, ImportError> {
    let single = |builder: &Builder, value: Value| {
        matches!(builder.sample(value).map(Tensor::shape), Some([_] | [_, 1]))
    };
    if rest.len() + 1 != classes || classes < 2 || !single(builder, first) {
        return Ok(None);
    }
    let mut columns = vec![first];
    for (_, made) in rest {
        match made {
            Bound::Value(value) if single(builder, *value) => columns.push(*value),
            _ => return Ok(None),
        }
    }
    let unsupported = |reason: String| ImportError::unsupported("ONNX outputs", reason);
    let shape =
        builder.constant(Tensor::new(vec![2], Data::I64(vec![-1, 1])).expect("two elements"));
    let mut matrices = Vec::with_capacity(columns.len());
    for column in columns {
        let reshape = Reshape { allow_zero: false };
        matrices.push(
            builder
                .answer("scores", reshape, &[column, shape])
                .map_err(unsupported)?,
        );
    }
    builder
        .answer("scores", Concat { axis: 1 }, &matrices)
        .map(Some)
        .map_err(unsupported)
}

/// The labels that `value` can take, in score order; `None` when the operators that make it do not tell.
fn labels_of(builder: &Builder, symbols: &Symbols, mut value: Value) -> Option<Vec<Label>> {
    let text = |symbol: &hyaline_model::Symbol| {
        symbols
            .text(*symbol)
            .map(|text| Label::Text(text.to_owned()))
    };
    let of_data = |data: &Data| -> Option<Vec<Label>> {
        let labels: Vec<Label> = match data {
            Data::I64(values) => values.iter().map(|&value| Label::Integer(value)).collect(),
            Data::F32(values) => values
                .iter()
                .map(|&value| Label::Integer(value as i64))
                .collect(),
            Data::F64(values) => values
                .iter()
                .map(|&value| Label::Integer(value as i64))
                .collect(),
            Data::Symbol(values) => values.iter().map(text).collect::<Option<_>>()?,
            Data::Bool(_) | Data::Text(_) => return None,
        };
        let mut unique = Vec::with_capacity(labels.len());
        labels.into_iter().for_each(|label| {
            if !unique.contains(&label) {
                unique.push(label)
            }
        });
        (unique.len() <= MAX_CLASSES).then_some(unique)
    };
    let of_labels = |labels: &Labels| match labels {
        Labels::Integers(labels) => {
            Some(labels.iter().map(|&label| Label::Integer(label)).collect())
        }
        Labels::Symbols(labels) => labels.iter().map(text).collect(),
    };
    // Arithmetic with one constant between the set of labels and the output, as `1 - 2 · (score < 0)`; the last comes first.
    let mut steps: Vec<(Binary, i64, bool)> = Vec::new();
    let found = loop {
        if let Some(labels) = builder.labels(value) {
            break labels.to_vec();
        }
        let (op, operands) = builder.maker(value)?;
        let operand = |index: usize| operands.get(index).copied().flatten();
        match op {
            Op::ClassLabel(rule) => break of_labels(rule.labels())?,
            Op::SvmClassifier(machine) => break of_labels(machine.labels())?,
            Op::Gather(_) | Op::ArrayFeatureExtractor(_) => {
                break of_data(builder.constant_of(operand(0)?)?.data())?;
            }
            Op::ArgExtreme(extreme) => {
                let shape = builder.sample(operand(0)?)?.shape();
                let axis = if extreme.axis < 0 {
                    extreme.axis + shape.len() as i64
                } else {
                    extreme.axis
                };
                let extent = *shape.get(usize::try_from(axis).ok()?)?;
                if extent > MAX_CLASSES {
                    return None;
                }
                break (0..extent as i64).map(Label::Integer).collect();
            }
            Op::Select(_) => {
                let mut labels = of_data(builder.constant_of(operand(2)?)?.data())?;
                labels.extend(of_data(builder.constant_of(operand(1)?)?.data())?);
                labels.sort_by_key(|label| {
                    if let Label::Integer(value) = label {
                        *value
                    } else {
                        0
                    }
                });
                labels.dedup();
                break labels;
            }
            Op::Unary(Unary::Sign) => break vec![Label::Integer(-1), Label::Integer(1)],
            Op::LabelEncoder(encoder) => break of_data(encoder.values())?,
            Op::Compare(_) | Op::Logical(_) | Op::Binarizer(_) => {
                break vec![Label::Integer(0), Label::Integer(1)];
            }
            Op::Binary(arithmetic @ (Binary::Add | Binary::Sub | Binary::Mul)) => {
                let (a, b) = (operand(0)?, operand(1)?);
                let constant_first = builder.constant_of(a).is_some();
                let (constant, other) = if constant_first { (a, b) } else { (b, a) };
                match builder.constant_of(constant)?.data() {
                    Data::I64(values) if values.len() == 1 => {
                        steps.push((*arithmetic, values[0], constant_first))
                    }
                    _ => return None,
                }
                value = other;
            }
            Op::Cast(_)
            | Op::Identity(_)
            | Op::Reshape(_)
            | Op::Flatten(_)
            | Op::Squeeze(_)
            | Op::Unsqueeze(_) => {
                value = operand(0)?;
            }
            _ => return None,
        }
    };
    if steps.is_empty() {
        return Some(found);
    }
    let mut numbers: Vec<i64> = found
        .iter()
        .map(|label| {
            if let Label::Integer(label) = label {
                Some(*label)
            } else {
                None
            }
        })
        .collect::<Option<_>>()?;
    for (arithmetic, constant, constant_first) in steps.into_iter().rev() {
        for number in &mut numbers {
            let (a, b) = if constant_first {
                (constant, *number)
            } else {
                (*number, constant)
            };
            *number = match arithmetic {
                Binary::Add => a.wrapping_add(b),
                Binary::Sub => a.wrapping_sub(b),
                _ => a.wrapping_mul(b),
            };
        }
    }
    // Without a class order of its own the file gets the usual one.
    numbers.sort_unstable();
    numbers.dedup();
    Some(numbers.into_iter().map(Label::Integer).collect())
}

/// Most classes of one classifier.
const MAX_CLASSES: usize = 1 << 16;

/// The answer under the labels of `options`, where it has labels.
fn renamed(
    answer: Answer,
    builder: &mut Builder,
    symbols: &Symbols,
    options: &ImportOptions,
) -> Result<Answer, ImportError> {
    let Answer::Classification {
        label,
        scores,
        labels,
    } = answer
    else {
        return Ok(answer);
    };
    let wanted: Vec<Label> = options
        .labels
        .iter()
        .map(|label| Label::Text(label.clone()))
        .collect();
    let same = labels
        .iter()
        .zip(&options.labels)
        .all(|(own, wanted)| match own {
            Label::Text(own) => own == wanted,
            Label::Integer(own) => own.to_string() == *wanted,
        });
    if wanted.is_empty() || (wanted.len() == labels.len() && same) {
        return Ok(Answer::Classification {
            label,
            scores,
            labels,
        });
    }
    let invalid = |reason: String| ImportError::invalid("ONNX outputs", reason);
    if wanted.len() != labels.len() {
        return Err(invalid(format!(
            "{} labels are given for the {} classes of the file",
            wanted.len(),
            labels.len()
        )));
    }
    // A text label that is only in another order would be renamed to another class.
    if labels.iter().all(|label| wanted.contains(label)) {
        return Err(invalid(format!(
            "the labels are given in another order than the file's {labels:?}"
        )));
    }
    let keys: Data = match &labels[0] {
        Label::Integer(_) => Data::I64(
            labels
                .iter()
                .filter_map(|label| {
                    if let Label::Integer(label) = label {
                        Some(*label)
                    } else {
                        None
                    }
                })
                .collect(),
        ),
        Label::Text(_) => Data::Symbol(
            labels
                .iter()
                .filter_map(|label| {
                    if let Label::Text(label) = label {
                        Some(symbols.symbol(label))
                    } else {
                        None
                    }
                })
                .collect(),
        ),
    };
    // One more, the default, which no label of the file takes.
    let texts = options
        .labels
        .iter()
        .chain(options.labels.first())
        .map(|label| symbols.symbol(label));
    let texts = Data::Symbol(texts.collect());
    let encoder = LabelEncoder::new(&keys, texts).map_err(invalid)?;
    let label = builder
        .answer("label", encoder, &[label])
        .map_err(invalid)?;
    Ok(Answer::Classification {
        label,
        scores,
        labels: wanted,
    })
}
