//! Every split as one integer comparison.
//!
//! A row is translated once into small integers, its *bins*, such that every split of the ensemble asks
//! `bins[condition.bin] <= condition.cut`. Ordered splits share one rank lookup per column; missing values and sets of
//! categories are settled by the translation, so kernels know neither. The translation is exact: it compares in f64 what
//! [`Split::holds`] compares.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Node, Split, Test};

/// Bins of one derived column hold this many cuts; a column with more is continued in another.
const CUTS_PER_BIN: usize = i16::MAX as usize;
/// Most entries of all categorical columns' answer tables together; splits of columns beyond it are asked one by one.
const CATEGORY_TABLE_LIMIT: usize = 1 << 22;

/// A split after binning: holds when `bins[bin] <= cut`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Index into the row's bins.
    pub bin: u32,
    /// From 0; always less than `i16::MAX`.
    pub cut: i16,
}

/// The translation of rows into bins.
#[derive(Clone, Debug, PartialEq)]
pub struct Binning {
    bins: usize,
    cuts: Vec<f64>,
    rankings: Vec<Ranking>,
    rank_bins: Vec<RankBin>,
    categories: Vec<CategoryColumn>,
    lone: Vec<(Split, u32)>,
    sets: Vec<Vec<f64>>,
}

/// Bins made from the rank of one column's value among the cuts `cuts[..]`.
#[derive(Clone, Debug, PartialEq)]
struct Ranking {
    column: u32,
    cuts: Range<u32>,
    bins: Range<u32>,
}

/// One way to read a rank.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RankBin {
    /// Index into the row's bins.
    bin: u32,
    /// Rank of its first cut.
    start: u32,
    /// What a missing value becomes: 0 (every split holds) or `i16::MAX` (none does).
    missing: i16,
    zero_is_missing: bool,
}

/// Answers to every set or equality split on one column, by category.
#[derive(Clone, Debug, PartialEq)]
struct CategoryColumn {
    column: u32,
    /// Whether the value is truncated before it is looked up.
    truncate: bool,
    /// Known categories, ascending.
    values: Vec<f64>,
    bins: Range<u32>,
    /// `[values + 4, bins]`: 0 where the split holds, 1 where not; the last four rows are for another value, NaN, zero
    /// and a number too small to count as different from zero.
    answers: Vec<i16>,
}

type LoneKey = (u32, u8, u64, bool, bool);

impl Binning {
    /// The bins that the splits among `nodes` need, and the condition of each split (`None` for leaves).
    pub(super) fn new(nodes: &[Node], sets: &[Vec<f64>]) -> (Binning, Vec<Option<Condition>>) {
        let mut cuts_of: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        let mut lone_of: BTreeMap<(u32, bool), BTreeMap<LoneKey, Split>> = BTreeMap::new();
        for split in splits(nodes) {
            match cut(&split) {
                Some(cut) => cuts_of.entry(split.column).or_default().push(cut),
                None => {
                    let truncate = matches!(split.test, Test::TruncatedMember(_));
                    lone_of.entry((split.column, truncate)).or_default().insert(lone_key(&split), split);
                }
            }
        }
        let mut binning = Binning {
            bins: 0,
            cuts: Vec::new(),
            rankings: Vec::new(),
            rank_bins: Vec::new(),
            categories: Vec::new(),
            lone: Vec::new(),
            sets: sets.to_vec(),
        };
        let ranked = binning.add_rankings(nodes, cuts_of);
        let alone = binning.add_categories(lone_of);
        let conditions = nodes
            .iter()
            .map(|node| match node {
                Node::Leaf(_) => None,
                Node::Split(split) => Some(match cut(split) {
                    Some(_) => {
                        let rank = binning.rank_of_cut(split);
                        let bin = ranked[&rank_key(split, rank)];
                        Condition { bin, cut: (rank % CUTS_PER_BIN) as i16 }
                    }
                    None => Condition { bin: alone[&lone_key(split)], cut: 0 },
                }),
            })
            .collect();
        (binning, conditions)
    }

    fn add_rankings(
        &mut self,
        nodes: &[Node],
        cuts_of: BTreeMap<u32, Vec<f64>>,
    ) -> BTreeMap<(u32, usize, bool, bool), u32> {
        for (column, mut cuts) in cuts_of {
            cuts.sort_by(f64::total_cmp);
            cuts.dedup();
            let start = self.cuts.len() as u32;
            self.cuts.extend(cuts);
            self.rankings.push(Ranking { column, cuts: start..self.cuts.len() as u32, bins: 0..0 });
        }
        let mut bin_of: BTreeMap<(u32, usize, bool, bool), u32> = BTreeMap::new();
        for split in splits(nodes).filter(|split| cut(split).is_some()) {
            bin_of.insert(rank_key(&split, self.rank_of_cut(&split)), 0);
        }
        for (&(column, chunk, missing_goes_yes, zero_is_missing), bin) in &mut bin_of {
            *bin = self.bins as u32;
            self.bins += 1;
            let at =
                self.rankings.binary_search_by_key(&column, |ranking| ranking.column).expect("every column was added");
            let ranking = &mut self.rankings[at];
            if ranking.bins.is_empty() {
                ranking.bins = self.rank_bins.len() as u32..self.rank_bins.len() as u32;
            }
            ranking.bins.end += 1;
            self.rank_bins.push(RankBin {
                bin: *bin,
                start: (chunk * CUTS_PER_BIN) as u32,
                missing: if missing_goes_yes { 0 } else { i16::MAX },
                zero_is_missing,
            });
        }
        bin_of
    }

    fn add_categories(&mut self, lone_of: BTreeMap<(u32, bool), BTreeMap<LoneKey, Split>>) -> BTreeMap<LoneKey, u32> {
        let mut bin_of = BTreeMap::new();
        let mut left = CATEGORY_TABLE_LIMIT;
        for ((column, truncate), splits) in lone_of {
            let first = self.bins as u32;
            for (key, bin) in splits.keys().zip(first..) {
                bin_of.insert(*key, bin);
            }
            self.bins += splits.len();
            let values = known_values(splits.values(), &self.sets);
            let size = (values.len() + 4).saturating_mul(splits.len());
            if size > left {
                self.lone.extend(splits.into_values().zip(first..));
                continue;
            }
            left -= size;
            let mut answers = Vec::with_capacity(size);
            // A truncated 0 that is not itself zero is found under its category, say 0.5.
            let known = values.iter().map(|&value| if truncate && value == 0.0 { 0.5 } else { value });
            for x in known.map(Some).chain([None, Some(f64::NAN), Some(0.0), Some(f64::MIN_POSITIVE)]) {
                answers.extend(splits.values().map(|split| match x {
                    Some(x) => i16::from(!split.holds(x, &self.sets)),
                    None => 1,
                }));
            }
            self.categories.push(CategoryColumn { column, truncate, values, bins: first..self.bins as u32, answers });
        }
        bin_of
    }

    /// Rank of an ordered split's cut among its column's.
    fn rank_of_cut(&self, split: &Split) -> usize {
        let wanted = cut(split).expect("an ordered split");
        let at = self
            .rankings
            .binary_search_by_key(&split.column, |ranking| ranking.column)
            .expect("every column was added");
        let range = &self.rankings[at].cuts;
        self.cuts[range.start as usize..range.end as usize].partition_point(|&known| known < wanted)
    }

    /// Bins per row.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// Writes the bins of `row` to `bins[lane + stride · bin]`.
    ///
    /// # Panics
    /// If `row` is narrower than the ensemble's matrix or `bins` too short.
    pub fn translate(&self, row: &[f64], bins: &mut [i16], stride: usize, lane: usize) {
        for ranking in &self.rankings {
            let x = row[ranking.column as usize];
            let cuts = &self.cuts[ranking.cuts.start as usize..ranking.cuts.end as usize];
            let rank = cuts.partition_point(|&cut| cut < x) as u32;
            for read in &self.rank_bins[ranking.bins.start as usize..ranking.bins.end as usize] {
                let missing = x.is_nan() || (read.zero_is_missing && x.abs() <= Split::ZERO);
                let bin = rank.saturating_sub(read.start).min(i16::MAX as u32) as i16;
                bins[lane + stride * read.bin as usize] = if missing { read.missing } else { bin };
            }
        }
        for category in &self.categories {
            let answers = category.answers(row[category.column as usize]);
            for (bin, &answer) in (category.bins.start as usize..).zip(answers) {
                bins[lane + stride * bin] = answer;
            }
        }
        for (split, bin) in &self.lone {
            let holds = split.holds(row[split.column as usize], &self.sets);
            bins[lane + stride * *bin as usize] = i16::from(!holds);
        }
    }
}

impl CategoryColumn {
    fn answers(&self, x: f64) -> &[i16] {
        let others = self.values.len();
        let find = |x: f64| self.values.binary_search_by(|known| known.total_cmp(&x));
        let row = if x.is_nan() {
            others + 1
        } else if x == 0.0 {
            others + 2
        } else if x.abs() > Split::ZERO {
            find(if self.truncate { libm::trunc(x) + 0.0 } else { x }).unwrap_or(others)
        } else if self.truncate {
            others + 3
        } else {
            find(x).unwrap_or(others + 3)
        };
        let width = self.bins.len();
        &self.answers[row * width..(row + 1) * width]
    }
}

fn splits(nodes: &[Node]) -> impl Iterator<Item = Split> {
    nodes.iter().filter_map(|node| match node {
        Node::Split(split) => Some(*split),
        Node::Leaf(_) => None,
    })
}

/// The number `c` for which an ordered split asks `x ≤ c`; `None` for other tests, and for the one that never holds.
fn cut(split: &Split) -> Option<f64> {
    match split.test {
        Test::AtMost(threshold) => Some(threshold + 0.0),
        Test::Below(f64::NEG_INFINITY) => None,
        Test::Below(threshold) => Some(threshold.next_down()),
        Test::Equal(_) | Test::Member(_) | Test::TruncatedMember(_) => None,
    }
}

fn rank_key(split: &Split, rank: usize) -> (u32, usize, bool, bool) {
    (split.column, rank / CUTS_PER_BIN, split.missing_goes_yes, split.zero_is_missing)
}

fn lone_key(split: &Split) -> LoneKey {
    let (kind, number) = match split.test {
        Test::AtMost(threshold) => (0, threshold.to_bits()),
        Test::Below(threshold) => (1, threshold.to_bits()),
        Test::Equal(value) => (2, (value + 0.0).to_bits()),
        Test::Member(set) => (3, u64::from(set)),
        Test::TruncatedMember(set) => (4, u64::from(set)),
    };
    (split.column, kind, number, split.missing_goes_yes, split.zero_is_missing)
}

fn known_values<'a>(splits: impl Iterator<Item = &'a Split>, sets: &[Vec<f64>]) -> Vec<f64> {
    let mut values = Vec::new();
    let mut taken = vec![false; sets.len()];
    for split in splits {
        match split.test {
            Test::Equal(value) => values.push(value + 0.0),
            Test::Member(set) | Test::TruncatedMember(set) if !taken[set as usize] => {
                taken[set as usize] = true;
                values.extend(&sets[set as usize]);
            }
            _ => {}
        }
    }
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGES: &[f64] = &[
        f64::NAN,
        f64::NEG_INFINITY,
        f64::MIN,
        -3.0,
        -2.5,
        -1.0,
        -0.9,
        -1e-35,
        -1e-36,
        -5e-324,
        -0.0,
        0.0,
        5e-324,
        1e-36,
        1e-35,
        2e-35,
        0.5,
        0.999,
        1.0,
        1.5,
        2.0,
        2.999,
        3.0,
        f64::MAX,
        f64::INFINITY,
    ];

    fn check(tests: &[Test], sets: &[Vec<f64>]) {
        let mut nodes = Vec::new();
        for &test in tests {
            for (missing_goes_yes, zero_is_missing) in [(false, false), (false, true), (true, false), (true, true)] {
                nodes.push(Node::Split(Split { column: 1, test, missing_goes_yes, zero_is_missing, yes: 0, no: 0 }));
            }
        }
        let (binning, conditions) = Binning::new(&nodes, sets);
        let mut bins = vec![0; binning.bins() * 3];
        for &x in EDGES {
            binning.translate(&[7.0, x], &mut bins, 3, 2);
            for (split, condition) in splits(&nodes).zip(&conditions) {
                let condition = condition.expect("all nodes are splits");
                let binned = bins[2 + 3 * condition.bin as usize] <= condition.cut;
                assert_eq!(binned, split.holds(x, sets), "{x} in {split:?}");
            }
        }
    }

    #[test]
    fn bins_answer_as_the_splits_do() {
        let mut tests = Vec::new();
        for &x in EDGES.iter().filter(|x| !x.is_nan()) {
            tests.extend([Test::AtMost(x), Test::Below(x), Test::Equal(x)]);
        }
        let sets = [vec![], vec![0.0], vec![-1.0, 0.0, 2.0], vec![1.0, 3.0], vec![0.5, 1.5]];
        tests.extend((0..sets.len() as u32).flat_map(|set| [Test::Member(set), Test::TruncatedMember(set)]));
        check(&tests, &sets);
        for test in tests {
            check(&[test], &sets);
        }
    }

    #[test]
    fn splits_beyond_the_answer_table_are_asked_one_by_one() {
        let values: Vec<f64> = (0..CATEGORY_TABLE_LIMIT).map(|value| value as f64 - 2.0).collect();
        check(&[Test::Member(0), Test::TruncatedMember(0), Test::Equal(1.5)], &[values]);
    }

    #[test]
    fn a_column_may_have_more_cuts_than_a_bin_holds() {
        let node = |cut: usize| {
            let test = Test::AtMost(cut as f64);
            Node::Split(Split { column: 0, test, missing_goes_yes: false, zero_is_missing: false, yes: 0, no: 0 })
        };
        let nodes: Vec<Node> = (0..70_000).map(node).collect();
        let (binning, conditions) = Binning::new(&nodes, &[]);
        assert_eq!(binning.bins(), 3);
        let mut bins = vec![0; 3];
        for x in [-1.0, 0.5, 32_766.0, 32_766.5, 32_767.0, 32_768.5, 65_534.0, 65_535.5, 69_999.0, 70_000.0, f64::NAN] {
            binning.translate(&[x], &mut bins, 1, 0);
            for (cut, condition) in conditions.iter().enumerate() {
                let condition = condition.expect("all nodes are splits");
                assert_eq!(bins[condition.bin as usize] <= condition.cut, x <= cut as f64, "{x} at {cut}");
            }
        }
    }
}
