//! Tables over decision patterns: the values of whole bottom subtrees, looked up.
//!
//! The leaf tables of WOODELF (doi:10.1609/aaai.v40i29.39630), merged upwards. A *block* is a bottom subtree. What a row
//! gets from all its leaves depends on few bits: for each player on the path above whether the row meets its conditions
//! there, and for each split inside whether it holds. The block's table has one line per pattern of these bits, with an
//! entry per player and output. Both games and every size of background cost the same to answer.
//!
//! Entries are integers, multiples of a power of two per output: sums have no rounding, so a row's values have the same
//! bits alone and in a batch. Each line is rounded such that its sum per output is off by half a unit at most.

mod build;
mod bulk;
mod plan;

use hyaline_model::trees::Condition;

pub(super) use build::{Absence, build};
pub(super) use bulk::{LANES, Lane};
pub(super) use plan::plan;

/// Marks a [`Target`] that is a block.
const BLOCK: u32 = 1 << 31;

/// Index of a [`Junction`], or of a [`Block`] with [`BLOCK`] set.
type Target = u32;

/// A split above the blocks. Going down, it sets or clears the bit of its player.
#[derive(Clone, Copy, Debug)]
struct Junction {
    condition: Condition,
    /// The player's bit in the pattern.
    bit: u16,
    /// Whether the player was asked above: its bit can then only be cleared.
    repeated: bool,
    children: [Target; 2],
}

impl Junction {
    /// The patterns handed to the two children, by whether the condition holds.
    fn patterns(&self, pattern: u16, holds: bool) -> [u16; 2] {
        let bit = self.bit;
        let (met, unmet) = if self.repeated { (pattern, pattern & !bit) } else { (pattern | bit, pattern) };
        if holds { [met, unmet] } else { [unmet, met] }
    }
}

/// A bottom subtree with a table.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// First of its entries, `[2^bits, columns]`.
    entries: u32,
    /// First of its comparisons.
    comparisons: u32,
    /// First of its columns' slots.
    slots: u32,
    columns: u16,
    /// Bits of the path's pattern, the low ones of the index.
    path_bits: u8,
    /// Splits inside; the other bits of the index, 1 where the condition holds.
    splits: u8,
}

/// The tables of some trees of an ensemble.
pub(super) struct Tables {
    roots: Vec<Target>,
    /// Ends of the groups of trees whose sums together fit 32 bits.
    groups: Vec<u32>,
    junctions: Vec<Junction>,
    blocks: Vec<Block>,
    comparisons: Vec<Condition>,
    /// Where an entry is added: `player · outputs + output`.
    slots: Vec<u32>,
    entries: Vec<i32>,
    /// Value of the unit, by output.
    units: Vec<f64>,
    /// Junctions on the longest path.
    depth: usize,
}

impl Tables {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.junctions)
            + size_of_val(&*self.blocks)
            + size_of_val(&*self.comparisons)
            + size_of_val(&*self.slots)
            + size_of_val(&*self.entries)
    }

    /// Value of the unit in which sums are kept, by output.
    pub fn units(&self) -> &[f64] {
        &self.units
    }

    /// Adds a row's values, in units, to `sums`, `[players, outputs]`.
    pub fn explain(&self, bins: &[i16], sums: &mut [i64]) {
        let mut stack: Vec<(Target, u16)> = Vec::with_capacity(self.depth + 1);
        for &root in &self.roots {
            stack.push((root, 0));
            while let Some((target, pattern)) = stack.pop() {
                if target & BLOCK != 0 {
                    self.add_block(&self.blocks[(target ^ BLOCK) as usize], pattern, bins, sums);
                    continue;
                }
                let junction = &self.junctions[target as usize];
                let [yes, no] = junction.patterns(pattern, holds(junction.condition, bins));
                stack.push((junction.children[1], no));
                stack.push((junction.children[0], yes));
            }
        }
    }

    fn add_block(&self, block: &Block, pattern: u16, bins: &[i16], sums: &mut [i64]) {
        let first = block.comparisons as usize;
        let mut line = usize::from(pattern);
        for (split, &condition) in self.comparisons[first..first + usize::from(block.splits)].iter().enumerate() {
            line |= usize::from(holds(condition, bins)) << (usize::from(block.path_bits) + split);
        }
        let columns = usize::from(block.columns);
        let entries = &self.entries[block.entries as usize + line * columns..][..columns];
        let slots = &self.slots[block.slots as usize..][..columns];
        for (&slot, &entry) in slots.iter().zip(entries) {
            sums[slot as usize] += i64::from(entry);
        }
    }
}

fn holds(condition: Condition, bins: &[i16]) -> bool {
    bins[condition.bin as usize] <= condition.cut
}
