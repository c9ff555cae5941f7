//! Which trees get tables, and how large their blocks are.

use super::super::forest::{Forest, ForestNode};
use super::super::leaf_game::TABLED_PLAYERS_LIMIT;
use super::{Block, Condition, Junction};

/// Block sizes to choose from, largest first.
const BLOCK_BITS: [u32; 7] = [10, 9, 8, 7, 6, 5, 4];
/// Block size when only some of the trees fit.
const PARTIAL_BLOCK_BITS: u32 = 7;
/// Largest budget: offsets have 32 bits.
const MOST_BYTES: usize = 1 << 31;
/// Deepest tree that gets tables: as far as building them recurses.
const DEPTH_LIMIT: usize = 64;

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Plan {
    /// Most bits of a block of more than one leaf.
    pub block_bits: u32,
    /// Roots of the trees that get tables.
    pub tabled: Vec<u32>,
    /// Roots of the others.
    pub others: Vec<u32>,
}

/// Chooses the block size for all trees, the largest whose tables are not much larger than the smallest possible: larger
/// blocks mean fewer look-ups, larger tables more cache misses. When not all trees fit into `budget` bytes, those with
/// the smallest tables get them, if that is most of the forest; a few trees' tables would be bytes for nothing.
pub(in super::super) fn plan(forest: &Forest, budget: usize) -> Plan {
    let budget = budget.min(MOST_BYTES);
    let sizes = Sizes::new(forest);
    let bytes = |bits: u32| -> Vec<usize> {
        forest
            .roots
            .iter()
            .map(|&root| sizes.tree(root, bits))
            .collect()
    };
    let totals = BLOCK_BITS.map(|bits| bytes(bits).into_iter().fold(0, usize::saturating_add));
    let smallest = totals.into_iter().min().unwrap_or(0);
    if smallest <= budget {
        let most = budget.min(smallest.saturating_add(smallest / 4));
        let (&block_bits, _) = BLOCK_BITS
            .iter()
            .zip(totals)
            .find(|&(_, total)| total <= most)
            .expect("the smallest is one");
        return Plan {
            block_bits,
            tabled: forest.roots.clone(),
            others: Vec::new(),
        };
    }
    let mut left = budget;
    let mut by_size: Vec<(usize, u32)> = bytes(PARTIAL_BLOCK_BITS)
        .into_iter()
        .zip(forest.roots.iter().copied())
        .collect();
    by_size.sort_unstable();
    let mut fitting = 0;
    while let Some(rest) = by_size
        .get(fitting)
        .and_then(|&(bytes, _)| left.checked_sub(bytes))
    {
        left = rest;
        fitting += 1;
    }
    let forks = |part: &[(usize, u32)]| {
        part.iter()
            .map(|&(_, root)| sizes.forks_below(root))
            .sum::<usize>()
    };
    if forks(&by_size[..fitting]) < forks(&by_size[fitting..]) {
        fitting = 0;
    }
    let roots = |part: &[(usize, u32)]| {
        let mut roots: Vec<u32> = part.iter().map(|&(_, root)| root).collect();
        roots.sort_unstable();
        roots
    };
    Plan {
        block_bits: PARTIAL_BLOCK_BITS,
        tabled: roots(&by_size[..fitting]),
        others: roots(&by_size[fitting..]),
    }
}

/// Forks below each node of a forest.
pub(super) struct Sizes<'a> {
    forest: &'a Forest,
    forks_below: Vec<u32>,
}

impl<'a> Sizes<'a> {
    pub fn new(forest: &'a Forest) -> Sizes<'a> {
        let mut forks_below = vec![0; forest.nodes.len()];
        for (index, node) in forest.nodes.iter().enumerate().rev() {
            if let ForestNode::Fork(fork) = node {
                forks_below[index] = 1 + fork
                    .children
                    .map(|child| forks_below[child as usize])
                    .iter()
                    .sum::<u32>();
            }
        }
        Sizes {
            forest,
            forks_below,
        }
    }

    pub fn forks_below(&self, node: u32) -> usize {
        self.forks_below[node as usize] as usize
    }

    /// Whether the subtree of `node`, below a path of `path_bits` players, becomes one block.
    pub fn is_block(&self, node: u32, path_bits: usize, block_bits: u32) -> bool {
        let forks = self.forks_below[node as usize];
        forks == 0 || forks as usize + path_bits <= block_bits as usize
    }

    /// Bytes of a tree's tables; `usize::MAX` when it is too deep or a leaf has too many players for a table.
    fn tree(&self, root: u32, block_bits: u32) -> usize {
        let outputs = self.forest.outputs_below(root).len();
        self.subtree(root, 0, outputs, block_bits, &mut Vec::new())
    }

    fn subtree(
        &self,
        node: u32,
        depth: usize,
        outputs: usize,
        block_bits: u32,
        path: &mut Vec<u32>,
    ) -> usize {
        if path.len() > TABLED_PLAYERS_LIMIT || depth > DEPTH_LIMIT {
            return usize::MAX;
        }
        if self.is_block(node, path.len(), block_bits) {
            let splits = self.forks_below(node);
            let columns = self.players(node, path).len() * outputs;
            let entries = (columns * size_of::<i32>()) << (path.len() + splits);
            return entries
                + size_of::<Block>()
                + splits * size_of::<Condition>()
                + columns * size_of::<u32>();
        }
        let ForestNode::Fork(fork) = self.forest.nodes[node as usize] else {
            unreachable!("a leaf is a block")
        };
        let new = !path.contains(&fork.player);
        if new {
            path.push(fork.player);
        }
        let sizes = fork
            .children
            .map(|child| self.subtree(child, depth + 1, outputs, block_bits, path));
        if new {
            path.pop();
        }
        size_of::<Junction>()
            .saturating_add(sizes[0])
            .saturating_add(sizes[1])
    }

    /// The players of the path and of the forks below `node`, each once.
    pub fn players(&self, node: u32, path: &[u32]) -> Vec<u32> {
        let mut players = path.to_vec();
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            if let ForestNode::Fork(fork) = self.forest.nodes[node as usize] {
                if !players.contains(&fork.player) {
                    players.push(fork.player);
                }
                stack.extend([fork.children[1], fork.children[0]]);
            }
        }
        players
    }
}
