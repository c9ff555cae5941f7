//! Activations that are made of simpler operators.

use hyaline_model::graph::dense::{
    ArgExtreme, Binary, Compare, OneHot, Reshape, Select, Shape, Unary,
};
use hyaline_model::{Data, ElementType, Tensor};

use super::{integers, scalar, shape};
use crate::ImportError;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::node::Node;

/// The activation of operand 0; `None` when the node is none.
pub(super) fn lower(node: &Node<'_>, graph: &mut Builder) -> Result<Option<Value>, ImportError> {
    let alpha = |default| node.float("alpha", default).map(f64::from);
    let Some(x) = node.optional(0) else {
        return Ok(None);
    };
    let mut made = Maker { node, graph };
    Ok(Some(match node.op() {
        "Swish" => {
            let scaled = made.by(Binary::Mul, x, alpha(1.0)?)?;
            let gate = made.of(Unary::Sigmoid, scaled)?;
            made.two(Binary::Mul, x, gate)?
        }
        "HardSwish" => {
            let gate = made.of(Unary::HardSigmoid(1.0 / 6.0, 0.5), x)?;
            made.two(Binary::Mul, x, gate)?
        }
        "Mish" => {
            let gate = made.of(Unary::Softplus, x)?;
            let gate = made.of(Unary::Tanh, gate)?;
            made.two(Binary::Mul, x, gate)?
        }
        "Celu" => {
            let alpha = alpha(1.0)?;
            let scaled = made.by(Binary::Div, x, alpha)?;
            let below = made.of(Unary::Elu(alpha as f32), scaled)?;
            made.below_zero(x, below)?
        }
        "PRelu" => {
            let below = made.two(Binary::Mul, x, node.operand(1)?)?;
            made.below_zero(x, below)?
        }
        "Gelu" => {
            let gate = match node.text("approximate")?.unwrap_or("none") {
                "none" => {
                    let scaled = made.by(Binary::Mul, x, std::f64::consts::FRAC_1_SQRT_2)?;
                    made.of(Unary::Erf, scaled)?
                }
                "tanh" => {
                    let square = made.two(Binary::Mul, x, x)?;
                    let factor = made.by(Binary::Mul, square, 0.044_715)?;
                    let factor = made.by(Binary::Add, factor, 1.0)?;
                    let bent = made.two(Binary::Mul, x, factor)?;
                    let scaled = made.by(Binary::Mul, bent, 0.797_884_560_802_865_4)?;
                    made.of(Unary::Tanh, scaled)?
                }
                other => return Err(node.invalid(format!("attribute `approximate` is {other}"))),
            };
            let gate = made.by(Binary::Add, gate, 1.0)?;
            let half = made.by(Binary::Mul, x, 0.5)?;
            made.two(Binary::Mul, half, gate)?
        }
        "Shrink" => {
            let (bias, limit) = (
                f64::from(node.float("bias", 0.0)?),
                f64::from(node.float("lambd", 0.5)?),
            );
            let zero = made.by(Binary::Mul, x, 0.0)?;
            let (down, up) = (
                made.by(Binary::Sub, x, bias)?,
                made.by(Binary::Add, x, bias)?,
            );
            let inner = made.choose(Compare::Greater, x, limit, down, zero)?;
            made.choose(Compare::Less, x, -limit, up, inner)?
        }
        "Hardmax" => made.hardmax(x)?,
        _ => return Ok(None),
    }))
}

struct Maker<'a, 'b> {
    node: &'a Node<'b>,
    graph: &'a mut Builder,
}

impl Maker<'_, '_> {
    fn of(&mut self, unary: Unary, x: Value) -> Result<Value, ImportError> {
        self.graph.push(self.node, unary, &[x])
    }

    fn two(&mut self, binary: Binary, a: Value, b: Value) -> Result<Value, ImportError> {
        self.graph.push(self.node, binary, &[a, b])
    }

    fn by(&mut self, binary: Binary, x: Value, number: f64) -> Result<Value, ImportError> {
        let number = scalar(self.graph, x, number);
        self.two(binary, x, number)
    }

    /// `yes` where `x` compares so with `limit`, else `no`.
    fn choose(
        &mut self,
        compare: Compare,
        x: Value,
        limit: f64,
        yes: Value,
        no: Value,
    ) -> Result<Value, ImportError> {
        let limit = scalar(self.graph, x, limit);
        let condition = self.graph.push(self.node, compare, &[x, limit])?;
        self.graph.push(self.node, Select, &[condition, yes, no])
    }

    fn below_zero(&mut self, x: Value, below: Value) -> Result<Value, ImportError> {
        self.choose(Compare::Less, x, 0.0, below, x)
    }

    /// 1 at the first largest element of an axis (of all axes from it on, before opset 13), else 0.
    fn hardmax(&mut self, x: Value) -> Result<Value, ImportError> {
        let extents = shape(self.node, self.graph, x)?;
        let flat = self.node.version < 13;
        let axis = self.node.int("axis", if flat { 1 } else { -1 })?;
        let rank = extents.len() as i64;
        let axis = if axis < 0 { axis + rank } else { axis };
        if !(1..rank).contains(&axis) {
            return Err(self.node.unsupported(format!("axis {axis} of {rank} axes")));
        }
        let (own, axis, depth) = if flat {
            let depth: usize = extents[axis as usize..].iter().product();
            let to = integers(self.graph, &[-1, depth as i64]);
            let reshape = Reshape { allow_zero: false };
            (self.graph.push(self.node, reshape, &[x, to])?, 1, depth)
        } else {
            (x, axis, extents[axis as usize])
        };
        let largest = ArgExtreme {
            axis,
            largest: true,
            keep: false,
            last: false,
        };
        let index = self.graph.push(self.node, largest, &[own])?;
        let depth = scalar_integer(self.graph, depth as i64);
        let values = match self.graph.element_type(x) {
            ElementType::F64 => Data::F64(vec![0.0, 1.0]),
            _ => Data::F32(vec![0.0, 1.0]),
        };
        let values = self
            .graph
            .constant(Tensor::new(vec![2], values).expect("two elements"));
        let hot = self
            .graph
            .push(self.node, OneHot { axis }, &[index, depth, values])?;
        if !flat {
            return Ok(hot);
        }
        let whole = Shape {
            start: 0,
            end: None,
        };
        let to = self.graph.push(self.node, whole, &[x])?;
        self.graph
            .push(self.node, Reshape { allow_zero: false }, &[hot, to])
    }
}

fn scalar_integer(graph: &mut Builder, value: i64) -> Value {
    graph.constant(Tensor::new(vec![], Data::I64(vec![value])).expect("one element"))
}
