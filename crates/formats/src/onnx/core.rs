//! The finished graph: schema, probing with example rows, and the estimator that has exact explanations.

use hyaline_model::graph::ml::LabelEncoder;
use hyaline_model::graph::{Dependence, Graph, Op, ValueId, dependences};
use hyaline_model::trees::Aggregate;
use hyaline_model::{
    Batch, Column, Core, Data, ElementType, Feature, FeatureKind, Head, Link, Missing, Schema,
    Symbol, Symbols, Tensor, Tensors, Unseen,
};

use super::builder::Builder;
use super::head::Answer;
use super::inputs::Inputs;
use super::link::link;
use super::rewrite::Rewritten;
use super::{affine, exponential, fuse, merge};
use crate::{ImportError, Imported};

/// Rows of the example batch.
const EXAMPLES: usize = 3;

/// Most features whose missing values are tried out one by one.
const MOST_PROBED: usize = 2048;

/// Checks the graph, describes the features by what it tolerates, and looks for an additive core.
///
/// # Errors
/// [`ImportError`] when the graph or the schema breaks a rule.
pub(super) fn finish(
    builder: Builder,
    inputs: Inputs,
    answer: Answer,
    symbols: Symbols,
    mut notes: Vec<String>,
) -> Result<Imported, ImportError> {
    let invalid = |reason: String| ImportError::invalid("ONNX file", reason);
    let wanted = match &answer {
        Answer::Regression { value, .. } => vec![*value],
        Answer::Classification { label, scores, .. } => vec![*scores, *label],
    };
    let (parts, ids) = builder.finish(&wanted);
    let graph = Graph::new(parts).map_err(|error| invalid(error.to_string()))?;
    let mut features = inputs.features;
    let codes = categories(&graph, &mut features, &symbols);
    let schema = schema(&features)?;
    let probe = Probe {
        graph: &graph,
        symbols: &symbols,
        codes: &codes,
        wanted: &ids,
    };
    for (feature, (unseen, missing)) in features.iter_mut().zip(probe.tolerances(&schema)) {
        if let FeatureKind::Category(categories) = &mut feature.kind {
            categories.unseen = unseen;
        }
        feature.missing = missing;
    }
    let schema = self::schema(&features)?;
    let (Rewritten { graph, wanted: ids }, core) =
        explainable(&probe, &schema, &answer, &mut notes);
    let (graph, ids) = match fuse::fuse(&graph, &ids) {
        Some(fused) if core == Core::Opaque => (fused.graph, fused.wanted),
        _ => (graph, ids),
    };
    let probe = Probe {
        graph: &graph,
        symbols: &symbols,
        codes: &codes,
        wanted: &ids,
    };
    if let Core::Additive { node, .. } = &core
        && let Op::Trees(trees) = &graph.parts().nodes[*node as usize].op
        && trees.parts().covers.is_none()
    {
        notes.push("the file has no node covers; path-dependent explanations need them counted from reference data".to_owned());
    }
    let head = match answer {
        Answer::Regression { targets, .. } => Head::Regression {
            value: ids[0],
            targets,
        },
        Answer::Classification { labels, .. } => {
            let probabilities = probe.scores_are_probabilities(&schema);
            Head::Classification {
                label: ids[1],
                scores: ids[0],
                labels,
                probabilities,
            }
        }
    };
    Ok(Imported {
        schema,
        symbols,
        graph: graph.parts().clone(),
        head,
        core,
        notes,
    })
}

fn schema(features: &[Feature]) -> Result<Schema, ImportError> {
    Schema::new(features.to_vec())
        .map_err(|error| ImportError::invalid("ONNX inputs", error.to_string()))
}

/// Gives every text feature the texts that the operators reading it know; returns the numbers that strict encoders know of
/// every other feature.
fn categories(graph: &Graph, features: &mut [Feature], symbols: &Symbols) -> Vec<Vec<f64>> {
    let parts = graph.parts();
    let mut codes = vec![Vec::new(); features.len()];
    let Ok(schema) = Schema::new(features.to_vec()) else {
        return codes;
    };
    let examples = examples(&schema, symbols, &codes, 2, 0);
    for node in &parts.nodes {
        let constant = |id: ValueId| {
            (id.0 as usize)
                .checked_sub(parts.inputs.len())
                .and_then(|at| parts.constants.get(at))
        };
        let (texts, numbers): (Vec<Symbol>, &[i64]) = match &node.op {
            Op::OneHotEncoder(encoder) => {
                (encoder.known_symbols().to_vec(), encoder.known_integers())
            }
            Op::LabelEncoder(encoder) => (in_order_of_codes(encoder), &[]),
            Op::Compare(_) => match node
                .inputs
                .iter()
                .flatten()
                .find_map(|&id| constant(id))
                .map(Tensor::data)
            {
                Some(Data::Symbol(values)) => (values.clone(), &[]),
                _ => continue,
            },
            _ => continue,
        };
        let operands: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
        let Ok(found) = dependences(graph, &examples, &operands) else {
            continue;
        };
        for feature in found.iter().flat_map(Dependence::features) {
            let FeatureKind::Category(categories) = &mut features[feature as usize].kind else {
                codes[feature as usize].extend(numbers.iter().map(|&number| number as f64));
                continue;
            };
            for text in texts
                .iter()
                .filter_map(|&symbol| symbols.text(symbol))
                .filter(|text| !text.is_empty())
            {
                if !categories.values.iter().any(|value| value == text) {
                    categories.values.push(text.to_owned());
                }
            }
        }
    }
    codes
}

/// The encoder's texts, by the numbers they become, where they become numbers.
fn in_order_of_codes(encoder: &LabelEncoder) -> Vec<Symbol> {
    let mut known: Vec<Symbol> = encoder.known_symbols().collect();
    let codes = match encoder.values() {
        Data::I64(codes) => codes.iter().map(|&code| code as f64).collect(),
        Data::F32(codes) => codes.iter().map(|&code| f64::from(code)).collect(),
        _ => return known,
    };
    let mut coded: Vec<(f64, Symbol)> = std::iter::zip::<Vec<f64>, _>(codes, known).collect();
    coded.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    known = coded.into_iter().map(|(_, symbol)| symbol).collect();
    known
}

/// `rows` rows of small varied numbers and of known categories and codes, different for every `seed`.
fn examples(
    schema: &Schema,
    symbols: &Symbols,
    codes: &[Vec<f64>],
    rows: usize,
    seed: usize,
) -> Batch {
    let columns = schema
        .features()
        .iter()
        .enumerate()
        .map(|(index, feature)| {
            let steps = (0..rows).map(|row| seed + row * 7 + index * 3);
            match &feature.kind {
                FeatureKind::Category(categories) => Column::Symbols(
                    steps
                        .map(|step| match categories.values.len() {
                            0 => symbols.symbol(""),
                            known => symbols.symbol(&categories.values[step % known]),
                        })
                        .collect(),
                ),
                _ if !codes[index].is_empty() => Column::Numbers(
                    steps
                        .map(|step| codes[index][step % codes[index].len()])
                        .collect(),
                ),
                FeatureKind::Number => Column::Numbers(
                    steps
                        .map(|step| (step * 37 % 101) as f64 / 25.0 - 1.0)
                        .collect(),
                ),
                FeatureKind::Integer => {
                    Column::Numbers(steps.map(|step| (step % 3) as f64).collect())
                }
                FeatureKind::Boolean => {
                    Column::Numbers(steps.map(|step| (step % 2) as f64).collect())
                }
                FeatureKind::Text => {
                    Column::Texts(steps.map(|step| format!("word {step}")).collect())
                }
                FeatureKind::Tensor(kind) => {
                    let width = kind.elements();
                    let numbers = steps
                        .flat_map(|step| (0..width).map(move |at| ((step + at) % 7) as f32 / 7.0))
                        .collect();
                    Column::Tensors(
                        Tensors::new(width, numbers).expect("a schema's extents are at least 1"),
                    )
                }
            }
        })
        .collect();
    Batch::new(schema, columns).expect("one column of the right kind per feature")
}

/// Runs the graph on examples.
#[derive(Clone, Copy)]
struct Probe<'a> {
    graph: &'a Graph,
    symbols: &'a Symbols,
    codes: &'a [Vec<f64>],
    wanted: &'a [ValueId],
}

impl Probe<'_> {
    fn examples(&self, schema: &Schema, rows: usize, seed: usize) -> Batch {
        examples(schema, self.symbols, self.codes, rows, seed)
    }

    /// Whether many examples get the labels of another graph, and its numbers within a rounding of its largest.
    fn answers_as(&self, other: &Graph, wanted: &[ValueId], schema: &Schema) -> bool {
        let batch = self.examples(schema, 64, 3);
        let (Ok(own), Ok(others)) = (
            self.graph.run(&batch, self.wanted),
            other.run(&batch, wanted),
        ) else {
            return false;
        };
        own.iter().zip(&others).all(|(own, other)| {
            match (own.element_type(), numbers(own), numbers(other)) {
                (ElementType::F32 | ElementType::F64, Some(a), Some(b)) => {
                    // Sums in f32 err by their terms, which are as large as the sums that do not cancel.
                    let tolerance =
                        1e-6 * (1.0 + b.iter().fold(0.0, |largest: f64, b| largest.max(b.abs())));
                    own.shape() == other.shape()
                        && tolerance.is_finite()
                        && a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= tolerance)
                }
                _ => own == other,
            }
        })
    }

    /// What the graph does with unseen categories and missing values, feature by feature.
    fn tolerances(&self, schema: &Schema) -> Vec<(Unseen, Missing)> {
        // Most graphs treat all numbers alike; a very wide one is only asked whether it does.
        if schema.len() <= MOST_PROBED {
            return (0..schema.len())
                .map(|feature| self.tolerance(schema, feature))
                .collect();
        }
        let examples = self.examples(schema, EXAMPLES, 0);
        let all_missing = examples.columns().iter().map(|column| match column {
            Column::Numbers(values) => Column::Numbers(vec![f64::NAN; values.len()]),
            symbols => symbols.clone(),
        });
        let numbers = schema
            .features()
            .iter()
            .all(|feature| matches!(feature.kind, FeatureKind::Number));
        let batch =
            Batch::new(schema, all_missing.collect()).expect("the columns are of the same kind");
        let accepted = numbers
            && self
                .graph
                .run(&batch, self.wanted)
                .is_ok_and(|answers| answers.iter().all(finite));
        vec![
            (
                Unseen::Refused,
                if accepted {
                    Missing::Accepted
                } else {
                    Missing::Refused
                }
            );
            schema.len()
        ]
    }

    /// What the graph does with an unseen category and with a missing value of a feature.
    fn tolerance(&self, schema: &Schema, feature: usize) -> (Unseen, Missing) {
        let examples = self.examples(schema, EXAMPLES, 0);
        let with = |column: Column| {
            let mut columns = examples.columns().to_vec();
            columns[feature] = column;
            let batch = Batch::new(schema, columns).expect("the column is of the same kind");
            self.graph
                .run(&batch, self.wanted)
                .is_ok_and(|answers| answers.iter().all(finite))
        };
        match &examples.columns()[feature] {
            Column::Texts(_) | Column::Tensors(_) => (Unseen::Accepted, Missing::Refused),
            Column::Symbols(_) => {
                let accepts_unseen = with(Column::Symbols(vec![Symbol::UNKNOWN; EXAMPLES]));
                let unseen = if accepts_unseen {
                    Unseen::Accepted
                } else {
                    Unseen::Refused
                };
                // The empty text is an answer only where an operator of the model knows it.
                let missing = if self.knows_empty_text()
                    && with(Column::Symbols(vec![self.symbols.symbol(""); EXAMPLES]))
                {
                    Missing::Accepted
                } else {
                    Missing::Refused
                };
                (unseen, missing)
            }
            Column::Numbers(_) => {
                let number = matches!(schema.features()[feature].kind, FeatureKind::Number);
                let accepted = number && with(Column::Numbers(vec![f64::NAN; EXAMPLES]));
                (
                    Unseen::Refused,
                    if accepted {
                        Missing::Accepted
                    } else {
                        Missing::Refused
                    },
                )
            }
        }
    }

    fn knows_empty_text(&self) -> bool {
        let empty = self.symbols.symbol("");
        self.graph.parts().nodes.iter().any(|node| match &node.op {
            Op::OneHotEncoder(encoder) => encoder.known_symbols().contains(&empty),
            Op::LabelEncoder(encoder) => encoder.known_symbols().any(|known| known == empty),
            _ => false,
        }) || self
            .graph
            .parts()
            .constants
            .iter()
            .any(|tensor| match tensor.data() {
                Data::Symbol(values) => values.contains(&empty),
                _ => false,
            })
    }

    /// Whether the scores of many examples lie between 0 and 1 and add up to 1.
    fn scores_are_probabilities(&self, schema: &Schema) -> bool {
        let batch = self.examples(schema, 32, 5);
        let Ok(answers) = self.graph.run(&batch, &self.wanted[..1]) else {
            return false;
        };
        let Some(scores) = numbers(&answers[0]) else {
            return false;
        };
        let columns = scores.len() / batch.rows();
        scores.iter().all(|score| (0.0..=1.0).contains(score))
            && (columns < 2
                || scores
                    .chunks_exact(columns)
                    .all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-4))
    }
}

/// The elements as numbers; `None` for text.
pub(super) fn numbers(tensor: &Tensor) -> Option<Vec<f64>> {
    Some(match tensor.data() {
        Data::F32(values) => values.iter().map(|&x| f64::from(x)).collect(),
        Data::F64(values) => values.clone(),
        Data::I64(values) => values.iter().map(|&x| x as f64).collect(),
        Data::Bool(values) => values.iter().map(|&x| f64::from(u8::from(x))).collect(),
        Data::Symbol(_) | Data::Text(_) => return None,
    })
}

fn finite(tensor: &Tensor) -> bool {
    numbers(tensor).is_none_or(|numbers| numbers.iter().all(|x| x.is_finite()))
}

/// The graph in a form that has an additive core, where there is one; else as it is.
fn explainable(
    probe: &Probe<'_>,
    schema: &Schema,
    answer: &Answer,
    notes: &mut Vec<String>,
) -> (Rewritten, Core) {
    let (graph, wanted) = (probe.graph, probe.wanted);
    let found = core(probe, schema, answer);
    // The core of another form that answers alike, with a link that is known.
    let core_of = |other: &Rewritten| {
        let other = Probe {
            graph: &other.graph,
            wanted: &other.wanted,
            ..*probe
        };
        let core = core(&other, schema, answer)
            .ok()
            .filter(|_| other.answers_as(graph, wanted, schema))?;
        let known = !matches!(
            core,
            Core::Additive {
                link: Link::Other,
                ..
            }
        );
        Some((core, known))
    };
    let unchanged = || Rewritten {
        graph: graph.clone(),
        wanted: wanted.to_vec(),
    };
    match &found {
        Ok(Core::Additive {
            node,
            link: Link::Other,
            ..
        }) if matches!(answer, Answer::Regression { .. }) => {
            let other = exponential::rescaled(graph, *node as usize, wanted);
            if let Some((other, (core, true))) =
                other.and_then(|other| core_of(&other).map(|core| (other, core)))
            {
                return (other, core);
            }
        }
        Ok(_) => {}
        Err(reason) => {
            if let Some((other, note)) = merge::merge(graph, wanted)
                && let Some((core, _)) = core_of(&other)
            {
                notes.push(note);
                return (other, core);
            }
            for other in affine::linear_forms(graph, wanted) {
                if let Some((core, true)) = core_of(&other) {
                    return (other, core);
                }
            }
            notes.push(format!(
                "no exact explanation per feature in closed form: {reason}"
            ));
        }
    }
    (unchanged(), found.unwrap_or(Core::Opaque))
}

/// The estimator whose margins alone make the scores and whose columns come from one feature each.
///
/// # Errors
/// Why there is none, for people.
fn core(probe: &Probe<'_>, schema: &Schema, answer: &Answer) -> Result<Core, String> {
    let (graph, scores) = (probe.graph, probe.wanted[0]);
    let nodes = &graph.parts().nodes;
    let estimators: Vec<usize> = (0..nodes.len())
        .filter(|&node| matches!(nodes[node].op, Op::Trees(_) | Op::Linear(_)))
        .collect();
    if estimators.is_empty() {
        return Err("the model is neither a tree ensemble nor linear".to_owned());
    }
    let alone = estimators.iter().rev().find_map(|&node| {
        let margins = graph.outputs_of(node).next()?;
        let outputs = match &nodes[node].op {
            Op::Trees(trees) => trees.outputs(),
            Op::Linear(linear) => linear.outputs(),
            _ => return None,
        };
        Some((node, link(graph, margins, outputs, scores, answer)?))
    });
    let Some((node, link)) = alone else {
        return Err(format!(
            "the answer combines {} estimators, or an estimator and other values",
            estimators.len()
        ));
    };
    if let Op::Trees(trees) = &nodes[node].op
        && !matches!(trees.parts().aggregate, Aggregate::Sum | Aggregate::Average)
    {
        return Err("the trees' answers are not added up".to_owned());
    }
    let operand = nodes[node].inputs[0].ok_or("the estimator has no operand")?;
    let found = dependences(graph, &probe.examples(schema, EXAMPLES, 1), &[operand])
        .map_err(|error| format!("no example row could be traced: {error}"))?;
    let columns = match &found[0] {
        Dependence::Columns(columns) => columns,
        Dependence::Constant => return Err("the answer does not depend on the row".to_owned()),
        Dependence::Mixed(_) => {
            return Err(
                "the preprocessing mixes rows, or is not of the form [rows, columns]".to_owned(),
            );
        }
    };
    let name = |feature: &u32| format!("`{}`", schema.features()[*feature as usize].name);
    if let Some((column, features)) = columns
        .iter()
        .enumerate()
        .find(|(_, features)| features.len() > 1)
    {
        let mut names: Vec<String> = features.iter().take(3).map(name).collect();
        if features.len() > 3 {
            names.push(format!("{} more", features.len() - 3));
        }
        return Err(format!(
            "column {column} of the estimator comes from several features: {}",
            names.join(", ")
        ));
    }
    let tensor = columns.iter().flatten().find(|&&feature| {
        matches!(
            schema.features()[feature as usize].kind,
            FeatureKind::Tensor(_)
        )
    });
    if let Some(feature) = tensor {
        return Err(format!(
            "the numbers of {} are mixed before the estimator",
            name(feature)
        ));
    }
    // A constant column adds nothing to any explanation; whose it is does not matter.
    let column_feature = columns
        .iter()
        .map(|features| features.first().copied().unwrap_or(0))
        .collect();
    Ok(Core::Additive {
        node: node as u32,
        column_feature,
        link,
    })
}
