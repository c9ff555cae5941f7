//! The model: schema, graph, head, and what an exact explainer needs to know of it.

use borsh::io::{Read, Write};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::graph::{EvalError, Graph, GraphParts, Op, ValueId};
use crate::trees::TreeEnsemble;
use crate::{
    Batch, Column, Conformity, Data, ElementType, ExplainerSettings, Feature, FeatureGroup,
    FeatureKind, Reference, Schema, Symbols, Tensor, Tensors,
};

/// Rows that stand for "the feature is absent" in interventional explanations. At least one row, of the model's schema.
pub type Background = Batch;

/// A class label.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Label {
    /// A text label.
    Text(String),
    /// An integer label.
    Integer(i64),
}

/// Which values of the graph are the answer.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Head {
    /// Numbers.
    Regression {
        /// `[rows]` or `[rows, targets]` numbers.
        value: ValueId,
        /// One name per target.
        targets: Vec<String>,
    },
    /// A class out of a list.
    Classification {
        /// `[rows]` or `[rows, 1]`: the label as text or integer, as the model's own graph decides it.
        label: ValueId,
        /// `[rows, classes]` (or `[rows]` / `[rows, 1]` for a binary classifier that only scores its positive class).
        scores: ValueId,
        /// The classes, in score order.
        labels: Vec<Label>,
        /// Whether the scores are probabilities.
        probabilities: bool,
    },
}

/// How margins become scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Link {
    /// The margin is the answer.
    Identity,
    /// One margin `m`; the positive class has probability `1 / (1 + exp(-m))`.
    Logistic,
    /// One margin per class; `exp(m_k) / Σ exp(m_j)`.
    Softmax,
    /// `exp(m)` (Poisson, gamma, Tweedie objectives).
    Exponential,
    /// Something else.
    Other,
}

/// The part of the graph that has exact explanations.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Core {
    /// One estimator node ([`Op::Trees`] with a sum or average, or [`Op::Linear`]) whose every input column comes from one raw feature.
    Additive {
        /// Position of the node in the graph.
        node: u32,
        /// The raw feature behind each column of the node's operand.
        column_feature: Vec<u32>,
        /// How its margins become scores.
        link: Link,
    },
    /// Nothing is known but the answers.
    Opaque,
}

/// A model as an importer made it, not yet checked.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct ModelParts {
    /// Name in routes and protocols: non-empty, of `[A-Za-z0-9._-]`.
    pub name: String,
    /// Version text, e.g. `1`.
    pub version: String,
    /// What a row looks like.
    pub schema: Schema,
    /// All texts the graph, the schema and the labels mention.
    pub symbols: Symbols,
    /// The operators.
    pub graph: GraphParts,
    /// The answer.
    pub head: Head,
    /// The explainable part.
    pub core: Core,
    /// Index of the class that explanations of a binary classifier speak about; 1 unless the recipe says otherwise.
    pub positive: u32,
    /// How explanations are prepared.
    pub explainer: ExplainerSettings,
    /// Rows that stand for absence.
    pub background: Option<Background>,
    /// Rows that stand for the data.
    pub reference: Option<Reference>,
    /// Groups of features; features in none are alone.
    pub groups: Vec<FeatureGroup>,
    /// What prediction intervals and sets follow from.
    pub conformity: Option<Conformity>,
    /// The card, canonical JSON, as the function shows it.
    pub card: String,
}

impl ModelParts {
    /// Parts with what every model has: version `1`, class 1 positive, no rows kept, explained as its kind suggests.
    pub fn new(
        name: impl Into<String>,
        schema: Schema,
        symbols: Symbols,
        graph: GraphParts,
        head: Head,
        core: Core,
    ) -> ModelParts {
        ModelParts {
            name: name.into(),
            version: "1".to_owned(),
            schema,
            symbols,
            graph,
            head,
            core,
            positive: 1,
            explainer: ExplainerSettings::default(),
            background: None,
            reference: None,
            groups: Vec::new(),
            conformity: None,
            card: "{}".to_owned(),
        }
    }
}

/// Answers for a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Rows.
    pub rows: usize,
    /// Numbers per row in `values`: classes, or targets.
    pub outputs: usize,
    /// `[rows, outputs]`: class scores (probabilities where the head says so), or predicted values.
    pub values: Vec<f64>,
    /// Numbers per row in `margins`; 0 for an opaque core.
    pub margin_outputs: usize,
    /// `[rows, margin_outputs]`.
    pub margins: Vec<f64>,
    /// `[rows]`: index of the predicted class; empty for a regressor.
    pub labels: Vec<u32>,
}

/// Why bytes are no model image, or parts no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The bytes do not start with this version's magic.
    #[error("not a Hyaline model image of version {expected}: it starts with {found:02x?}")]
    Magic {
        /// This version.
        expected: u32,
        /// First bytes seen.
        found: Vec<u8>,
    },
    /// The bytes end early, go on too long, or break a rule of a part.
    #[error("the model image is damaged: {0}")]
    Damaged(String),
    /// The parts contradict each other.
    #[error("the model is inconsistent: {0}")]
    Inconsistent(String),
}

/// Rows with tensors that go through the graph at a time: what passes between operators stays in the nearest caches.
const TENSOR_ROWS: usize = 8;

const MAGIC: &[u8; 8] = b"hyaline\x01";
const VERSION: u32 = 1;

/// A checked model. Evaluation fails only where an operator refuses a row's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    parts: ModelParts,
    graph: Graph,
}

/// The rest of an image. Every number of every part is read through it, so it is one call and not code in each place.
struct ImageReader<'a>(&'a [u8]);

impl Read for ImageReader<'_> {
    #[inline(never)]
    fn read(&mut self, into: &mut [u8]) -> borsh::io::Result<usize> {
        self.0.read(into)
    }

    #[inline(never)]
    fn read_exact(&mut self, into: &mut [u8]) -> borsh::io::Result<()> {
        self.0.read_exact(into)
    }
}

/// An image as far as it is written; one call for every number, as in [`ImageReader`].
struct ImageWriter(Vec<u8>);

impl Write for ImageWriter {
    #[inline(never)]
    fn write(&mut self, bytes: &[u8]) -> borsh::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    #[inline(never)]
    fn write_all(&mut self, bytes: &[u8]) -> borsh::io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> borsh::io::Result<()> {
        Ok(())
    }
}

impl Model {
    /// Checks that the parts fit each other.
    ///
    /// # Errors
    /// [`ImageError::Inconsistent`] with the first contradiction.
    pub fn new(mut parts: ModelParts) -> Result<Model, ImageError> {
        let fail = |reason: String| Err(ImageError::Inconsistent(reason));
        // The graph is kept once, in its checked form.
        let graph = Graph::new(std::mem::take(&mut parts.graph))
            .map_err(|error| ImageError::Inconsistent(error.to_string()))?;
        if parts.name.is_empty()
            || !parts
                .name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        {
            return fail(format!(
                "the name `{}` is not made of letters, digits, `.`, `_` and `-`",
                parts.name
            ));
        }
        if graph.features() != parts.schema.len() {
            return fail(format!(
                "the graph takes {} features, the schema has {}",
                graph.features(),
                parts.schema.len()
            ));
        }
        for input in &graph.parts().inputs {
            for feature in
                &parts.schema.features()[input.first_feature as usize..][..input.features as usize]
            {
                let fits = match (&feature.kind, input.element_type) {
                    (FeatureKind::Category(_), found) => found == ElementType::Symbol,
                    (FeatureKind::Text, found) => found == ElementType::Text,
                    (_, ElementType::Symbol | ElementType::Text) => false,
                    (FeatureKind::Tensor(kind), _) => input.extents.as_ref() == Some(&kind.extents),
                    (FeatureKind::Number | FeatureKind::Integer | FeatureKind::Boolean, _) => {
                        input.extents.is_none()
                    }
                };
                if !fits {
                    return fail(format!(
                        "the input `{}` does not take the feature `{}`",
                        input.name, feature.name
                    ));
                }
            }
        }
        if !parts.symbols.is_canonical() {
            return fail("the symbols are not sorted".to_owned());
        }
        let exists = |id: ValueId| (id.0 as usize) < graph.values();
        match &parts.head {
            Head::Regression { value, targets } => {
                if !exists(*value) || targets.is_empty() {
                    return fail(format!("value {} with {} targets", value.0, targets.len()));
                }
            }
            Head::Classification {
                label,
                scores,
                labels,
                ..
            } => {
                if !exists(*label) || !exists(*scores) || labels.is_empty() {
                    return fail(format!(
                        "values {} and {} with {} labels",
                        label.0,
                        scores.0,
                        labels.len()
                    ));
                }
                if parts.positive as usize >= labels.len().max(2) {
                    return fail(format!(
                        "positive class {} of {}",
                        parts.positive,
                        labels.len()
                    ));
                }
            }
        }
        if let Core::Additive {
            node,
            column_feature,
            ..
        } = &parts.core
        {
            let columns = match graph.parts().nodes.get(*node as usize).map(|node| &node.op) {
                Some(Op::Trees(trees)) => trees.columns(),
                Some(Op::Linear(linear)) => linear.columns(),
                _ => {
                    return fail(format!(
                        "the core names node {node}, which is no additive estimator"
                    ));
                }
            };
            if column_feature.len() != columns
                || column_feature
                    .iter()
                    .any(|&f| f as usize >= parts.schema.len())
            {
                return fail(format!(
                    "{} columns of the core map to features",
                    column_feature.len()
                ));
            }
        }
        if let Some(background) = &parts.background {
            check_rows(&parts.schema, "background", background)?;
        }
        if let Some(reference) = &parts.reference {
            check_rows(&parts.schema, "reference", &reference.rows)?;
            let known = reference.answers.len();
            if known != 0 && known != reference.rows.rows() {
                return fail(format!(
                    "{known} answers for {} reference rows",
                    reference.rows.rows()
                ));
            }
        }
        if let Some(reason) = wrong_groups(&parts.groups, parts.schema.len()) {
            return fail(reason);
        }
        if let Some(conformity) = &parts.conformity {
            let scores = &conformity.scores;
            if scores.is_empty()
                || scores.iter().any(|score| !score.is_finite())
                || scores.windows(2).any(|pair| pair[0] > pair[1])
            {
                return fail("the conformity scores are not ascending finite numbers".to_owned());
            }
        }
        Ok(Model { parts, graph })
    }

    /// Reads what [`Model::to_image`] wrote.
    ///
    /// # Errors
    /// [`ImageError`]; a damaged or hostile image never panics and never takes more memory than a small multiple of its
    /// own length.
    pub fn from_image(image: &[u8]) -> Result<Model, ImageError> {
        let Some(body) = image.strip_prefix(MAGIC.as_slice()) else {
            return Err(ImageError::Magic {
                expected: VERSION,
                found: image.iter().take(8).copied().collect(),
            });
        };
        let mut body = ImageReader(body);
        let (graph, parts) = <(GraphParts, ModelParts)>::deserialize_reader(&mut body)
            .map_err(|error| ImageError::Damaged(error.to_string()))?;
        if !body.0.is_empty() {
            return Err(ImageError::Damaged("Not all bytes read".to_owned()));
        }
        let parts = ModelParts { graph, ..parts };
        Model::new(parts)
    }

    /// The canonical bytes of the model: equal models give equal bytes.
    pub fn to_image(&self) -> Vec<u8> {
        let mut image = ImageWriter(MAGIC.to_vec());
        borsh::to_writer(&mut image, &(self.graph.parts(), &self.parts))
            .expect("writing to memory cannot fail and no part holds what borsh refuses");
        image.0
    }

    /// The checked parts, except the graph, which is empty here: [`Model::graph`] and
    /// [`Model::into_parts`] have it.
    pub fn parts(&self) -> &ModelParts {
        &self.parts
    }

    /// Takes the model apart, graph included, to make another of it.
    pub fn into_parts(self) -> ModelParts {
        ModelParts {
            graph: self.graph.into_parts(),
            ..self.parts
        }
    }

    /// What a row looks like.
    pub fn schema(&self) -> &Schema {
        &self.parts.schema
    }

    /// The texts the model knows.
    pub fn symbols(&self) -> &Symbols {
        &self.parts.symbols
    }

    /// The checked graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The class labels in score order; empty for a regressor.
    pub fn labels(&self) -> &[Label] {
        match &self.parts.head {
            Head::Regression { .. } => &[],
            Head::Classification { labels, .. } => labels,
        }
    }

    /// The tree ensemble of an additive core.
    pub fn core_trees(&self) -> Option<&TreeEnsemble> {
        match self.core_op()? {
            Op::Trees(trees) => Some(trees),
            _ => None,
        }
    }

    /// The estimator of an additive core.
    pub fn core_op(&self) -> Option<&Op> {
        match &self.parts.core {
            Core::Additive { node, .. } => Some(&self.graph.parts().nodes[*node as usize].op),
            Core::Opaque => None,
        }
    }

    /// The encoded matrix `[rows, columns]` that an additive core sees, row-major, as f64.
    ///
    /// # Errors
    /// [`EvalError`] when preprocessing refuses a value.
    ///
    /// # Panics
    /// If the core is opaque or the batch is of another schema.
    pub fn encode(&self, batch: &Batch) -> Result<Vec<f64>, EvalError> {
        let Core::Additive { node, .. } = &self.parts.core else {
            panic!("an opaque core has no encoded matrix");
        };
        let node = &self.graph.parts().nodes[*node as usize];
        let operand = node.inputs[0].expect("an estimator has an operand");
        let encoded = numbers(self.graph.run(batch, &[operand])?.remove(0));
        let columns = self.core_columns();
        if Some(encoded.len()) != batch.rows().checked_mul(columns) {
            let reason = format!(
                "{} numbers for {} rows, expected {columns} for each",
                encoded.len(),
                batch.rows()
            );
            return Err(EvalError {
                node: node.name.clone(),
                reason,
            });
        }
        Ok(encoded)
    }

    /// Columns of an additive core's encoded matrix; 0 for an opaque core.
    fn core_columns(&self) -> usize {
        match self.core_op() {
            Some(Op::Trees(trees)) => trees.columns(),
            Some(Op::Linear(linear)) => linear.columns(),
            _ => 0,
        }
    }

    /// Predicts every row.
    ///
    /// # Errors
    /// [`EvalError`] when an operator refuses a value.
    ///
    /// # Panics
    /// If the batch is of another schema.
    pub fn predict(&self, batch: &Batch) -> Result<Predictions, EvalError> {
        let wide = |feature: &Feature| matches!(feature.kind, FeatureKind::Tensor(_));
        if batch.rows() <= TENSOR_ROWS || !self.schema().features().iter().any(wide) {
            return self.predict_at_once(batch);
        }
        let mut rows = (0..batch.rows()).collect::<Vec<_>>();
        let later = rows.split_off(TENSOR_ROWS);
        let mut all = self.predict_at_once(&batch.select(&rows))?;
        for rows in later.chunks(TENSOR_ROWS) {
            let more = self.predict_at_once(&batch.select(rows))?;
            all.rows += more.rows;
            all.values.extend(more.values);
            all.margins.extend(more.margins);
            all.labels.extend(more.labels);
        }
        Ok(all)
    }

    fn predict_at_once(&self, batch: &Batch) -> Result<Predictions, EvalError> {
        let rows = batch.rows();
        let mut wanted = match &self.parts.head {
            Head::Regression { value, .. } => vec![*value],
            Head::Classification { label, scores, .. } => vec![*scores, *label],
        };
        if let Core::Additive { node, .. } = &self.parts.core {
            wanted.extend(self.graph.outputs_of(*node as usize));
        }
        let mut values = self.graph.run(batch, &wanted)?.into_iter();
        let mut next = || values.next().expect("one tensor per wanted value");
        let values = numbers(next());
        let (outputs, labels) = match &self.parts.head {
            Head::Regression { targets, .. } => (targets.len(), Vec::new()),
            Head::Classification { labels, .. } => {
                // A binary classifier may only score its positive class.
                let outputs = if rows > 0 && values.len() == rows {
                    1
                } else {
                    labels.len()
                };
                (outputs, self.label_indices(next())?)
            }
        };
        let (margin_outputs, margins) = match self.core_op() {
            Some(Op::Trees(trees)) => (trees.outputs(), numbers(next())),
            Some(Op::Linear(linear)) => (linear.outputs(), numbers(next())),
            _ => (0, Vec::new()),
        };
        let complete = |what: &str, found: usize, per_row: usize| {
            if Some(found) == rows.checked_mul(per_row) {
                return Ok(());
            }
            let reason = format!("{found} {what} for {rows} rows, expected {per_row} for each");
            Err(EvalError {
                node: "answer".to_owned(),
                reason,
            })
        };
        complete("numbers", values.len(), outputs)?;
        complete("margins", margins.len(), margin_outputs)?;
        if matches!(self.parts.head, Head::Classification { .. }) {
            complete("labels", labels.len(), 1)?;
        }
        Ok(Predictions {
            rows,
            outputs,
            values,
            margin_outputs,
            margins,
            labels,
        })
    }

    fn label_indices(&self, tensor: Tensor) -> Result<Vec<u32>, EvalError> {
        let unknown = |label: String| EvalError {
            node: "label".to_owned(),
            reason: format!("the model answered the label {label}, which is not among its classes"),
        };
        let labels = self.labels();
        let position = |wanted: &Label| {
            labels
                .iter()
                .position(|label| label == wanted)
                .map(|index| index as u32)
        };
        match tensor.into_parts().1 {
            Data::Symbol(symbols) => symbols
                .into_iter()
                .map(|symbol| {
                    let text = self.parts.symbols.text(symbol).unwrap_or("?");
                    position(&Label::Text(text.to_owned())).ok_or_else(|| unknown(text.to_owned()))
                })
                .collect(),
            Data::I64(values) => values
                .into_iter()
                .map(|value| {
                    position(&Label::Integer(value)).ok_or_else(|| unknown(value.to_string()))
                })
                .collect(),
            other => numbers_of(other)
                .into_iter()
                .map(|value| {
                    position(&Label::Integer(value as i64))
                        .ok_or_else(|| unknown(value.to_string()))
                })
                .collect(),
        }
    }

    /// An example row made of typical values (0 and the first category where none is known), for forms and documentation.
    /// A text or tensor has no typical value: it is that of the first reference or background row, else empty or 0.
    pub fn example(&self) -> Batch {
        let reference = self.parts().reference.as_ref();
        let rows = reference.map(|reference| &reference.rows);
        let rows = rows.or(self.parts().background.as_ref());
        let columns = self
            .schema()
            .features()
            .iter()
            .enumerate()
            .map(|(position, feature)| match &feature.kind {
                FeatureKind::Category(categories) => {
                    let text = feature
                        .typical_category
                        .as_ref()
                        .or(categories.values.first());
                    Column::Symbols(vec![self.symbols().symbol(text.map_or("", String::as_str))])
                }
                FeatureKind::Text => {
                    let first = match rows.map(|rows| &rows.columns()[position]) {
                        Some(Column::Texts(texts)) => texts.first(),
                        _ => None,
                    };
                    let text = feature.typical_category.as_ref().or(first);
                    Column::Texts(vec![text.cloned().unwrap_or_default()])
                }
                FeatureKind::Tensor(kind) => {
                    let numbers = match rows.map(|rows| &rows.columns()[position]) {
                        Some(Column::Tensors(tensors)) => tensors.row(0).to_vec(),
                        _ => vec![0.0; kind.elements()],
                    };
                    Column::Tensors(
                        Tensors::new(kind.elements(), numbers).expect("extents are at least 1"),
                    )
                }
                FeatureKind::Number | FeatureKind::Integer | FeatureKind::Boolean => {
                    Column::Numbers(vec![feature.typical.unwrap_or(0.0)])
                }
            })
            .collect();
        Batch::new(self.schema(), columns).expect("one value of the right kind per feature")
    }
}

/// Refuses rows of another schema, or none.
fn check_rows(schema: &Schema, what: &str, rows: &Batch) -> Result<(), ImageError> {
    let checked = Batch::new(schema, rows.columns().to_vec())
        .map_err(|error| ImageError::Inconsistent(format!("{what}: {error}")))?;
    if checked.rows() == 0 || checked.rows() != rows.rows() {
        return Err(ImageError::Inconsistent(format!("the {what} has no rows")));
    }
    Ok(())
}

/// What is wrong with the groups, if anything is.
fn wrong_groups(groups: &[FeatureGroup], features: usize) -> Option<String> {
    let mut taken = vec![false; features];
    for (index, group) in groups.iter().enumerate() {
        if group.name.is_empty() || group.features.is_empty() {
            return Some(format!("group {index} has no name or no features"));
        }
        if groups[..index].iter().any(|other| other.name == group.name) {
            return Some(format!("two groups are named `{}`", group.name));
        }
        for &feature in &group.features {
            match taken.get_mut(feature as usize) {
                Some(taken) if !*taken => *taken = true,
                _ => {
                    return Some(format!(
                        "feature {feature} of group `{}` is in another group, or does not exist",
                        group.name
                    ));
                }
            }
        }
    }
    None
}

/// The elements of a tensor as f64; the model's heads and cores are numeric by construction.
fn numbers(tensor: Tensor) -> Vec<f64> {
    numbers_of(tensor.into_parts().1)
}

fn numbers_of(data: Data) -> Vec<f64> {
    match data {
        Data::F64(values) => values,
        Data::F32(values) => values.into_iter().map(f64::from).collect(),
        Data::I64(values) => values.into_iter().map(|x| x as f64).collect(),
        Data::Bool(values) => values.into_iter().map(|x| f64::from(u8::from(x))).collect(),
        Data::Symbol(values) => vec![f64::NAN; values.len()],
        Data::Text(values) => vec![f64::NAN; values.len()],
    }
}
