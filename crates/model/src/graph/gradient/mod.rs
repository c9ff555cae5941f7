//! Derivatives of one number of an answer with respect to a batch's columns, by reverse accumulation.
//!
//! Every node hands the derivative of what it made on to what it read. Values are the graph's own; derivatives are f32.
//! An operator without a derivative here is refused by name, and the caller takes differences instead.

mod elementwise;
mod layers;
mod places;
mod products;

use super::operator::{Flow, as_f32};
use super::{EvalError, Graph, GraphInput, GraphNode, Op, ValueId};
use crate::{Batch, ElementType, Head, Model, Tensor};

/// One number of the answer for every row, and its derivatives.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// `[rows]`: the number itself.
    pub values: Vec<f64>,
    /// Per feature `[rows, numbers of the feature]`; `None` where the answer depends on the feature through steps that
    /// have no slope (a category, an index, a rounding).
    pub features: Vec<Option<Vec<f64>>>,
}

/// Why there is no gradient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GradientError {
    /// An operator has no derivative here.
    #[error("operator `{node}` ({operator}) has no gradient")]
    Unsupported {
        /// The node's name.
        node: String,
        /// The operator.
        operator: &'static str,
    },
    /// The answer has no number at that place.
    #[error("the answer of {rows} rows has {found} numbers, and none at place {output} of each")]
    Output {
        /// Rows of the batch.
        rows: usize,
        /// Numbers of the answer.
        found: usize,
        /// The place asked for.
        output: usize,
    },
    /// The graph refused the rows.
    #[error(transparent)]
    Evaluation(#[from] EvalError),
}

/// What a node read and made, and the derivative of one thing it made.
struct Step<'a> {
    node: &'a GraphNode,
    operands: &'a [Option<&'a Tensor>],
    made: &'a Tensor,
    /// Which of the node's outputs.
    output: usize,
    derivative: &'a [f32],
}

/// The derivatives of a node's operands, in the operands' order; `None` where there is no slope.
type Derivatives = Vec<Option<Vec<f32>>>;

impl Step<'_> {
    /// Operand `index` as f32.
    fn floats(&self, index: usize) -> Option<Vec<f32>> {
        let operand = self.operands.get(index).copied().flatten()?;
        Some(as_f32(operand).ok()?.into_owned())
    }

    /// Extents of operand `index`.
    fn shape(&self, index: usize) -> Option<&[usize]> {
        Some(self.operands.get(index).copied().flatten()?.shape())
    }
}

impl Graph {
    /// Number `output` of each row of the value `answer`, and its derivatives with respect to the features of `batch`.
    ///
    /// Rows must be independent of each other, as those of every model are. One forward and one backward pass.
    ///
    /// # Errors
    /// [`GradientError`].
    ///
    /// # Panics
    /// If `batch` is of another schema or the value does not exist.
    pub fn gradient(
        &self,
        batch: &Batch,
        answer: ValueId,
        output: usize,
    ) -> Result<Gradient, GradientError> {
        let rows = batch.rows();
        let needed = self.needed(&[answer]);
        let values = self.run_all(batch, &needed)?;
        let value = |id: ValueId| self.value(id, &values);
        let unsupported = |node: &GraphNode| GradientError::Unsupported {
            node: node.name.clone(),
            operator: node.op.name(),
        };
        let found = value(answer).and_then(|answer| as_f32(answer).ok());
        let found = found.unwrap_or_default();
        let outputs = found.len().checked_div(rows).unwrap_or(0);
        if outputs * rows != found.len() || output >= outputs {
            return Err(GradientError::Output {
                rows,
                found: found.len(),
                output,
            });
        }
        let mut seed = vec![0.0; found.len()];
        seed.iter_mut()
            .skip(output)
            .step_by(outputs)
            .for_each(|x| *x = 1.0);
        let mut derivatives: Vec<Option<Vec<f32>>> = vec![None; self.values()];
        derivatives[answer.0 as usize] = Some(seed);
        let floating = |id: ValueId| {
            value(id).is_some_and(|value| {
                matches!(value.element_type(), ElementType::F32 | ElementType::F64)
            })
        };
        for (index, node) in self.parts.nodes.iter().enumerate().rev() {
            for (place, id) in self.outputs_of(index).enumerate() {
                let Some(derivative) = derivatives[id.0 as usize].take() else {
                    continue;
                };
                let operands: Vec<Option<&Tensor>> =
                    node.inputs.iter().map(|id| id.and_then(value)).collect();
                let made = value(id).ok_or_else(|| unsupported(node))?;
                let step = Step {
                    node,
                    operands: &operands,
                    made,
                    output: place,
                    derivative: &derivative,
                };
                let own = backward(&step).ok_or_else(|| unsupported(node))?;
                for (id, own) in node.inputs.iter().zip(own) {
                    let (Some(id), Some(own)) = (id, own) else {
                        continue;
                    };
                    if !floating(*id) {
                        continue;
                    }
                    match &mut derivatives[id.0 as usize] {
                        Some(sum) => sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own),
                        empty => *empty = Some(own),
                    }
                }
            }
        }
        let values = found.iter().skip(output).step_by(outputs);
        let mut gradient = Gradient {
            values: values.map(|&x| f64::from(x)).collect(),
            features: Vec::with_capacity(self.features()),
        };
        for (index, input) in self.parts.inputs.iter().enumerate() {
            by_feature(
                input,
                derivatives[index].take(),
                needed[index],
                rows,
                &mut gradient.features,
            );
        }
        Ok(gradient)
    }
}

impl Model {
    /// Number `output` of the answer (a target, or the score of a class) for each row, and its derivatives with respect to
    /// the features, as [`Graph::gradient`].
    ///
    /// # Errors
    /// [`GradientError`].
    ///
    /// # Panics
    /// If `batch` is of another schema.
    pub fn gradient(&self, batch: &Batch, output: usize) -> Result<Gradient, GradientError> {
        let answer = match &self.parts().head {
            Head::Regression { value, .. } => *value,
            Head::Classification { scores, .. } => *scores,
        };
        self.graph().gradient(batch, answer, output)
    }
}

/// Adds the derivatives of an input's features.
fn by_feature(
    input: &GraphInput,
    derivative: Option<Vec<f32>>,
    needed: bool,
    rows: usize,
    features: &mut Vec<Option<Vec<f64>>>,
) {
    let count = input.features as usize;
    let tensor = input.extents.iter().flatten();
    let width: usize = tensor.map(|&extent| extent as usize).product();
    for feature in 0..count {
        features.push(match &derivative {
            // Nothing reads it.
            None if !needed => Some(vec![0.0; rows * width]),
            None => None,
            Some(all) if count == 1 => Some(all.iter().map(|&x| f64::from(x)).collect()),
            Some(all) => {
                let own = all.iter().skip(feature).step_by(count);
                Some(own.map(|&x| f64::from(x)).collect())
            }
        });
    }
}

/// The derivatives of a node's operands; `None` for an operator that has none here.
fn backward(step: &Step<'_>) -> Option<Derivatives> {
    match &step.node.op {
        Op::Layers(chain) => layers::chain(step, chain),
        Op::MatMul(_) => products::matrix(step),
        Op::Gemm(gemm) => products::gemm(step, gemm),
        Op::Linear(linear) => products::linear(step, linear),
        Op::Unary(unary) => elementwise::unary(step, *unary),
        Op::Binary(binary) => elementwise::binary(step, *binary),
        Op::Clip(_) => elementwise::clip(step),
        Op::Select(_) => elementwise::select(step),
        Op::Softmax(softmax) => elementwise::softmax(step, softmax),
        Op::Scaler(_) | Op::Imputer(_) => elementwise::columnwise(step),
        Op::Reduce(reduce) => places::reduce(step, reduce),
        Op::Cast(_) | Op::Identity(_) => Some(vec![Some(step.derivative.to_vec())]),
        Op::Shape(_)
        | Op::Size(_)
        | Op::Compare(_)
        | Op::Logical(_)
        | Op::ArgExtreme(_)
        | Op::OneHot(_)
        | Op::OneHotEncoder(_)
        | Op::LabelEncoder(_)
        | Op::Binarizer(_) => Some(vec![None; step.operands.len()]),
        #[cfg(feature = "neural")]
        Op::Conv(conv) => layers::conv(step, conv),
        #[cfg(feature = "neural")]
        Op::Pooling(pooling) => layers::pool(step, pooling),
        #[cfg(feature = "neural")]
        Op::Standardise(standardise) => layers::standardise(step, standardise),
        op => match op.flow() {
            Flow::Moves(movers) => places::moved(step, movers),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::GraphParts;
    use crate::graph::dense::{Binary, MatMul, TopK, Unary};
    use crate::{Column, Data, Feature, FeatureKind, Schema};

    fn graph(nodes: Vec<(Op, Vec<u32>, u32)>, constant: Tensor) -> Graph {
        let nodes = nodes.into_iter().map(|(op, inputs, outputs)| GraphNode {
            name: "own".to_owned(),
            op,
            inputs: inputs.into_iter().map(|id| Some(ValueId(id))).collect(),
            outputs,
        });
        Graph::new(GraphParts {
            inputs: vec![GraphInput {
                name: "x".to_owned(),
                element_type: ElementType::F32,
                first_feature: 0,
                features: 2,
                flat: false,
                extents: None,
            }],
            constants: vec![constant],
            nodes: nodes.collect(),
        })
        .expect("a graph")
    }

    fn batch() -> Batch {
        let features = ["a", "b"].map(|name| Feature::new(name, FeatureKind::Number));
        let schema = Schema::new(features.to_vec()).expect("a schema");
        let columns = vec![
            Column::Numbers(vec![0.5, -1.0]),
            Column::Numbers(vec![0.25, 2.0]),
        ];
        Batch::new(&schema, columns).expect("a batch")
    }

    #[test]
    fn equals_what_is_computed_by_hand() {
        // y = tanh(2 a - 3 b)², so dy/da = 2 tanh · (1 - tanh²) · 2.
        let weights = Tensor::new(vec![2, 1], Data::F32(vec![2.0, -3.0])).expect("weights");
        let graph = graph(
            vec![
                (MatMul.into(), vec![0, 1], 1),
                (Unary::Tanh.into(), vec![2], 1),
                (Binary::Mul.into(), vec![3, 3], 1),
            ],
            weights,
        );
        let gradient = graph.gradient(&batch(), ValueId(4), 0).expect("a gradient");
        for (row, (a, b)) in [(0.5, 0.25), (-1.0, 2.0)].into_iter().enumerate() {
            let t = libm::tanh(2.0 * a - 3.0 * b);
            let slope = 2.0 * t * (1.0 - t * t);
            assert!((gradient.values[row] - t * t).abs() < 1e-6);
            for (feature, factor) in [2.0, -3.0].into_iter().enumerate() {
                let found = gradient.features[feature].as_ref().expect("a slope")[row];
                assert!(
                    (found - slope * factor).abs() < 1e-6,
                    "{found} {}",
                    slope * factor
                );
            }
        }
    }

    #[test]
    fn names_what_has_no_gradient_or_no_number() {
        let one = Tensor::new(vec![1], Data::I64(vec![1])).expect("one");
        let top = TopK {
            axis: 1,
            largest: true,
        };
        let graph = graph(vec![(top.into(), vec![0, 1], 2)], one);
        let refusal = graph
            .gradient(&batch(), ValueId(2), 0)
            .expect_err("refused");
        assert_eq!(refusal.to_string(), "operator `own` (TopK) has no gradient");
        let refusal = graph
            .gradient(&batch(), ValueId(2), 1)
            .expect_err("refused");
        assert_eq!(
            refusal.to_string(),
            "the answer of 2 rows has 2 numbers, and none at place 1 of each"
        );
    }
}
