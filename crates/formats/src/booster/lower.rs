//! From a [`Booster`] to the parts of a model.

use hyaline_model::graph::dense::{
    ArgExtreme, Binary, Cast, Compare, Concat, Gather, Softmax, Unary,
};
use hyaline_model::graph::ml::{Imputer, LabelEncoder};
use hyaline_model::graph::{GraphInput, GraphNode, GraphParts, Op, ValueId};
use hyaline_model::trees::TreeEnsemble;
use hyaline_model::{
    Core, Data, ElementType, FeatureKind, Head, Label, Link, Schema, Symbols, Tensor,
};

use super::{Booster, BoosterFeature, Estimator, Task, Transform};
use crate::{ImportError, ImportOptions, Imported};

impl Booster {
    /// The model's parts. Names of features, labels and targets in `options` replace the file's.
    ///
    /// # Errors
    /// [`ImportError::Invalid`] when the options or the file's arrays contradict the model.
    pub(crate) fn lower(self, options: &ImportOptions) -> Result<Imported, ImportError> {
        let place = format!("{} model", self.library);
        let invalid = |reason: String| ImportError::invalid(&place, reason);
        let features = named(self.features, options).map_err(invalid)?;
        let outputs = match &self.estimator {
            Estimator::Trees(parts) => parts.outputs as usize,
            Estimator::Linear(linear) => linear.outputs(),
        };
        let labels = labels(self.labels, self.task, outputs, options).map_err(invalid)?;
        let symbols = Symbols::new(texts(&features, &labels));
        let mut graph = Builder::default();
        let mut matrix = graph
            .matrix(&features, self.precision, &symbols)
            .map_err(invalid)?;
        let estimator = match self.estimator {
            Estimator::Trees(parts) => {
                Op::from(TreeEnsemble::new(parts).map_err(|error| invalid(error.to_string()))?)
            }
            Estimator::Linear(linear) => {
                let imputer = Imputer::floats(f32::NAN, vec![0.0]).map_err(invalid)?;
                matrix = graph.node("missing", imputer, &[matrix]);
                Op::from(linear)
            }
        };
        let margin = graph.node("margin", estimator, &[matrix]);
        let core = graph.nodes.len() - 1;
        let answer = graph.answer(self.transform, margin);
        let head = match self.task {
            Task::Regression => {
                let targets = targets(outputs, options).map_err(invalid)?;
                Head::Regression {
                    value: graph.id(answer),
                    targets,
                }
            }
            Task::Binary | Task::Classes => {
                let class = match self.task {
                    Task::Binary => {
                        let zero = graph.constant(vec![], Data::F64(vec![0.0]));
                        let positive = graph.node("positive", Compare::Greater, &[margin, zero]);
                        graph.node(
                            "class",
                            Cast {
                                to: ElementType::I64,
                            },
                            &[positive],
                        )
                    }
                    _ => graph.node(
                        "class",
                        ArgExtreme {
                            axis: 1,
                            largest: true,
                            keep: true,
                            last: false,
                        },
                        &[margin],
                    ),
                };
                let table = graph.label_table(&labels, &symbols);
                let label = graph.node("label", Gather { axis: 0 }, &[table, class]);
                let probabilities = matches!(
                    self.transform,
                    Transform::Softmax | Transform::Logistic { .. }
                );
                let scores = if self.task == Task::Binary && probabilities {
                    graph.both(answer)
                } else {
                    answer
                };
                Head::Classification {
                    label: graph.id(label),
                    scores: graph.id(scores),
                    labels,
                    probabilities,
                }
            }
        };
        let column_feature = (0..features.len() as u32).collect();
        let schema = Schema::new(
            features
                .into_iter()
                .map(|feature| feature.feature)
                .collect(),
        );
        Ok(Imported {
            schema: schema.map_err(|error| invalid(error.to_string()))?,
            symbols,
            graph: graph.finish(),
            head,
            core: Core::Additive {
                node: core as u32,
                column_feature,
                link: link(self.transform, outputs),
            },
            notes: self.notes,
        })
    }
}

/// The features under the names of `options`, where it has names.
fn named(
    mut features: Vec<BoosterFeature>,
    options: &ImportOptions,
) -> Result<Vec<BoosterFeature>, String> {
    if !options.feature_names.is_empty() {
        if options.feature_names.len() != features.len() {
            return Err(format!(
                "{} feature names given for {} features",
                options.feature_names.len(),
                features.len()
            ));
        }
        for (feature, name) in features.iter_mut().zip(&options.feature_names) {
            feature.feature.name.clone_from(name);
        }
    }
    Ok(features)
}

/// One label per class: those of `options`, else the file's, else 0, 1, …
fn labels(
    file: Vec<Label>,
    task: Task,
    outputs: usize,
    options: &ImportOptions,
) -> Result<Vec<Label>, String> {
    let classes = match task {
        Task::Regression => return Ok(Vec::new()),
        Task::Binary => 2,
        Task::Classes => outputs,
    };
    if options.labels.is_empty() && !file.is_empty() {
        return Ok(file);
    }
    if options.labels.is_empty() {
        return Ok((0..classes as i64).map(Label::Integer).collect());
    }
    if options.labels.len() != classes {
        return Err(format!(
            "{} labels given for {classes} classes",
            options.labels.len()
        ));
    }
    Ok(options
        .labels
        .iter()
        .map(|label| Label::Text(label.clone()))
        .collect())
}

fn targets(outputs: usize, options: &ImportOptions) -> Result<Vec<String>, String> {
    match (options.target_names.len(), outputs) {
        (0, 1) => Ok(vec!["prediction".to_owned()]),
        (0, _) => Ok((0..outputs)
            .map(|output| format!("prediction_{output}"))
            .collect()),
        (found, _) if found == outputs => Ok(options.target_names.clone()),
        (found, _) => Err(format!("{found} target names given for {outputs} outputs")),
    }
}

/// Every text of the model.
fn texts(features: &[BoosterFeature], labels: &[Label]) -> Vec<String> {
    let categories = features
        .iter()
        .flat_map(|feature| feature.codes.iter().flatten())
        .cloned();
    let labels = labels.iter().filter_map(|label| match label {
        Label::Text(text) => Some(text.clone()),
        Label::Integer(_) => None,
    });
    categories.chain(labels).collect()
}

fn link(transform: Transform, outputs: usize) -> Link {
    match transform {
        Transform::Identity => Link::Identity,
        Transform::Logistic { scale: 1.0 } if outputs == 1 => Link::Logistic,
        Transform::Softmax => Link::Softmax,
        Transform::Exponential => Link::Exponential,
        Transform::Logistic { .. } | Transform::SignedSquare | Transform::Softplus => Link::Other,
    }
}

/// A value before it is known how many inputs and constants come before the nodes.
#[derive(Clone, Copy, Debug)]
enum Value {
    Input(usize),
    Constant(usize),
    Node(usize),
}

/// Grows a graph; every node makes one value.
#[derive(Default)]
struct Builder {
    inputs: Vec<GraphInput>,
    constants: Vec<Tensor>,
    nodes: Vec<(&'static str, Op, Vec<Value>)>,
}

impl Builder {
    fn node(&mut self, name: &'static str, op: impl Into<Op>, operands: &[Value]) -> Value {
        self.nodes.push((name, op.into(), operands.to_vec()));
        Value::Node(self.nodes.len() - 1)
    }

    fn constant(&mut self, shape: Vec<usize>, data: Data) -> Value {
        self.constants
            .push(Tensor::new(shape, data).expect("the shape is that of the data"));
        Value::Constant(self.constants.len() - 1)
    }

    /// The matrix the estimator sees: numbers as they are, texts as codes.
    fn matrix(
        &mut self,
        features: &[BoosterFeature],
        precision: ElementType,
        symbols: &Symbols,
    ) -> Result<Value, String> {
        let mut parts = Vec::new();
        let mut numbers: Option<usize> = None;
        for (index, feature) in features.iter().enumerate() {
            let texts = match (&feature.codes, &feature.feature.kind) {
                (Some(texts), FeatureKind::Category(_)) => texts,
                _ => {
                    match numbers {
                        Some(input) => self.inputs[input].features += 1,
                        None => {
                            numbers = Some(self.inputs.len());
                            parts.push(self.input(&feature.feature.name, precision, index));
                        }
                    }
                    continue;
                }
            };
            numbers = None;
            let text = self.input(&feature.feature.name, ElementType::Symbol, index);
            let keys = Data::Symbol(texts.iter().map(|text| symbols.symbol(text)).collect());
            let codes = (0..texts.len()).map(|code| code as f64).chain([f64::NAN]);
            let codes = match precision {
                ElementType::F32 => Data::F32(codes.map(|code| code as f32).collect()),
                _ => Data::F64(codes.collect()),
            };
            parts.push(self.node("category", LabelEncoder::new(&keys, codes)?, &[text]));
        }
        Ok(match parts[..] {
            [only] => only,
            _ => self.node("columns", Concat { axis: 1 }, &parts),
        })
    }

    fn input(&mut self, name: &str, element_type: ElementType, feature: usize) -> Value {
        self.inputs.push(GraphInput {
            name: name.to_owned(),
            element_type,
            first_feature: feature as u32,
            features: 1,
            flat: false,
            extents: None,
        });
        Value::Input(self.inputs.len() - 1)
    }

    /// The library's prediction.
    fn answer(&mut self, transform: Transform, margin: Value) -> Value {
        match transform {
            Transform::Identity => margin,
            Transform::Logistic { scale: 1.0 } => {
                self.node("probability", Unary::Sigmoid, &[margin])
            }
            Transform::Logistic { scale } => {
                let scale = self.constant(vec![], Data::F64(vec![scale]));
                let logit = self.node("logit", Binary::Mul, &[margin, scale]);
                self.node("probability", Unary::Sigmoid, &[logit])
            }
            Transform::Softmax => self.node(
                "probabilities",
                Softmax {
                    axis: 1,
                    flattened: false,
                    log: false,
                },
                &[margin],
            ),
            Transform::Exponential => self.node("mean", Unary::Exp, &[margin]),
            Transform::SignedSquare => {
                let magnitude = self.node("magnitude", Unary::Abs, &[margin]);
                self.node("square", Binary::Mul, &[margin, magnitude])
            }
            Transform::Softplus => self.node("mean", Unary::Softplus, &[margin]),
        }
    }

    /// Probabilities of both classes from that of the second.
    fn both(&mut self, positive: Value) -> Value {
        let one = self.constant(vec![], Data::F64(vec![1.0]));
        let negative = self.node("negative", Binary::Sub, &[one, positive]);
        self.node("probabilities", Concat { axis: 1 }, &[negative, positive])
    }

    fn label_table(&mut self, labels: &[Label], symbols: &Symbols) -> Value {
        let integers: Option<Vec<i64>> = labels
            .iter()
            .map(|label| match label {
                Label::Integer(number) => Some(*number),
                Label::Text(_) => None,
            })
            .collect();
        let symbol = |label: &Label| match label {
            Label::Text(text) => symbols.symbol(text),
            Label::Integer(number) => symbols.symbol(&number.to_string()),
        };
        let data = integers.map_or_else(
            || Data::Symbol(labels.iter().map(symbol).collect()),
            Data::I64,
        );
        self.constant(vec![labels.len()], data)
    }

    /// The final place of a value; to be asked once every input and constant is there.
    fn id(&self, value: Value) -> ValueId {
        place(value, self.inputs.len(), self.constants.len())
    }

    fn finish(self) -> GraphParts {
        let (inputs, constants) = (self.inputs.len(), self.constants.len());
        let node = |(name, op, operands): (&str, Op, Vec<Value>)| GraphNode {
            name: name.to_owned(),
            op,
            inputs: operands
                .into_iter()
                .map(|operand| Some(place(operand, inputs, constants)))
                .collect(),
            outputs: 1,
        };
        GraphParts {
            inputs: self.inputs,
            constants: self.constants,
            nodes: self.nodes.into_iter().map(node).collect(),
        }
    }
}

/// Inputs come first, then constants, then nodes.
fn place(value: Value, inputs: usize, constants: usize) -> ValueId {
    ValueId(match value {
        Value::Input(index) => index,
        Value::Constant(index) => inputs + index,
        Value::Node(index) => inputs + constants + index,
    } as u32)
}
