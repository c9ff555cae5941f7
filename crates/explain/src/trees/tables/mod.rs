//! Tables over decision patterns: the values of whole bottom subtrees, looked up.
//!
//! The leaf tables of WOODELF (doi:10.1609/aaai.v40i29.39630), merged upwards. A *block* is a bottom subtree. What a row
//! gets from all its leaves depends on few bits: for each player on the path above whether the row meets its conditions
//! there, and for each split inside whether it holds. The block's table has one line per pattern of these bits, with an
//! entry per player and output. Both games and every size of background cost the same to answer.
//!
//! Entries are integers, multiples of a power of two per output: sums have no rounding, so a row's values have the same
//! bits alone and in a batch. Each line is rounded such that its sum per output is off by half a unit at most.

/// Runs `$do` with the constant `$width` equal to `$columns` where kernels are compiled for it, else `$other`.
macro_rules! by_width {
    ($columns:expr, $width:ident => $do:expr, $other:block) => {
        by_width!(@ $columns, $width, $do, $other, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    (@ $columns:expr, $width:ident, $do:expr, $other:block, $($number:literal)*) => {
        match $columns {
            $($number => { const $width: usize = $number; $do })*
            _ => $other,
        }
    };
}

mod build;
mod bulk;
mod plan;

use hyaline_model::trees::Condition;

pub(super) use build::{Absence, build};
pub(super) use bulk::{LANES, Lane};
pub(super) use plan::plan;

/// What a junction leads to: a junction, or from `junctions.len()` on a block.
type Target = u32;

/// A split above the blocks. Going down, it sets or clears the bit of its player.
#[derive(Clone, Copy, Debug)]
struct Junction {
    condition: Condition,
    /// The player's bit if no junction above asks it, to be set where the row meets the conditions; else 0.
    set: u16,
    /// The player's bit if a junction above asks it, to be cleared where the row does not; else 0.
    clear: u16,
    children: [Target; 2],
}

impl Junction {
    /// The patterns handed to the two children, by whether the condition holds.
    fn patterns(&self, pattern: u16, holds: bool) -> [u16; 2] {
        let (met, unmet) = (pattern | self.set, pattern & !self.clear);
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
    /// Bits of the path's pattern, the low ones of the index.
    path_bits: u8,
    shape: Shape,
}

/// What decides how many steps a look-up takes. Blocks are sorted by it, so that loops over them are regular.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    columns: u16,
    /// Splits inside; the high bits of the index, 1 where the condition holds.
    splits: u8,
}

/// The tables of some trees of an ensemble.
pub(super) struct Tables {
    /// By tree.
    roots: Vec<Target>,
    /// Ends of the groups of trees whose sums together fit 32 bits.
    groups: Vec<u32>,
    /// Each before those below it.
    junctions: Vec<Junction>,
    blocks: Vec<Block>,
    /// Ends of the stretches of blocks of one shape.
    stretches: Vec<u32>,
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
    /// Whether no tree has tables.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

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
        let mut patterns = vec![0u16; self.junctions.len() + self.blocks.len()];
        for (index, junction) in self.junctions.iter().enumerate() {
            let [yes, no] = junction.patterns(patterns[index], holds(junction.condition, bins));
            patterns[junction.children[0] as usize] = yes;
            patterns[junction.children[1] as usize] = no;
        }
        let patterns = &patterns[self.junctions.len()..];
        let mut start = 0;
        for &end in &self.stretches {
            let stretch = start..end as usize;
            start = stretch.end;
            let (blocks, patterns) = (&self.blocks[stretch.clone()], &patterns[stretch]);
            by_width!(blocks[0].shape.columns, WIDTH => self.add_blocks::<WIDTH>(blocks, patterns, bins, sums), {
                self.add_wide_blocks(blocks, patterns, bins, sums);
            });
        }
    }

    fn add_blocks<const WIDTH: usize>(
        &self,
        blocks: &[Block],
        patterns: &[u16],
        bins: &[i16],
        sums: &mut [i64],
    ) {
        let splits = blocks[0].shape.splits;
        for (block, &pattern) in blocks.iter().zip(patterns) {
            let line = self.line(block, splits, pattern, bins);
            let entries: &[i32; WIDTH] = self.entries[block.entries as usize + line * WIDTH..]
                .first_chunk()
                .expect("lines are whole");
            let slots: &[u32; WIDTH] = self.slots[block.slots as usize..]
                .first_chunk()
                .expect("a column has a slot");
            for column in 0..WIDTH {
                sums[slots[column] as usize] += i64::from(entries[column]);
            }
        }
    }

    fn add_wide_blocks(&self, blocks: &[Block], patterns: &[u16], bins: &[i16], sums: &mut [i64]) {
        for (block, &pattern) in blocks.iter().zip(patterns) {
            let columns = usize::from(block.shape.columns);
            let line = self.line(block, block.shape.splits, pattern, bins);
            let entries = &self.entries[block.entries as usize + line * columns..][..columns];
            let slots = &self.slots[block.slots as usize..][..columns];
            for (&slot, &entry) in slots.iter().zip(entries) {
                sums[slot as usize] += i64::from(entry);
            }
        }
    }

    fn line(&self, block: &Block, splits: u8, pattern: u16, bins: &[i16]) -> usize {
        let first = block.comparisons as usize;
        let mut line = usize::from(pattern);
        for (split, &condition) in self.comparisons[first..first + usize::from(splits)]
            .iter()
            .enumerate()
        {
            line |= usize::from(holds(condition, bins)) << (usize::from(block.path_bits) + split);
        }
        line
    }
}

fn holds(condition: Condition, bins: &[i16]) -> bool {
    bins[condition.bin as usize] <= condition.cut
}
