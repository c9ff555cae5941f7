//! Products with constant weights, biases, scales and activations become layers with prepared weights: the same sums,
//! without the values between them. Runs last, on graphs that have no exact explanation in closed form.

use hyaline_kernels::{Activation, Layer, Panels};
use hyaline_model::graph::dense::{Binary, Gemm, Layers, Unary};
use hyaline_model::graph::{Graph, GraphNode, GraphParts, Op, ValueId};
use hyaline_model::{Data, Tensor};

use super::rewrite::{Rewritten, prune};

/// Most columns of a product whose exact rounding matters; a wider one is a layer wherever it stands.
const NARROW: usize = 16;

/// The graph with layers instead of their parts, where there are any.
pub(super) fn fuse(graph: &Graph, wanted: &[ValueId]) -> Option<Rewritten> {
    let mut fusion = Fusion {
        parts: graph.parts().clone(),
        first_output: (0..graph.parts().nodes.len())
            .map(|node| graph.outputs_of(node).next().map_or(0, |id| id.0))
            .collect(),
        wanted: wanted.to_vec(),
        users: vec![Vec::new(); graph.values()],
    };
    fusion.count_users();
    for node in 0..fusion.parts.nodes.len() {
        fusion.begin(node);
    }
    for node in 0..fusion.parts.nodes.len() {
        while fusion.absorb(node) {}
    }
    let (parts, wanted) = prune(fusion.parts, &fusion.wanted);
    Some(Rewritten {
        graph: Graph::new(parts).ok()?,
        wanted,
    })
}

/// A graph whose nodes are being fused. A node that took over the one behind it makes that one's value: its own output
/// keeps its identifier, and whoever read the other's output now reads this one's.
struct Fusion {
    parts: GraphParts,
    first_output: Vec<u32>,
    wanted: Vec<ValueId>,
    /// The nodes that read each value, once per operand; `usize::MAX` for the answer.
    users: Vec<Vec<usize>>,
}

impl Fusion {
    fn count_users(&mut self) {
        for (index, node) in self.parts.nodes.iter().enumerate() {
            for id in node.inputs.iter().flatten() {
                self.users[id.0 as usize].push(index);
            }
        }
        for id in &self.wanted {
            self.users[id.0 as usize].push(usize::MAX);
        }
    }

    fn constant(&self, id: Option<ValueId>) -> Option<&Tensor> {
        let index = (id?.0 as usize).checked_sub(self.parts.inputs.len())?;
        self.parts.constants.get(index)
    }

    fn floats(&self, id: Option<ValueId>) -> Option<(&[usize], &[f32])> {
        let tensor = self.constant(id)?;
        match tensor.data() {
            Data::F32(values) => Some((tensor.shape(), values)),
            _ => None,
        }
    }

    fn output(&self, node: usize) -> ValueId {
        ValueId(self.first_output[node])
    }

    fn maker(&self, id: ValueId) -> Option<usize> {
        let node = self.first_output.partition_point(|&first| first <= id.0);
        node.checked_sub(1)
            .filter(|_| id.0 as usize >= self.parts.inputs.len() + self.parts.constants.len())
    }

    /// The only node that reads what `node` makes.
    fn only_user(&self, node: usize) -> Option<usize> {
        match self.users[self.output(node).0 as usize][..] {
            [user] if user != usize::MAX && self.parts.nodes[node].outputs == 1 => Some(user),
            _ => None,
        }
    }

    /// Turns a product with a constant matrix into a layer.
    fn begin(&mut self, node: usize) {
        let GraphNode { op, inputs, .. } = &self.parts.nodes[node];
        let weights = self.floats(inputs.get(1).copied().flatten());
        let (Some((&[k, n], weights)), Some(x)) = (weights, inputs[0]) else {
            return;
        };
        if n <= NARROW && !self.inside_network(x) && !self.leads_to_activation(node) {
            return;
        }
        let (alpha, bias) = match op {
            Op::MatMul(_) => (1.0, Some(vec![0.0; n])),
            Op::Gemm(gemm) if !gemm.transpose_a && !gemm.transpose_b => {
                (gemm.alpha, self.addend(gemm, node, n))
            }
            _ => return,
        };
        let Some(bias) = bias else { return };
        let panels = Panels::new(k, n, |output, input| alpha * weights[input * n + output]);
        let layer = panels.and_then(|panels| Layer::new(panels, bias, Activation::None));
        let Some(layers) = layer.and_then(|layer| Layers::new(vec![layer])) else {
            return;
        };
        self.replace(node, layers.into());
    }

    /// The addend of a product, as one number per column.
    fn addend(&self, gemm: &Gemm, node: usize, n: usize) -> Option<Vec<f32>> {
        let id = self.parts.nodes[node].inputs.get(2).copied().flatten();
        if id.is_none() {
            return Some(vec![0.0; n]);
        }
        let (shape, values) = self.floats(id)?;
        let rows = shape.iter().rev().skip(1).all(|&extent| extent == 1);
        let scaled = |x: &f32| gemm.beta * x;
        match values.len() {
            1 => Some(vec![scaled(&values[0]); n]),
            found if found == n && rows => Some(values.iter().map(scaled).collect()),
            _ => None,
        }
    }

    /// Puts `op` in the place of node `node`, with its first operand only.
    fn replace(&mut self, node: usize, op: Op) {
        for id in self.parts.nodes[node].inputs.iter().flatten().skip(1) {
            self.users[id.0 as usize].retain(|&user| user != node);
        }
        let place = &mut self.parts.nodes[node];
        place.inputs.truncate(1);
        place.op = op;
    }

    /// Whether what makes `id` is a part of a network, not of preprocessing.
    fn inside_network(&self, mut id: ValueId) -> bool {
        while let Some(maker) = self.maker(id) {
            let node = &self.parts.nodes[maker];
            match &node.op {
                Op::Reshape(_)
                | Op::Flatten(_)
                | Op::Squeeze(_)
                | Op::Unsqueeze(_)
                | Op::Transpose(_)
                | Op::Reduce(_)
                | Op::Identity(_)
                | Op::Clip(_) => match node.inputs[0] {
                    Some(operand) => id = operand,
                    None => return false,
                },
                Op::Layers(_) | Op::Softmax(_) => return true,
                Op::Unary(unary) => return activation(unary).is_some(),
                op => return op.is_neural(),
            }
        }
        false
    }

    /// Whether what `node` makes goes through an activation, a constant added or not.
    fn leads_to_activation(&self, node: usize) -> bool {
        let Some(user) = self.only_user(node) else {
            return false;
        };
        match &self.parts.nodes[user].op {
            Op::Binary(Binary::Add) => {
                let constant = self.parts.nodes[user].inputs.iter();
                constant.copied().any(|id| self.constant(id).is_some())
                    && self.leads_to_activation(user)
            }
            Op::Unary(unary) => activation(unary).is_some(),
            _ => false,
        }
    }

    /// Lets `node`, when it is a layer, do what the only node behind it does.
    fn absorb(&mut self, node: usize) -> bool {
        if !is_layer(&self.parts.nodes[node].op) {
            return false;
        }
        let Some(user) = self.only_user(node) else {
            return false;
        };
        let fused = match &self.parts.nodes[user].op {
            Op::Unary(unary) => {
                activation(unary).and_then(|activation| self.activated(node, activation))
            }
            Op::Clip(_) => self
                .limits(user)
                .and_then(|limits| self.activated(node, limits)),
            Op::Binary(binary @ (Binary::Add | Binary::Sub | Binary::Mul)) => {
                self.scaled(node, user, *binary)
            }
            Op::Layers(behind) => self.chained(node, behind),
            _ => None,
        };
        let Some(op) = fused else { return false };
        self.parts.nodes[node].op = op;
        let (own, others) = (self.output(node), self.output(user));
        // The other's operands are read no more.
        for id in self.parts.nodes[user].inputs.clone().iter().flatten() {
            self.users[id.0 as usize].retain(|&reader| reader != user);
        }
        let readers = std::mem::take(&mut self.users[others.0 as usize]);
        for &reader in readers.iter().filter(|&&reader| reader != usize::MAX) {
            for input in self.parts.nodes[reader].inputs.iter_mut().flatten() {
                if *input == others {
                    *input = own;
                }
            }
        }
        for id in self.wanted.iter_mut().filter(|id| **id == others) {
            *id = own;
        }
        self.users[own.0 as usize] = readers;
        true
    }

    /// The constant limits of a node that clips.
    fn limits(&self, node: usize) -> Option<Activation> {
        let limit = |operand: usize, open: f32| match self.parts.nodes[node]
            .inputs
            .get(operand)
            .copied()
            .flatten()
        {
            None => Some(open),
            id => match self.floats(id)? {
                (_, &[limit]) if !limit.is_nan() => Some(limit),
                _ => None,
            },
        };
        Some(Activation::Clip(
            limit(1, f32::NEG_INFINITY)?,
            limit(2, f32::INFINITY)?,
        ))
    }

    fn activated(&self, node: usize, activation: Activation) -> Option<Op> {
        rebuilt(&self.parts.nodes[node].op, |layer, _| {
            let free = layer.activation() == Activation::None;
            Layer::new(layer.panels().clone(), layer.bias().to_vec(), activation).filter(|_| free)
        })
    }

    fn chained(&self, node: usize, behind: &Layers) -> Option<Op> {
        match &self.parts.nodes[node].op {
            Op::Layers(own) => {
                let layers = own.layers().iter().chain(behind.layers()).cloned();
                Some(Layers::new(layers.collect())?.into())
            }
            _ => None,
        }
    }

    /// The layer with a constant added or multiplied, one number per output or one for all.
    fn scaled(&self, node: usize, user: usize, binary: Binary) -> Option<Op> {
        let own = Some(self.output(node));
        let (constant, first) = match self.parts.nodes[user].inputs[..] {
            [a, b] if a == own => (b, true),
            [a, b] if b == own => (a, false),
            _ => return None,
        };
        if binary == Binary::Sub && !first {
            return None;
        }
        let (shape, values) = self.floats(constant)?;
        let op = &self.parts.nodes[node].op;
        let outputs: usize = last_layers(op).map(|layer| layer.panels().outputs()).sum();
        // Behind the outputs, a convolution has its spatial axes.
        let behind = spatial_axes(op);
        let per_output = values.len() == outputs
            && shape.len() > behind
            && shape[shape.len() - 1 - behind] == outputs
            && shape.len() <= behind + 2;
        if !(values.len() == 1 && shape.len() <= behind + 2 || per_output) {
            return None;
        }
        rebuilt(op, |layer, first| {
            let value = |output: usize| match values {
                [all] => *all,
                each => each[first + output],
            };
            if layer.activation() != Activation::None {
                return None;
            }
            let panels = layer.panels();
            let bias = layer.bias().iter().enumerate();
            match binary {
                Binary::Mul => Layer::new(
                    Panels::new(panels.inputs(), panels.outputs(), |output, input| {
                        panels.weight(output, input) * value(output)
                    })?,
                    bias.map(|(output, bias)| bias * value(output)).collect(),
                    Activation::None,
                ),
                _ => {
                    let sign = if binary == Binary::Sub { -1.0 } else { 1.0 };
                    let bias = bias.map(|(output, bias)| bias + sign * value(output));
                    Layer::new(panels.clone(), bias.collect(), Activation::None)
                }
            }
        })
    }
}

fn is_layer(op: &Op) -> bool {
    matches!(op, Op::Layers(_) | Op::Conv(_))
}

/// The layers whose outputs are the operator's.
fn last_layers(op: &Op) -> impl Iterator<Item = &Layer> {
    let layers = match op {
        Op::Layers(layers) => layers
            .layers()
            .last_chunk::<1>()
            .map(<[Layer; 1]>::as_slice),
        Op::Conv(conv) => Some(conv.groups.as_slice()),
        _ => None,
    };
    layers.into_iter().flatten()
}

fn spatial_axes(op: &Op) -> usize {
    match op {
        Op::Conv(conv) => conv.sliding.kernel.len(),
        _ => 0,
    }
}

/// The operator with its last layers changed; the change is told how many outputs there are before those of a layer.
fn rebuilt(op: &Op, change: impl Fn(&Layer, usize) -> Option<Layer>) -> Option<Op> {
    let mut first = 0;
    let changed: Option<Vec<Layer>> = last_layers(op)
        .map(|layer| {
            let made = change(layer, first);
            first += layer.panels().outputs();
            made
        })
        .collect();
    let mut changed = changed?;
    match op {
        Op::Layers(layers) => {
            let (_, before) = layers.layers().split_last()?;
            let layers = before.iter().cloned().chain(changed.pop()).collect();
            Some(Layers::new(layers)?.into())
        }
        Op::Conv(conv) => {
            let mut conv = conv.clone();
            conv.groups = changed;
            Some(conv.into())
        }
        _ => None,
    }
}

/// What a layer can do itself.
fn activation(unary: &Unary) -> Option<Activation> {
    Some(match *unary {
        Unary::Relu => Activation::Relu,
        Unary::Sigmoid => Activation::Sigmoid,
        Unary::Tanh => Activation::Tanh,
        Unary::LeakyRelu(alpha) => Activation::LeakyRelu(alpha),
        Unary::Elu(alpha) => Activation::Elu(alpha),
        Unary::Selu(alpha, gamma) => Activation::Selu(alpha, gamma),
        Unary::HardSigmoid(alpha, beta) => Activation::HardSigmoid(alpha, beta),
        Unary::ThresholdedRelu(alpha) => Activation::ThresholdedRelu(alpha),
        Unary::Softplus => Activation::Softplus,
        Unary::Softsign => Activation::Softsign,
        _ => return None,
    })
}
