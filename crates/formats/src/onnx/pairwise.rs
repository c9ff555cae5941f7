//! Distances between all pairs of rows: `com.microsoft` `CDist`, and the `Scan` that sklearn's converter writes without it.

use hyaline_model::graph::dense::{Distance, Metric, Transpose};
use hyaline_model::{Data, Tensor};

use super::builder::{Builder, Value};
use super::constants;
use super::node::Node;
use super::proto::{GraphProto, NodeProto};
use crate::ImportError;

/// Adds a `CDist`.
///
/// # Errors
/// [`ImportError::Unsupported`] for another metric.
pub(super) fn lower_cdist(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let metric = match node.text("metric")?.unwrap_or("sqeuclidean") {
        "euclidean" => Metric::Euclidean,
        "sqeuclidean" => Metric::SquaredEuclidean,
        "manhattan" | "cityblock" => Metric::Manhattan,
        "chebyshev" => Metric::Chebyshev,
        other => return Err(node.unsupported(format!("the metric `{other}`"))),
    };
    Ok(vec![graph.push(
        node,
        Distance { metric },
        &[node.operand(0)?, node.operand(1)?],
    )?])
}

/// Adds a `Scan` whose body compares every row of the state with one scanned row: `Identity` of the state, and a sum over
/// the columns of a function of the difference. Its second output is the distances, one scanned row per row.
///
/// # Errors
/// [`ImportError::Unsupported`] for every other body.
pub(super) fn lower_scan(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let body = node
        .graph("body")?
        .ok_or_else(|| node.invalid("attribute `body` is missing"))?;
    // Before opset 9 the first operand is the sequence lengths.
    let known = node.version >= 9
        && node.operands.len() == 2
        && node.int("num_scan_inputs", 0)? == 1
        && node
            .ints("scan_input_axes")?
            .iter()
            .chain(node.ints("scan_output_axes")?)
            .all(|&axis| axis == 0)
        && node
            .ints("scan_input_directions")?
            .iter()
            .chain(node.ints("scan_output_directions")?)
            .all(|&way| way == 0);
    let metric = if known { metric_of(body, node)? } else { None };
    let Some(metric) = metric else {
        return Err(node.unsupported("a loop that is not the distances between two sets of rows"));
    };
    let (state, scanned) = (node.operand(0)?, node.operand(1)?);
    let distances = graph.push(node, Distance { metric }, &[state, scanned])?;
    let by_scanned_row = graph.push(
        node,
        Transpose {
            permutation: Some(vec![1, 0]),
        },
        &[distances],
    )?;
    Ok(vec![state, by_scanned_row])
}

/// The metric that `body` computes; `None` when it does something else.
fn metric_of(body: &GraphProto, node: &Node<'_>) -> Result<Option<Metric>, ImportError> {
    let ([state, row], [state_out, distances]) = (&body.input[..], &body.output[..]) else {
        return Ok(None);
    };
    let maker = |name: &str| {
        body.node
            .iter()
            .find(|maker| maker.output.iter().any(|output| output == name))
    };
    // Follows identities back to what made the value.
    let source = |mut name: String| {
        for _ in 0..body.node.len() {
            match maker(&name) {
                Some(maker) if maker.op_type == "Identity" && maker.input.len() == 1 => {
                    name.clone_from(&maker.input[0])
                }
                _ => break,
            }
        }
        name
    };
    if source(state_out.name.clone()) != state.name {
        return Ok(None);
    }
    let Some(sum) = maker(&source(distances.name.clone())) else {
        return Ok(None);
    };
    let Some(summed) = sum.input.first().map(|name| source(name.clone())) else {
        return Ok(None);
    };
    if !sums_columns(sum, body, node)? {
        return Ok(None);
    }
    let is_difference = |name: &str| {
        maker(name).is_some_and(|maker| {
            let operands: Vec<String> = maker
                .input
                .iter()
                .map(|name| source(name.clone()))
                .collect();
            let (a, b) = (state.name.clone(), row.name.clone());
            maker.op_type == "Sub" && (operands == [a.clone(), b.clone()] || operands == [b, a])
        })
    };
    let absolute_difference = |name: &str| {
        maker(name).is_some_and(|maker| {
            maker.op_type == "Abs"
                && maker
                    .input
                    .first()
                    .is_some_and(|name| is_difference(&source(name.clone())))
        })
    };
    Ok(match sum.op_type.as_str() {
        "ReduceSumSquare" if is_difference(&summed) => Some(Metric::SquaredEuclidean),
        "ReduceL1" if is_difference(&summed) => Some(Metric::Manhattan),
        "ReduceSum" if absolute_difference(&summed) => Some(Metric::Manhattan),
        "ReduceSum" => match maker(&summed) {
            Some(power) if power.op_type == "Pow" && power.input.len() == 2 => {
                let exponent = initializer(body, &power.input[1], node)?;
                match exponent.as_ref().map(Tensor::data) {
                    Some(Data::F32(values)) if values.len() == 1 && values[0].is_finite() => {
                        absolute_difference(&source(power.input[0].clone()))
                            .then_some(Metric::PowerSum(values[0]))
                    }
                    _ => None,
                }
            }
            _ => None,
        },
        _ => None,
    })
}

/// Whether the reduction `sum` is over axis 1 alone and drops it.
fn sums_columns(sum: &NodeProto, body: &GraphProto, node: &Node<'_>) -> Result<bool, ImportError> {
    let keeps = sum
        .attribute
        .iter()
        .find(|attribute| attribute.name == "keepdims")
        .is_none_or(|attribute| attribute.i != 0);
    let axes = match (
        sum.attribute
            .iter()
            .find(|attribute| attribute.name == "axes"),
        sum.input.get(1),
    ) {
        (Some(attribute), _) => Some(attribute.ints.clone()),
        (None, Some(name)) => match initializer(body, name, node)?.as_ref().map(Tensor::data) {
            Some(Data::I64(axes)) => Some(axes.clone()),
            _ => None,
        },
        (None, None) => None,
    };
    Ok(!keeps && matches!(axes.as_deref(), Some([1] | [-1])))
}

fn initializer(
    body: &GraphProto,
    name: &str,
    node: &Node<'_>,
) -> Result<Option<Tensor>, ImportError> {
    let found = body.initializer.iter().find(|tensor| tensor.name == name);
    found
        .map(|proto| {
            constants::tensor(proto, node.symbols)
                .map_err(|reason| node.invalid(format!("`{name}`: {reason}")))
        })
        .transpose()
}
