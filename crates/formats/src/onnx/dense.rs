//! Lowering of the ai.onnx domain.

use hyaline_model::graph::Op;
use hyaline_model::graph::dense::{
    ArgExtreme, Binary, Cast, Clip, Compare, Compress, Concat, ConstantOfShape, CumSum, Expand,
    Flatten, Gather, GatherElements, GatherNd, Gemm, Identity, Logical, LpNormalize, MatMul,
    NonZero, OneHot, Range, Reduce, Reduction, Reshape, ScatterElements, ScatterNd, Select, Shape,
    Size, Slice, Softmax, Split, Squeeze, Tile, TopK, Transpose, Unary, Unsqueeze,
};
use hyaline_model::{Data, ElementType, Tensor};

use super::builder::{Builder, SAMPLE_ROWS, Value};
use super::node::Node;
use super::{constants, neural, pairwise, text};
use crate::ImportError;

/// Adds what the operator `node` does to `graph`; one value per output comes back (fewer when the rest is never made).
///
/// # Errors
/// [`ImportError::Unsupported`] for operators and variants that cannot run, [`ImportError::Invalid`] for contradictions.
pub(super) fn lower(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    if let Some(unary) = unary(node)? {
        return Ok(vec![graph.push(node, unary, &[node.operand(0)?])?]);
    }
    if let Some(op) = binary(node)? {
        return Ok(vec![graph.push(
            node,
            op,
            &[node.operand(0)?, node.operand(1)?],
        )?]);
    }
    if let Some(reduction) = reduction(node) {
        return reduce(node, graph, reduction);
    }
    let axis = |default| node.int("axis", default);
    let simple = |graph: &mut Builder, op: Op| -> Result<Vec<Value>, ImportError> {
        Ok(vec![graph.push_many(node, op, &node.operands, 1)?[0]])
    };
    match node.op() {
        "Identity" | "Dropout" => Ok(vec![graph.push(node, Identity, &[node.operand(0)?])?]),
        "Cast" => {
            let to = node.int("to", 0)?;
            let to =
                i32::try_from(to).map_err(|_| node.invalid(format!("attribute `to` is {to}")))?;
            let to = constants::element_type(to).map_err(|reason| node.unsupported(reason))?;
            let from = graph.element_type(node.operand(0)?);
            if (from == ElementType::Symbol) != (to == ElementType::Symbol) {
                return Err(
                    node.unsupported("converting between text and numbers; do it before the model")
                );
            }
            simple(graph, Cast { to }.into())
        }
        "CastLike" => {
            let to = graph.element_type(node.operand(1)?);
            Ok(vec![graph.push(node, Cast { to }, &[node.operand(0)?])?])
        }
        "Sum" | "Mean" | "Max" | "Min" => variadic(node, graph),
        "Where" => simple(graph, Select.into()),
        "Clip" => clip(node, graph),
        "Shape" => {
            let op = Shape {
                start: node.int("start", 0)?,
                end: node.optional_int("end")?,
            };
            simple(graph, op.into())
        }
        "Size" => simple(graph, Size.into()),
        "Constant" => constant(node, graph),
        "ConstantOfShape" => {
            let zero = Tensor::new(vec![1], Data::F32(vec![0.0])).expect("one element");
            let value = node.tensor("value")?.unwrap_or(zero);
            if value.data().len() != 1 {
                return Err(node.invalid(format!(
                    "attribute `value` has {} elements, expected 1",
                    value.data().len()
                )));
            }
            simple(graph, ConstantOfShape { value }.into())
        }
        "Range" => simple(graph, Range.into()),
        "Reshape" => match node.optional(1) {
            None => {
                let shape = integers_constant(graph, node.ints("shape")?);
                Ok(vec![graph.push(
                    node,
                    Reshape { allow_zero: false },
                    &[node.operand(0)?, shape],
                )?])
            }
            Some(shape) => {
                let op = Reshape {
                    allow_zero: node.flag("allowzero", false)?,
                };
                let x = node.operand(0)?;
                let shape = for_any_rows(graph, x, shape);
                Ok(vec![graph.push(node, op, &[x, shape])?])
            }
        },
        "Flatten" => simple(graph, Flatten { axis: axis(1)? }.into()),
        "Squeeze" => {
            let axes = axes(node, graph, 1)?;
            Ok(vec![graph.push(
                node,
                Squeeze { axes },
                &[node.operand(0)?],
            )?])
        }
        "Unsqueeze" => {
            let axes = axes(node, graph, 1)?.ok_or_else(|| node.invalid("no axes"))?;
            Ok(vec![graph.push(
                node,
                Unsqueeze { axes },
                &[node.operand(0)?],
            )?])
        }
        "Transpose" => {
            let permutation = node
                .ints("perm")?
                .iter()
                .map(|&axis| {
                    u32::try_from(axis)
                        .map_err(|_| node.invalid(format!("attribute `perm` holds {axis}")))
                })
                .collect::<Result<Vec<u32>, _>>()?;
            simple(
                graph,
                Transpose {
                    permutation: node.has("perm").then_some(permutation),
                }
                .into(),
            )
        }
        "Concat" => simple(graph, Concat { axis: axis(1)? }.into()),
        "Split" => split(node, graph),
        "Slice" => slice(node, graph),
        "Expand" => simple(graph, Expand.into()),
        "Tile" => simple(graph, Tile.into()),
        "Gather" => simple(graph, Gather { axis: axis(0)? }.into()),
        "Compress" => simple(
            graph,
            Compress {
                axis: node.optional_int("axis")?,
            }
            .into(),
        ),
        "GatherElements" => simple(graph, GatherElements { axis: axis(0)? }.into()),
        "GatherND" if node.int("batch_dims", 0)? == 0 => simple(graph, GatherNd.into()),
        "ScatterElements" | "Scatter"
            if node.text("reduction")?.is_none_or(|rule| rule == "none") =>
        {
            simple(graph, ScatterElements { axis: axis(0)? }.into())
        }
        "ScatterND" if node.text("reduction")?.is_none_or(|rule| rule == "none") => {
            simple(graph, ScatterNd.into())
        }
        "OneHot" => simple(graph, OneHot { axis: axis(-1)? }.into()),
        "MatMul" => simple(graph, MatMul.into()),
        "Gemm" => gemm(node, graph),
        "Softmax" | "LogSoftmax" => {
            let flattened = node.version < 13;
            let axis = axis(if flattened { 1 } else { -1 })?;
            simple(
                graph,
                Softmax {
                    axis,
                    flattened,
                    log: node.op() == "LogSoftmax",
                }
                .into(),
            )
        }
        "LpNormalization" => match node.int("p", 2)? {
            p @ (1 | 2) => simple(
                graph,
                LpNormalize {
                    axis: axis(-1)?,
                    manhattan: p == 1,
                }
                .into(),
            ),
            p => Err(node.invalid(format!("attribute `p` is {p}, expected 1 or 2"))),
        },
        "ArgMax" | "ArgMin" => {
            let op = ArgExtreme {
                axis: axis(0)?,
                largest: node.op() == "ArgMax",
                keep: node.flag("keepdims", true)?,
                last: node.flag("select_last_index", false)?,
            };
            simple(graph, op.into())
        }
        "TopK" => {
            let op = TopK {
                axis: axis(-1)?,
                largest: node.flag("largest", true)?,
            };
            let k = match node.optional(1) {
                Some(k) => k,
                None => integers_constant(graph, &[node.int("k", -1)?]),
            };
            graph.push_many(node, op, &[Some(node.operand(0)?), Some(k)], 2)
        }
        "CumSum" => {
            let axis = match *constant_integers(node, graph, 1)? {
                [axis] => axis,
                ref other => return Err(node.invalid(format!("the axes {other:?}, expected one"))),
            };
            let op = CumSum {
                axis,
                exclusive: node.flag("exclusive", false)?,
                reverse: node.flag("reverse", false)?,
            };
            Ok(vec![graph.push(node, op, &[node.operand(0)?])?])
        }
        "NonZero" => simple(graph, NonZero.into()),
        "BatchNormalization" => batch_normalization(node, graph),
        "Scan" => pairwise::lower_scan(node, graph),
        "If" | "Loop" | "SequenceMap" => Err(node.unsupported("graphs inside operators")),
        op if text::recognises(op) => text::lower(node, graph),
        _ => neural::lower(node, graph),
    }
}

/// The shape that a value is given, where the file was made for one row: its first extent, 1, becomes the number of rows.
fn for_any_rows(graph: &mut Builder, x: Value, shape: Value) -> Value {
    let (Some(sample), Some(Data::I64(extents))) =
        (graph.sample(x), graph.constant_of(shape).map(Tensor::data))
    else {
        return shape;
    };
    let ([1, rest @ ..], [SAMPLE_ROWS, ..]) = (&extents[..], sample.shape()) else {
        return shape;
    };
    let open = rest.contains(&-1);
    let product = rest
        .iter()
        .try_fold(1i64, |product, &extent| product.checked_mul(extent));
    let per_row = (sample.data().len() / SAMPLE_ROWS) as i64;
    // 0 keeps the operand's first extent, which is the number of rows.
    let first = match (open, product) {
        (true, _) if graph.one_row => 0,
        (false, Some(product)) if product == per_row => -1,
        _ => return shape,
    };
    let extents: Vec<i64> = std::iter::once(first).chain(rest.iter().copied()).collect();
    integers_constant(graph, &extents)
}

fn unary(node: &Node<'_>) -> Result<Option<Unary>, ImportError> {
    Ok(Some(match node.op() {
        "Abs" => Unary::Abs,
        "Neg" => Unary::Neg,
        "Sign" => Unary::Sign,
        "Reciprocal" => Unary::Reciprocal,
        "Sqrt" => Unary::Sqrt,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Sin" => Unary::Sin,
        "Cos" => Unary::Cos,
        "Tan" => Unary::Tan,
        "Atan" => Unary::Atan,
        "Tanh" => Unary::Tanh,
        "Erf" => Unary::Erf,
        "Floor" => Unary::Floor,
        "Ceil" => Unary::Ceil,
        "Round" => Unary::Round,
        "Relu" => Unary::Relu,
        "Sigmoid" => Unary::Sigmoid,
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "LeakyRelu" => Unary::LeakyRelu(node.float("alpha", 0.01)?),
        "Elu" => Unary::Elu(node.float("alpha", 1.0)?),
        "Selu" => Unary::Selu(
            node.float("alpha", 1.673_263_2)?,
            node.float("gamma", 1.050_701)?,
        ),
        "HardSigmoid" => Unary::HardSigmoid(node.float("alpha", 0.2)?, node.float("beta", 0.5)?),
        "ThresholdedRelu" => Unary::ThresholdedRelu(node.float("alpha", 1.0)?),
        "IsNaN" => Unary::IsNan,
        "IsInf" => Unary::IsInf(
            node.flag("detect_positive", true)?,
            node.flag("detect_negative", true)?,
        ),
        "Not" => Unary::Not,
        _ => return Ok(None),
    }))
}

fn binary(node: &Node<'_>) -> Result<Option<Op>, ImportError> {
    let op: Op = match node.op() {
        "Add" => Binary::Add.into(),
        "Sub" => Binary::Sub.into(),
        "Mul" => Binary::Mul.into(),
        "Div" => Binary::Div.into(),
        "Pow" => Binary::Pow.into(),
        "Mod" => if node.flag("fmod", false)? {
            Binary::Fmod
        } else {
            Binary::Mod
        }
        .into(),
        "Equal" => Compare::Equal.into(),
        "Less" => Compare::Less.into(),
        "LessOrEqual" => Compare::LessOrEqual.into(),
        "Greater" => Compare::Greater.into(),
        "GreaterOrEqual" => Compare::GreaterOrEqual.into(),
        "And" => Logical::And.into(),
        "Or" => Logical::Or.into(),
        "Xor" => Logical::Xor.into(),
        _ => return Ok(None),
    };
    if node.version < 7 && node.int("broadcast", 0)? != 0 && node.has("axis") {
        return Err(node.unsupported(
            "broadcasting along a named axis (before opset 7); export with a newer opset",
        ));
    }
    Ok(Some(op))
}

fn reduction(node: &Node<'_>) -> Option<Reduction> {
    Some(match node.op() {
        "ReduceSum" => Reduction::Sum,
        "ReduceMean" => Reduction::Mean,
        "ReduceMax" => Reduction::Max,
        "ReduceMin" => Reduction::Min,
        "ReduceProd" => Reduction::Prod,
        "ReduceL1" => Reduction::L1,
        "ReduceL2" => Reduction::L2,
        "ReduceSumSquare" => Reduction::SumSquare,
        "ReduceLogSum" => Reduction::LogSum,
        "ReduceLogSumExp" => Reduction::LogSumExp,
        _ => return None,
    })
}

fn reduce(
    node: &Node<'_>,
    graph: &mut Builder,
    reduction: Reduction,
) -> Result<Vec<Value>, ImportError> {
    let axes = axes(node, graph, 1)?.filter(|axes| !axes.is_empty());
    if axes.is_none() && node.flag("noop_with_empty_axes", false)? {
        return Ok(vec![node.operand(0)?]);
    }
    let op = Reduce {
        reduction,
        axes,
        keep: node.flag("keepdims", true)?,
    };
    Ok(vec![graph.push(node, op, &[node.operand(0)?])?])
}

/// Axes as an attribute (old opsets) or a constant operand; `None` when neither is there.
fn axes(node: &Node<'_>, graph: &Builder, operand: usize) -> Result<Option<Vec<i64>>, ImportError> {
    if node.has("axes") {
        return Ok(Some(node.ints("axes")?.to_vec()));
    }
    match node.optional(operand) {
        None => Ok(None),
        Some(_) => Ok(Some(constant_integers(node, graph, operand)?.to_vec())),
    }
}

/// The integers of a constant operand.
fn constant_integers<'a>(
    node: &Node<'_>,
    graph: &'a Builder,
    operand: usize,
) -> Result<&'a [i64], ImportError> {
    match graph.constant_of(node.operand(operand)?).map(Tensor::data) {
        Some(Data::I64(values)) => Ok(values),
        Some(other) => Err(node.invalid(format!(
            "operand {operand} holds {:?}, expected integers",
            other.element_type()
        ))),
        None => Err(node.unsupported(format!(
            "operand {operand} is computed from the row, expected a constant"
        ))),
    }
}

fn integers_constant(graph: &mut Builder, values: &[i64]) -> Value {
    graph.constant(
        Tensor::new(vec![values.len()], Data::I64(values.to_vec()))
            .expect("one element per integer"),
    )
}

fn constant(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let scalar = |data: Data| {
        Tensor::new(
            if data.len() == 1 {
                vec![]
            } else {
                vec![data.len()]
            },
            data,
        )
    };
    let list = |data: Data| Tensor::new(vec![data.len()], data);
    let symbols =
        |texts: &[&str]| Data::Symbol(texts.iter().map(|text| node.symbol(text)).collect());
    let tensor = if let Some(tensor) = node.tensor("value")? {
        Some(tensor)
    } else if let Some(value) = node.any_float("value_float")? {
        scalar(Data::F32(vec![value]))
    } else if let Some(value) = node.optional_int("value_int")? {
        scalar(Data::I64(vec![value]))
    } else if let Some(value) = node.text("value_string")? {
        scalar(symbols(&[value]))
    } else if node.has("value_floats") {
        list(Data::F32(node.floats("value_floats")?.to_vec()))
    } else if node.has("value_ints") {
        list(Data::I64(node.ints("value_ints")?.to_vec()))
    } else if node.has("value_strings") {
        list(symbols(&node.texts("value_strings")?))
    } else {
        return Err(node.unsupported("a constant without a dense value"));
    };
    let tensor = tensor.ok_or_else(|| node.invalid("a constant of absurd extent"))?;
    let value = graph.constant(tensor);
    graph.set_limits(value, node.tensor_type("value"));
    Ok(vec![value])
}

/// Sum, mean, maximum or minimum of any number of operands, two at a time.
fn variadic(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let op = match node.op() {
        "Max" => Binary::Max,
        "Min" => Binary::Min,
        _ => Binary::Add,
    };
    let mut result = node.operand(0)?;
    for index in 1..node.operands.len() {
        result = graph.push(node, op, &[result, node.operand(index)?])?;
    }
    if node.op() == "Mean" {
        let count = node.operands.len();
        let count = match graph.element_type(result) {
            ElementType::F64 => Data::F64(vec![count as f64]),
            _ => Data::F32(vec![count as f32]),
        };
        let count = graph.constant(Tensor::new(vec![], count).expect("one element"));
        result = graph.push(node, Binary::Div, &[result, count])?;
    }
    Ok(vec![result])
}

fn clip(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    if node.version >= 11 {
        return graph.push_many(node, Clip, &node.operands, 1);
    }
    let mut operands = vec![Some(node.operand(0)?)];
    let double = graph.element_type(node.operand(0)?) == ElementType::F64;
    for limit in ["min", "max"] {
        operands.push(node.any_float(limit)?.map(|limit| {
            let data = if double {
                Data::F64(vec![f64::from(limit)])
            } else {
                Data::F32(vec![limit])
            };
            graph.constant(Tensor::new(vec![], data).expect("one element"))
        }));
    }
    graph.push_many(node, Clip, &operands, 1)
}

fn split(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let parts = u32::try_from(node.outputs()).map_err(|_| node.invalid("too many outputs"))?;
    let sizes = if node.has("split") {
        Some(node.ints("split")?)
    } else if node.optional(1).is_some() {
        Some(constant_integers(node, graph, 1)?)
    } else {
        None
    };
    let sizes = match sizes {
        None => None,
        Some(sizes) if sizes.len() == parts as usize => Some(
            sizes
                .iter()
                .map(|&size| {
                    u32::try_from(size).map_err(|_| node.invalid(format!("a part of {size}")))
                })
                .collect::<Result<_, _>>()?,
        ),
        Some(sizes) => {
            return Err(node.invalid(format!("{} sizes for {parts} outputs", sizes.len())));
        }
    };
    let op = Split {
        axis: node.int("axis", 0)?,
        sizes,
        parts,
    };
    graph.push_many(node, op, &[Some(node.operand(0)?)], parts)
}

fn slice(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    if node.version >= 10 {
        return graph.push_many(node, Slice, &node.operands, 1);
    }
    let starts = integers_constant(graph, node.ints("starts")?);
    let ends = integers_constant(graph, node.ints("ends")?);
    let axes = if node.has("axes") {
        Some(integers_constant(graph, node.ints("axes")?))
    } else {
        None
    };
    graph.push_many(
        node,
        Slice,
        &[Some(node.operand(0)?), Some(starts), Some(ends), axes],
        1,
    )
}

fn gemm(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let mut op = Gemm {
        alpha: node.float("alpha", 1.0)?,
        beta: node.float("beta", 1.0)?,
        transpose_a: node.flag("transA", false)?,
        transpose_b: node.flag("transB", false)?,
    };
    let mut operands = node.operands.clone();
    if op.transpose_b {
        // Folds where B is a constant.
        let swap = Transpose {
            permutation: Some(vec![1, 0]),
        };
        operands[1] = Some(graph.push(node, swap, &[node.operand(1)?])?);
        op.transpose_b = false;
    }
    graph.push_many(node, op, &operands, 1)
}

/// `(x - mean) / √(variance + ε) · scale + bias` of a `[rows, channels, …]` operand; the factors are folded.
fn batch_normalization(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    if node.flag("training_mode", false)? {
        return Err(node.unsupported("training mode"));
    }
    let (scale, bias) = (node.operand(1)?, node.operand(2)?);
    let (mean, variance) = (node.operand(3)?, node.operand(4)?);
    let epsilon = node.float("epsilon", 1e-5)?;
    let epsilon = match graph.element_type(variance) {
        ElementType::F64 => Data::F64(vec![f64::from(epsilon)]),
        _ => Data::F32(vec![epsilon]),
    };
    let epsilon = graph.constant(Tensor::new(vec![], epsilon).expect("one element"));
    let variance = graph.push(node, Binary::Add, &[variance, epsilon])?;
    let deviation = graph.push(node, Unary::Sqrt, &[variance])?;
    let factor = graph.push(node, Binary::Div, &[scale, deviation])?;
    let shift = graph.push(node, Binary::Mul, &[mean, factor])?;
    let shift = graph.push(node, Binary::Sub, &[bias, shift])?;
    let factor = neural::per_channel(node, graph, factor)?;
    let shift = neural::per_channel(node, graph, shift)?;
    let scaled = graph.push(node, Binary::Mul, &[node.operand(0)?, factor])?;
    Ok(vec![graph.push(node, Binary::Add, &[scaled, shift])?])
}
