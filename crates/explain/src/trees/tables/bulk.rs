//! Many rows at once: each table is read for a block of rows while it is in the cache, patterns are computed several rows
//! to an instruction.

use super::{Block, Junction, Tables};

/// Rows explained together.
pub(in super::super) const LANES: usize = 128;

/// One number per row.
pub(in super::super) type Lane<T> = [T; LANES];

impl Tables {
    /// Adds the values of [`LANES`] rows, in units, to `sums`, `[players · outputs]`; `bins` is `[bins]`.
    pub fn explain_lanes(&self, bins: &[Lane<i16>], sums: &mut [Lane<i64>]) {
        let mut partial = vec![[0i32; LANES]; sums.len()];
        let mut patterns = vec![[0u16; LANES]; self.depth + 1];
        let mut stack = Vec::with_capacity(self.depth + 1);
        let mut start = 0;
        for &end in &self.groups {
            for &root in &self.roots[start..end as usize] {
                patterns[0] = [0; LANES];
                stack.push((root, 0usize));
                while let Some((target, level)) = stack.pop() {
                    if let Some(block) = (target as usize).checked_sub(self.junctions.len()) {
                        let block = &self.blocks[block];
                        self.add_block_lanes(block, &patterns[level], bins, &mut partial);
                        continue;
                    }
                    let junction = &self.junctions[target as usize];
                    let (above, below) = patterns.split_at_mut(level + 1);
                    junction.split_lanes(bins, &mut above[level], &mut below[0]);
                    stack.push((junction.children[1], level));
                    stack.push((junction.children[0], level + 1));
                }
            }
            start = end as usize;
            for (sums, partial) in sums.iter_mut().zip(&mut partial) {
                for (sum, partial) in sums.iter_mut().zip(partial) {
                    *sum += i64::from(std::mem::take(partial));
                }
            }
        }
    }

    fn add_block_lanes(
        &self,
        block: &Block,
        pattern: &Lane<u16>,
        bins: &[Lane<i16>],
        sums: &mut [Lane<i32>],
    ) {
        let mut lines = *pattern;
        let first = block.comparisons as usize;
        for (split, condition) in self.comparisons[first..first + usize::from(block.shape.splits)]
            .iter()
            .enumerate()
        {
            let bit = 1u16 << (usize::from(block.path_bits) + split);
            for (line, &bin) in lines.iter_mut().zip(&bins[condition.bin as usize]) {
                *line |= if bin <= condition.cut { bit } else { 0 };
            }
        }
        let columns = usize::from(block.shape.columns);
        let size = columns << (block.path_bits + block.shape.splits);
        let entries = &self.entries[block.entries as usize..block.entries as usize + size];
        let slots = &self.slots[block.slots as usize..][..columns];
        by_width!(block.shape.columns, WIDTH => add_lines::<WIDTH>(entries, slots, &lines, sums), {
            add_wide_lines(entries, slots, &lines, sums);
        });
    }
}

/// Adds to each lane its line of `entries`, `[.., WIDTH]`; a width known at compile time keeps the whole line in flight.
fn add_lines<const WIDTH: usize>(
    entries: &[i32],
    slots: &[u32],
    lines: &Lane<u16>,
    sums: &mut [Lane<i32>],
) {
    let entries = entries.as_chunks::<WIDTH>().0;
    let slots: [usize; WIDTH] = std::array::from_fn(|column| slots[column] as usize);
    let sums = sums
        .get_disjoint_mut(slots)
        .expect("a block has one column per slot");
    for (lane, &line) in lines.iter().enumerate() {
        let entries = &entries[usize::from(line)];
        for column in 0..WIDTH {
            sums[column][lane] = sums[column][lane].wrapping_add(entries[column]);
        }
    }
}

fn add_wide_lines(entries: &[i32], slots: &[u32], lines: &Lane<u16>, sums: &mut [Lane<i32>]) {
    for (column, &slot) in slots.iter().enumerate() {
        let entries = &entries[column..];
        for (sum, &line) in sums[slot as usize].iter_mut().zip(lines) {
            *sum = sum.wrapping_add(entries[usize::from(line) * slots.len()]);
        }
    }
}

impl Junction {
    /// Turns `patterns` into those of the second child and writes those of the first to `yes`.
    fn split_lanes(&self, bins: &[Lane<i16>], patterns: &mut Lane<u16>, yes: &mut Lane<u16>) {
        let &Junction {
            condition,
            set,
            clear,
            ..
        } = self;
        for ((pattern, yes), &bin) in patterns
            .iter_mut()
            .zip(yes)
            .zip(&bins[condition.bin as usize])
        {
            let holds = if bin <= condition.cut { u16::MAX } else { 0 };
            *yes = (*pattern | (set & holds)) & !(clear & !holds);
            *pattern = (*pattern | (set & !holds)) & !(clear & holds);
        }
    }
}
