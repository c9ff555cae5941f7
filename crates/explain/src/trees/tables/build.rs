//! Filling the tables.

use hyaline_model::trees::Leaf;

use super::super::background::BinnedBackground;
use super::super::forest::{Forest, ForestNode, Fork};
use super::super::leaf_game::LeafGame;
use super::plan::{Plan, Sizes};
use super::{Block, Junction, Shape, Tables, Target};

/// Sums of one tree stay below `2^TREE_BITS` units.
const TREE_BITS: i32 = 28;
/// Most units the bounds of a group's trees may add up to.
const GROUP_UNITS: f64 = (1u32 << 31) as f64 * 0.99;

/// Marks a target that is a block while blocks and junctions are still being counted.
const BLOCK: u32 = 1 << 31;

/// What an absent player does.
#[derive(Clone, Copy)]
pub(in super::super) enum Absence<'a> {
    /// Goes by the shares of the training weight.
    Shares,
    /// Takes the value of a background row.
    Background(&'a BinnedBackground),
}

/// The tables of the planned trees.
pub(in super::super) fn build(forest: &Forest, plan: &Plan, absence: Absence<'_>) -> Tables {
    let bounds: Vec<Vec<f64>> = plan
        .tabled
        .iter()
        .map(|&root| bounds(forest, root))
        .collect();
    let exponents: Vec<i32> = (0..forest.outputs())
        .map(|output| {
            TREE_BITS
                - libm::frexp(
                    bounds
                        .iter()
                        .fold(0.0, |most: f64, tree| most.max(tree[output])),
                )
                .1
        })
        .collect();
    let scales: Vec<f64> = exponents
        .iter()
        .map(|&exponent| libm::ldexp(1.0, exponent))
        .collect();
    let mut builder = Builder {
        forest,
        sizes: Sizes::new(forest),
        block_bits: plan.block_bits,
        absence,
        scales: &scales,
        game: LeafGame::new(),
        path: Vec::new(),
        outputs: Vec::new(),
        frequency: Vec::new(),
        tables: Tables {
            roots: Vec::new(),
            groups: Vec::new(),
            junctions: Vec::new(),
            blocks: Vec::new(),
            stretches: Vec::new(),
            comparisons: Vec::new(),
            slots: Vec::new(),
            entries: Vec::new(),
            units: exponents
                .iter()
                .map(|&exponent| libm::ldexp(1.0, -exponent))
                .collect(),
            depth: forest.depth,
        },
    };
    let rows = match absence {
        Absence::Shares => 0,
        Absence::Background(background) => background.rows(),
    };
    let mut group = vec![0.0; forest.outputs()];
    for (tree, (&root, bounds)) in plan.tabled.iter().zip(&bounds).enumerate() {
        let units: Vec<f64> = bounds
            .iter()
            .zip(&scales)
            .map(|(bound, scale)| bound * scale)
            .collect();
        if group
            .iter()
            .zip(&units)
            .any(|(sum, units)| sum + units > GROUP_UNITS)
        {
            builder.tables.groups.push(tree as u32);
            group.fill(0.0);
        }
        group
            .iter_mut()
            .zip(&units)
            .for_each(|(sum, units)| *sum += units);
        builder.outputs = forest.outputs_below(root);
        let target = builder.node(root, &vec![0; rows]);
        builder.tables.roots.push(target);
    }
    builder.tables.groups.push(plan.tabled.len() as u32);
    builder.tables.sort_blocks();
    builder.tables
}

impl Tables {
    /// Sorts the blocks by shape, and turns marked targets into final ones.
    fn sort_blocks(&mut self) {
        let mut order: Vec<usize> = (0..self.blocks.len()).collect();
        order.sort_by_key(|&block| self.blocks[block].shape);
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new as u32;
        }
        self.blocks = order.iter().map(|&old| self.blocks[old]).collect();
        let mut end = 0;
        self.stretches.extend(
            self.blocks
                .chunk_by(|a, b| a.shape == b.shape)
                .map(|stretch| {
                    end += stretch.len() as u32;
                    end
                }),
        );
        let junctions = self.junctions.len() as u32;
        let targets = self
            .junctions
            .iter_mut()
            .flat_map(|junction| &mut junction.children)
            .chain(&mut self.roots);
        for target in targets.filter(|target| **target & BLOCK != 0) {
            *target = junctions + place[(*target ^ BLOCK) as usize];
        }
    }
}

/// Twice the largest magnitude of a leaf, by output: no value of the tree or of a part of it is larger.
fn bounds(forest: &Forest, root: u32) -> Vec<f64> {
    let mut bounds = vec![0.0f64; forest.outputs()];
    let mut sums = vec![0.0; forest.outputs()];
    let mut stack = vec![root];
    while let Some(node) = stack.pop() {
        match forest.nodes[node as usize] {
            ForestNode::Fork(fork) => stack.extend(fork.children),
            ForestNode::Leaf(leaf) => {
                for weight in forest.leaf_weights(leaf) {
                    sums[weight.output as usize] += weight.value.abs();
                }
                for weight in forest.leaf_weights(leaf) {
                    let sum = std::mem::take(&mut sums[weight.output as usize]);
                    let bound = &mut bounds[weight.output as usize];
                    *bound = bound.max(2.0 * sum);
                }
            }
        }
    }
    bounds
}

/// A player on the path to a node.
#[derive(Clone, Copy)]
struct Step {
    player: u32,
    /// Product of the shares of its edges.
    share: f64,
}

struct Builder<'a> {
    forest: &'a Forest,
    sizes: Sizes<'a>,
    block_bits: u32,
    absence: Absence<'a>,
    scales: &'a [f64],
    game: LeafGame,
    path: Vec<Step>,
    /// Outputs the tree speaks about.
    outputs: Vec<u32>,
    frequency: Vec<f64>,
    tables: Tables,
}

/// A block being filled: sums `[columns, lines]`, a column per player and output.
struct Draft {
    players: Vec<u32>,
    lines: usize,
    path_bits: usize,
    splits: usize,
    sums: Vec<f64>,
}

impl Builder<'_> {
    /// The junction or block for `node`, where the background rows have the patterns `rows`.
    fn node(&mut self, node: u32, rows: &[u16]) -> Target {
        if self.sizes.is_block(node, self.path.len(), self.block_bits) {
            return self.block(node, rows);
        }
        let ForestNode::Fork(fork) = self.forest.nodes[node as usize] else {
            unreachable!("a leaf is a block")
        };
        let index = self.tables.junctions.len();
        let junction = self.junction(&fork);
        self.tables.junctions.push(junction);
        for side in 0..2 {
            let target = self.below(fork, side, rows, |builder, rows| {
                builder.node(fork.children[side], rows)
            });
            self.tables.junctions[index].children[side] = target;
        }
        index as Target
    }

    fn position(&self, player: u32) -> Option<usize> {
        self.path.iter().position(|step| step.player == player)
    }

    /// How `fork` changes the pattern of the path so far.
    fn junction(&self, fork: &Fork) -> Junction {
        let known = self.position(fork.player);
        let bit = 1 << known.unwrap_or(self.path.len());
        let (set, clear) = if known.is_some() { (0, bit) } else { (bit, 0) };
        Junction {
            condition: fork.condition,
            set,
            clear,
            children: [0; 2],
        }
    }

    /// Runs `act` with the path and the background's patterns extended by one side of `fork`.
    fn below<T>(
        &mut self,
        fork: Fork,
        side: usize,
        rows: &[u16],
        act: impl FnOnce(&mut Self, &[u16]) -> T,
    ) -> T {
        let junction = self.junction(&fork);
        let rows: Vec<u16> = match self.absence {
            Absence::Shares => Vec::new(),
            Absence::Background(background) => {
                let column = background.column(fork.condition.bin);
                let holds = column.iter().map(|&bin| bin <= fork.condition.cut);
                rows.iter()
                    .zip(holds)
                    .map(|(&pattern, holds)| junction.patterns(pattern, holds)[side])
                    .collect()
            }
        };
        let share = fork.shares[side];
        match self.position(fork.player) {
            Some(at) => {
                let before = self.path[at].share;
                self.path[at].share *= share;
                let result = act(self, &rows);
                self.path[at].share = before;
                result
            }
            None => {
                self.path.push(Step {
                    player: fork.player,
                    share,
                });
                let result = act(self, &rows);
                self.path.pop();
                result
            }
        }
    }

    fn block(&mut self, node: u32, rows: &[u16]) -> Target {
        let path: Vec<u32> = self.path.iter().map(|step| step.player).collect();
        let players = self.sizes.players(node, &path);
        let path_bits = path.len();
        let splits = self.sizes.forks_below(node);
        let lines = 1usize << (path_bits + splits);
        let comparisons = self.tables.comparisons.len();
        let sums = vec![0.0; players.len() * self.outputs.len() * lines];
        let mut draft = Draft {
            players,
            lines,
            path_bits,
            splits: 0,
            sums,
        };
        let patterns: Vec<u16> = (0..lines)
            .map(|line| (line & ((1 << path_bits) - 1)) as u16)
            .collect();
        self.fill(node, rows, &patterns, &mut draft);
        let columns = draft.players.len() * self.outputs.len();
        let block = Block {
            entries: self.tables.entries.len() as u32,
            comparisons: comparisons as u32,
            slots: self.tables.slots.len() as u32,
            path_bits: path_bits as u8,
            shape: Shape {
                columns: columns as u16,
                splits: splits as u8,
            },
        };
        let outputs = self.forest.outputs() as u32;
        for &player in &draft.players {
            self.tables
                .slots
                .extend(self.outputs.iter().map(|output| player * outputs + output));
        }
        self.round(&draft);
        self.tables.blocks.push(block);
        (self.tables.blocks.len() - 1) as u32 | BLOCK
    }

    /// Adds the leaves below `node` to the draft; `patterns` is the path's pattern in each line.
    fn fill(&mut self, node: u32, rows: &[u16], patterns: &[u16], draft: &mut Draft) {
        let fork = match self.forest.nodes[node as usize] {
            ForestNode::Leaf(leaf) => return self.add_leaf(leaf, rows, patterns, draft),
            ForestNode::Fork(fork) => fork,
        };
        let junction = self.junction(&fork);
        self.tables.comparisons.push(fork.condition);
        let shift = draft.path_bits + draft.splits;
        draft.splits += 1;
        for side in 0..2 {
            let lines = patterns.iter().enumerate();
            let patterns: Vec<u16> = lines
                .map(|(line, &pattern)| junction.patterns(pattern, line >> shift & 1 == 1)[side])
                .collect();
            self.below(fork, side, rows, |builder, rows| {
                builder.fill(fork.children[side], rows, &patterns, draft)
            });
        }
    }

    fn add_leaf(&mut self, leaf: Leaf, rows: &[u16], patterns: &[u16], draft: &mut Draft) {
        let players = self.path.len();
        let values = match self.absence {
            Absence::Shares => {
                let shares: Vec<f64> = self.path.iter().map(|step| step.share).collect();
                self.game.path_dependent(&shares)
            }
            Absence::Background(background) => {
                self.frequency.clear();
                self.frequency.resize(1 << players, 0.0);
                for (row, &pattern) in rows.iter().enumerate() {
                    self.frequency[usize::from(pattern)] += background.share(row as u32);
                }
                self.game.interventional(players, &self.frequency)
            }
        };
        for (step, values) in self.path.iter().zip(values.chunks_exact(1 << players)) {
            let at = draft
                .players
                .iter()
                .position(|&player| player == step.player)
                .expect("the block knows its players");
            for weight in self.forest.leaf_weights(leaf) {
                let output = self
                    .outputs
                    .binary_search(&weight.output)
                    .expect("the tree speaks about its leaves' outputs");
                let column = at * self.outputs.len() + output;
                let sums = &mut draft.sums[column * draft.lines..(column + 1) * draft.lines];
                for (sum, &pattern) in sums.iter_mut().zip(patterns) {
                    *sum += weight.value * values[usize::from(pattern)];
                }
            }
        }
    }

    /// Appends the draft's lines as integers; what rounding leaves is carried to the next player of the same output.
    fn round(&mut self, draft: &Draft) {
        let outputs = self.outputs.len();
        let columns = draft.players.len() * outputs;
        let first = self.tables.entries.len();
        self.tables.entries.resize(first + draft.lines * columns, 0);
        let entries = &mut self.tables.entries[first..];
        for (index, &output) in self.outputs.iter().enumerate() {
            let scale = self.scales[output as usize];
            let mut carry = vec![0.0; draft.lines];
            for column in (index..columns).step_by(outputs) {
                let sums = &draft.sums[column * draft.lines..(column + 1) * draft.lines];
                for (line, (carry, sum)) in carry.iter_mut().zip(sums).enumerate() {
                    let exact = sum * scale + *carry;
                    let rounded = exact.round_ties_even();
                    *carry = exact - rounded;
                    entries[line * columns + column] = rounded as i32;
                }
            }
        }
    }
}
