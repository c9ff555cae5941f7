//! A linear model in place of the products with constants and the additions that exporters write linear models as.

use std::collections::BTreeMap;

use hyaline_model::graph::dense::{Binary, Cast, Concat, Unary};
use hyaline_model::graph::{Graph, GraphNode, Linear, Op, ValueId};
use hyaline_model::{Data, ElementType, Tensor};

use super::core::numbers;
use super::rewrite::{self, Place, Rewritten};

/// Most multiplications of one product that is multiplied out.
const MAX_WORK: usize = 1 << 26;

/// Most weights of all the functions of one product's operand.
const MAX_WEIGHTS: usize = 1 << 25;

/// Most products, from the last, and most values made of them that are looked at: a model's answer is near its end.
const MAX_TRIED: usize = 64;

/// The graphs in which a value that decides the first of `wanted` alone is made by one [`Linear`], which reads what a
/// product with a constant matrix reads. The last product comes first, and of each the last such value; of two opposite
/// margins, as binary logistic regressions have, the second is tried alone before both.
pub(super) fn linear_forms(graph: &Graph, wanted: &[ValueId]) -> impl Iterator<Item = Rewritten> {
    let nodes = &graph.parts().nodes;
    let products = (0..nodes.len())
        .rev()
        .filter(|&node| matches!(nodes[node].op, Op::MatMul(_) | Op::Gemm(_)));
    let made = products.take(MAX_TRIED).flat_map(move |product| {
        let operand = nodes[product].inputs[0];
        let affine = affine_functions(graph, product);
        affine
            .into_iter()
            .rev()
            .filter_map(move |(node, affine)| Some((operand?, Place::of(graph, node)?, affine)))
    });
    let deciding = made.take(MAX_TRIED).filter(move |(_, place, affine)| {
        affine.zeros().is_some_and(|zeros| {
            graph
                .run_from(&[(place.value, zeros)], &wanted[..1])
                .is_ok()
        })
    });
    deciding.flat_map(move |(operand, place, affine)| {
        let forms = [
            affine.second_alone(operand, place),
            affine.complete(operand, place),
        ];
        forms
            .into_iter()
            .flatten()
            .filter_map(move |nodes| rewrite::replace(graph, place, nodes, wanted))
    })
}

/// An affine function of a product's operand: `offset[o] + Σ_c weights[c, o] · x[c]`.
#[derive(Clone)]
struct Affine {
    /// Columns of the operand.
    columns: usize,
    /// `[columns, outputs]`, row-major.
    weights: Vec<f64>,
    offset: Vec<f64>,
    /// Whether the value is `[rows]`.
    flat: bool,
    element_type: ElementType,
}

/// The nodes whose output is an affine function of the operand of `product`, that one included, in graph order.
fn affine_functions(graph: &Graph, product: usize) -> BTreeMap<usize, Affine> {
    let parts = graph.parts();
    let constant = |id: Option<ValueId>| {
        parts
            .constants
            .get((id?.0 as usize).checked_sub(parts.inputs.len())?)
    };
    let mut found: BTreeMap<usize, Affine> = BTreeMap::new();
    let mut known: BTreeMap<ValueId, usize> = BTreeMap::new();
    let mut weights = 0;
    for (index, node) in parts.nodes.iter().enumerate().skip(product) {
        let Some(place) = Place::of(graph, index) else {
            continue;
        };
        let operand = |at: usize| node.inputs.get(at).copied().flatten();
        let affine = |at: usize| operand(at).and_then(|id| found.get(known.get(&id)?));
        let made = match &node.op {
            Op::MatMul(_) if index == product => constant(operand(1)).and_then(Affine::product),
            Op::MatMul(_) => affine(0)
                .zip(constant(operand(1)))
                .and_then(|(own, factor)| own.times(factor)),
            Op::Gemm(gemm) if !gemm.transpose_a && !gemm.transpose_b => {
                let product = match constant(operand(1)) {
                    Some(factor) if index == product => Affine::product(factor),
                    Some(factor) => affine(0).and_then(|own| own.times(factor)),
                    None => None,
                };
                let scaled = product.map(|product| product.map(|x| x * f64::from(gemm.alpha)));
                match operand(2) {
                    None => scaled,
                    Some(_) => scaled.zip(constant(operand(2))).and_then(|(own, addend)| {
                        own.combined(
                            addend,
                            |offset, addend| offset + addend * f64::from(gemm.beta),
                            |weight, _| weight,
                        )
                    }),
                }
            }
            Op::Binary(Binary::Add) => {
                let (own, other) = if affine(0).is_some() {
                    (affine(0), operand(1))
                } else {
                    (affine(1), operand(0))
                };
                own.zip(constant(other))
                    .and_then(|(own, other)| own.combined(other, |a, b| a + b, |weight, _| weight))
            }
            Op::Binary(Binary::Sub) => {
                let constant = constant(operand(1));
                affine(0)
                    .zip(constant)
                    .and_then(|(own, other)| own.combined(other, |a, b| a - b, |weight, _| weight))
            }
            Op::Binary(Binary::Mul) => {
                let (own, other) = if affine(0).is_some() {
                    (affine(0), operand(1))
                } else {
                    (affine(1), operand(0))
                };
                own.zip(constant(other))
                    .and_then(|(own, other)| own.combined(other, |a, b| a * b, |a, b| a * b))
            }
            Op::Binary(Binary::Div) => {
                let constant = constant(operand(1));
                affine(0)
                    .zip(constant)
                    .and_then(|(own, other)| own.combined(other, |a, b| a / b, |a, b| a / b))
            }
            Op::Cast(Cast {
                to: to @ (ElementType::F32 | ElementType::F64),
            }) => affine(0).map(|own| Affine {
                element_type: *to,
                ..own.clone()
            }),
            _ => None,
        };
        if let Some(made) = made {
            weights += made.weights.len();
            if weights > MAX_WEIGHTS {
                break;
            }
            found.insert(index, made);
            known.insert(place.value, index);
        }
    }
    found
}

impl Affine {
    /// The product of an operand with `factor`, of shape `[columns]` or `[columns, outputs]`.
    fn product(factor: &Tensor) -> Option<Affine> {
        let (columns, outputs) = match *factor.shape() {
            [columns] => (columns, 1),
            [columns, outputs] => (columns, outputs),
            _ => return None,
        };
        let (flat, element_type) = (factor.shape().len() == 1, factor.element_type());
        let float = matches!(element_type, ElementType::F32 | ElementType::F64);
        let weights = numbers(factor).filter(|_| float && columns > 0 && outputs > 0)?;
        Some(Affine {
            columns,
            weights,
            offset: vec![0.0; outputs],
            flat,
            element_type,
        })
    }

    fn outputs(&self) -> usize {
        self.offset.len()
    }

    /// Two rows of zeros in the value's shape.
    fn zeros(&self) -> Option<Tensor> {
        let shape = if self.flat {
            vec![2]
        } else {
            vec![2, self.outputs()]
        };
        let elements = 2 * self.outputs();
        let data = match self.element_type {
            ElementType::F32 => Data::F32(vec![0.0; elements]),
            _ => Data::F64(vec![0.0; elements]),
        };
        Tensor::new(shape, data)
    }

    fn map(self, f: impl Fn(f64) -> f64) -> Affine {
        let all = |numbers: Vec<f64>| numbers.into_iter().map(&f).collect();
        Affine {
            weights: all(self.weights),
            offset: all(self.offset),
            ..self
        }
    }

    /// The product with a further matrix.
    fn times(&self, factor: &Tensor) -> Option<Affine> {
        let factor = Affine::product(factor)?;
        let (inner, outputs) = (self.outputs(), factor.outputs());
        let work = self.columns.saturating_mul(inner).saturating_mul(outputs);
        if self.flat || factor.columns != inner || work > MAX_WORK {
            return None;
        }
        let times = |row: &[f64]| {
            let mut sums = vec![0.0; outputs];
            for (x, weights) in row.iter().zip(factor.weights.chunks_exact(outputs)) {
                sums.iter_mut()
                    .zip(weights)
                    .for_each(|(sum, weight)| *sum += x * weight);
            }
            sums
        };
        let weights = self.weights.chunks_exact(inner).flat_map(times).collect();
        Some(Affine {
            weights,
            offset: times(&self.offset),
            columns: self.columns,
            ..factor
        })
    }

    /// Arithmetic with a constant that is the same for every row: `on_offset` and `on_weight` take a number of ours and
    /// the constant's for the same output.
    fn combined(
        &self,
        constant: &Tensor,
        on_offset: impl Fn(f64, f64) -> f64,
        on_weight: impl Fn(f64, f64) -> f64,
    ) -> Option<Affine> {
        let outputs = self.outputs();
        let same_for_rows = match *constant.shape() {
            [] => true,
            [extent] => extent == 1 || (extent == outputs && !self.flat),
            [1, extent] => (extent == 1 || extent == outputs) && !self.flat,
            _ => false,
        };
        let numbers = numbers(constant).filter(|_| same_for_rows)?;
        let of = |output: usize| numbers[output % numbers.len()];
        let weights = self
            .weights
            .iter()
            .enumerate()
            .map(|(at, &weight)| on_weight(weight, of(at % outputs)))
            .collect();
        let offset = self
            .offset
            .iter()
            .enumerate()
            .map(|(output, &offset)| on_offset(offset, of(output)))
            .collect();
        Some(Affine {
            weights,
            offset,
            ..self.clone()
        })
    }

    /// The coefficients of `output`, one per column.
    fn weights_of(&self, output: usize) -> impl Iterator<Item = f64> {
        self.weights
            .iter()
            .skip(output)
            .step_by(self.outputs())
            .copied()
    }

    /// The nodes that make the value of `operand`: the linear model, shape and type.
    fn complete(&self, operand: ValueId, place: Place) -> Option<Vec<GraphNode>> {
        let weights = (0..self.outputs())
            .flat_map(|output| self.weights_of(output))
            .collect();
        let linear = Linear::new(
            u32::try_from(self.columns).ok()?,
            weights,
            self.offset.clone(),
        )
        .ok()?;
        let mut nodes = vec![node("linear", linear, vec![operand])];
        rewrite::finish(&mut nodes, place, self.flat, self.element_type);
        Some(nodes)
    }

    /// The same by a linear model of the second of two opposite margins.
    fn second_alone(&self, operand: ValueId, place: Place) -> Option<Vec<GraphNode>> {
        let opposite = self.outputs() == 2
            && self.offset[0] == -self.offset[1]
            && self
                .weights_of(0)
                .zip(self.weights_of(1))
                .all(|(first, second)| first == -second);
        if !opposite {
            return None;
        }
        let weights = self.weights_of(1).collect();
        let linear = Linear::new(
            u32::try_from(self.columns).ok()?,
            weights,
            vec![self.offset[1]],
        )
        .ok()?;
        let mut nodes = vec![
            node("linear", linear, vec![operand]),
            node("opposite", Unary::Neg, vec![place.inserted(0)]),
            node(
                "margins",
                Concat { axis: 1 },
                vec![place.inserted(1), place.inserted(0)],
            ),
        ];
        rewrite::finish(&mut nodes, place, false, self.element_type);
        Some(nodes)
    }
}

fn node(name: &str, op: impl Into<Op>, operands: Vec<ValueId>) -> GraphNode {
    let inputs = operands.into_iter().map(Some).collect();
    GraphNode {
        name: name.to_owned(),
        op: op.into(),
        inputs,
        outputs: 1,
    }
}
