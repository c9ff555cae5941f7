//! LSTM, GRU and RNN.

use hyaline_kernels::{Activation, Cell, Direction, Layer, Panels, Recurrence};
use hyaline_model::graph::dense::Transpose;
use hyaline_model::graph::neural::Recurrent;
use hyaline_model::{Data, Tensor};

use super::{shape, weights};
use crate::ImportError;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::node::Node;

pub(super) fn lower(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let cell = match node.op() {
        "LSTM" => Cell::Lstm(node.flag("input_forget", false)?),
        "GRU" => Cell::Gru(node.flag("linear_before_reset", false)?),
        _ => Cell::Plain,
    };
    let rows_first = node.flag("layout", false)?;
    let mut x = node.operand(0)?;
    if rows_first {
        x = swap(node, graph, x, &[1, 0, 2])?;
    }
    check_lengths(node, graph, x)?;
    let recurrence = recurrence(node, graph, cell)?;
    let mut operands = vec![Some(x), None, None];
    for (operand, place) in [(5, 1), (6, 2)] {
        if let Some(state) = node.optional(operand) {
            let state = if rows_first {
                swap(node, graph, state, &[1, 0, 2])?
            } else {
                state
            };
            operands[place] = Some(state);
        }
    }
    let outputs = if matches!(cell, Cell::Lstm(_)) { 3 } else { 2 };
    let mut made = graph.push_many(node, Recurrent { recurrence }, &operands, outputs)?;
    if rows_first {
        made[0] = swap(node, graph, made[0], &[2, 0, 1, 3])?;
        for state in &mut made[1..] {
            *state = swap(node, graph, *state, &[1, 0, 2])?;
        }
    }
    Ok(made)
}

fn swap(
    node: &Node<'_>,
    graph: &mut Builder,
    value: Value,
    permutation: &[u32],
) -> Result<Value, ImportError> {
    let op = Transpose {
        permutation: Some(permutation.to_vec()),
    };
    graph.push(node, op, &[value])
}

/// Refuses sequences of several lengths.
fn check_lengths(node: &Node<'_>, graph: &Builder, x: Value) -> Result<(), ImportError> {
    let Some(lengths) = node.optional(4) else {
        return Ok(());
    };
    let steps = shape(node, graph, x)?.first().copied().unwrap_or(0) as i64;
    match graph.constant_of(lengths).map(Tensor::data) {
        Some(Data::I64(lengths)) if lengths.iter().all(|&length| length == steps) => Ok(()),
        _ => Err(node.unsupported("sequences of several lengths")),
    }
}

fn recurrence(node: &Node<'_>, graph: &Builder, cell: Cell) -> Result<Recurrence, ImportError> {
    let (shape, w) = weights(node, graph, 1)?;
    let (_, r) = weights(node, graph, 2)?;
    let &[directions, outputs, inputs] = shape else {
        return Err(node.invalid(format!("weights of shape {shape:?}")));
    };
    let gates = cell.gates();
    let hidden = outputs / gates;
    let bias = match node.optional(3) {
        None => &vec![0.0; 2 * directions * outputs],
        Some(_) => weights(node, graph, 3)?.1,
    };
    let peepholes = match node.optional(7) {
        None => &[][..],
        Some(_) => weights(node, graph, 7)?.1,
    };
    let expected = [
        (r.len(), directions * outputs * hidden),
        (bias.len(), 2 * directions * outputs),
    ];
    let reverse = match node.text("direction")?.unwrap_or("forward") {
        "forward" => vec![false],
        "reverse" => vec![true],
        "bidirectional" => vec![false, true],
        other => return Err(node.invalid(format!("attribute `direction` is {other}"))),
    };
    if expected.iter().any(|(found, expected)| found != expected) || reverse.len() != directions {
        return Err(node.invalid(format!(
            "weights of shape {shape:?} for its direction and states"
        )));
    }
    let peephole = peepholes.len() / directions.max(1);
    let not_finite = || node.unsupported("weights that are not finite numbers");
    let mut made = Vec::with_capacity(directions);
    for (index, reverse) in reverse.into_iter().enumerate() {
        let w = &w[index * outputs * inputs..][..outputs * inputs];
        let r = &r[index * outputs * hidden..][..outputs * hidden];
        let (own, recurrent) = bias[index * 2 * outputs..][..2 * outputs].split_at(outputs);
        let layer = |weights: &[f32], inputs: usize, bias: &[f32]| {
            let weight = |output, input| weights[output * inputs + input];
            let panels = Panels::new(inputs, bias.len(), weight)?;
            Layer::new(panels, bias.to_vec(), Activation::None)
        };
        let parts = match cell {
            Cell::Gru(_) => {
                let cut = 2 * hidden;
                vec![
                    layer(&r[..cut * hidden], hidden, &recurrent[..cut]),
                    layer(&r[cut * hidden..], hidden, &recurrent[cut..]),
                ]
            }
            _ => vec![layer(r, hidden, recurrent)],
        };
        let recurrent: Option<Vec<Layer>> = parts.into_iter().collect();
        made.push(Direction {
            reverse,
            input: layer(w, inputs, own).ok_or_else(not_finite)?,
            recurrent: recurrent.ok_or_else(not_finite)?,
            peepholes: peepholes[index * peephole..][..peephole].to_vec(),
            activations: activations(node, cell, index)?,
        });
    }
    let clip = node.any_float("clip")?.filter(|&clip| clip > 0.0);
    Recurrence::new(cell, hidden, made, clip)
        .ok_or_else(|| node.invalid(format!("weights of shape {shape:?} for {hidden} states")))
}

/// The activations of one direction: gates, candidate, cell state.
fn activations(
    node: &Node<'_>,
    cell: Cell,
    direction: usize,
) -> Result<[Activation; 3], ImportError> {
    let defaults: &[&str] = match cell {
        Cell::Plain => &["Tanh"],
        Cell::Gru(_) => &["Sigmoid", "Tanh"],
        Cell::Lstm(_) => &["Sigmoid", "Tanh", "Tanh"],
    };
    let named = node.texts("activations")?;
    let (alphas, betas) = (
        node.floats("activation_alpha")?,
        node.floats("activation_beta")?,
    );
    let (mut next_alpha, mut next_beta) = (0, 0);
    let mut all = Vec::new();
    let names: Vec<&str> = if named.is_empty() {
        defaults.repeat(direction + 1)
    } else {
        named
    };
    for name in names {
        // Parameters are listed for the activations that have them, in order.
        let mut alpha = |default| {
            next_alpha += 1;
            alphas.get(next_alpha - 1).copied().unwrap_or(default)
        };
        let mut beta = |default| {
            next_beta += 1;
            betas.get(next_beta - 1).copied().unwrap_or(default)
        };
        all.push(match name.to_ascii_lowercase().as_str() {
            "relu" => Activation::Relu,
            "tanh" => Activation::Tanh,
            "sigmoid" => Activation::Sigmoid,
            "softsign" => Activation::Softsign,
            "softplus" => Activation::Softplus,
            "affine" => Activation::Affine(alpha(1.0), beta(0.0)),
            "leakyrelu" => Activation::LeakyRelu(alpha(0.01)),
            "thresholdedrelu" => Activation::ThresholdedRelu(alpha(1.0)),
            "scaledtanh" => Activation::ScaledTanh(alpha(1.0), beta(1.0)),
            "hardsigmoid" => Activation::HardSigmoid(alpha(0.2), beta(0.5)),
            "elu" => Activation::Elu(alpha(1.0)),
            other => return Err(node.unsupported(format!("the activation {other}"))),
        });
    }
    let own = all
        .chunks(defaults.len())
        .nth(direction)
        .unwrap_or_default();
    match *own {
        [gate] => Ok([gate, Activation::None, Activation::None]),
        [gate, candidate] => Ok([gate, candidate, Activation::None]),
        [gate, candidate, state] => Ok([gate, candidate, state]),
        _ => Err(node.invalid(format!("{} activations", all.len()))),
    }
}
