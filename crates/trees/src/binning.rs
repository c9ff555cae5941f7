//! Every split as one integer comparison.
//!
//! A row is translated once into small integers, its *bins*, such that every split of the ensemble asks
//! `bins[condition.bin] <= condition.cut`. Ordered splits share one rank lookup per column; missing values and sets of
//! categories are settled by the translation, so kernels know neither. The translation is exact: it compares in f64 what
//! [`Split::holds`] compares.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::{Node, Split, Test};

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

/// What tells bins or splits apart: column, kind, chunk or number, where missing values go, whether zero is missing.
type Key = (u32, u8, u64, bool, bool);
/// Bins or nodes by key. One type for all purposes keeps the engine small.
type Keyed = BTreeMap<Key, u32>;

/// The kind of [`Test::TruncatedMember`] in a key: the last, so that those splits stand after their column's others.
const TRUNCATED: u8 = 4;

impl Binning {
    /// The bins that the splits among `nodes` need, and the condition of each split (`None` for leaves).
    pub(crate) fn new(nodes: &[Node], sets: &[Vec<f64>]) -> (Binning, Vec<Option<Condition>>) {
        let mut cuts = Keyed::new();
        let mut alone = Keyed::new();
        for (index, split) in splits(nodes) {
            match cut(&split) {
                Some(cut) => {
                    cuts.insert((split.column, 0, ascending_bits(cut), false, false), index)
                }
                None => alone.insert(lone_key(&split), index),
            };
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
        let ranked = binning.add_rankings(nodes, &cuts);
        let alone = binning.add_categories(nodes, alone);
        let conditions = nodes
            .iter()
            .map(|node| match node {
                Node::Leaf(_) => None,
                Node::Split(split) => Some(match cut(split) {
                    Some(_) => {
                        let rank = binning.rank_of_cut(split);
                        let bin = ranked[&rank_key(split, rank)];
                        Condition {
                            bin,
                            cut: (rank % CUTS_PER_BIN) as i16,
                        }
                    }
                    None => Condition {
                        bin: alone[&lone_key(split)],
                        cut: 0,
                    },
                }),
            })
            .collect();
        (binning, conditions)
    }

    fn add_rankings(&mut self, nodes: &[Node], cuts: &Keyed) -> Keyed {
        for (&(column, ..), &node) in cuts {
            let cut = cut(&split_at(nodes, node)).expect("an ordered split");
            let start = self.cuts.len() as u32;
            self.cuts.push(cut);
            match self.rankings.last_mut() {
                Some(last) if last.column == column => last.cuts.end += 1,
                _ => self.rankings.push(Ranking {
                    column,
                    cuts: start..start + 1,
                    bins: 0..0,
                }),
            }
        }
        let mut bin_of = Keyed::new();
        for (_, split) in splits(nodes).filter(|(_, split)| cut(split).is_some()) {
            bin_of.insert(rank_key(&split, self.rank_of_cut(&split)), 0);
        }
        for (&(column, _, chunk, missing_goes_yes, zero_is_missing), bin) in &mut bin_of {
            *bin = self.bins as u32;
            self.bins += 1;
            let at = self
                .rankings
                .binary_search_by_key(&column, |ranking| ranking.column)
                .expect("every column was added");
            let ranking = &mut self.rankings[at];
            if ranking.bins.is_empty() {
                ranking.bins = self.rank_bins.len() as u32..self.rank_bins.len() as u32;
            }
            ranking.bins.end += 1;
            self.rank_bins.push(RankBin {
                bin: *bin,
                start: chunk as u32 * CUTS_PER_BIN as u32,
                missing: if missing_goes_yes { 0 } else { i16::MAX },
                zero_is_missing,
            });
        }
        bin_of
    }

    fn add_categories(&mut self, nodes: &[Node], mut alone: Keyed) -> Keyed {
        let keys: Vec<(Key, u32)> = alone.iter().map(|(&key, &node)| (key, node)).collect();
        for bin in alone.values_mut() {
            *bin = self.bins as u32;
            self.bins += 1;
        }
        let mut first = (self.bins - keys.len()) as u32;
        let mut left = CATEGORY_TABLE_LIMIT;
        let truncates = |&(_, kind, ..): &Key| kind == TRUNCATED;
        for group in keys.chunk_by(|(a, _), (b, _)| a.0 == b.0 && truncates(a) == truncates(b)) {
            let (column, truncate) = (group[0].0.0, truncates(&group[0].0));
            let splits: Vec<Split> = group
                .iter()
                .map(|&(_, node)| split_at(nodes, node))
                .collect();
            let bins = first..first + group.len() as u32;
            first = bins.end;
            let values = known_values(&splits, &self.sets);
            let size = (values.len() + 4).saturating_mul(splits.len());
            if size > left {
                self.lone.extend(splits.into_iter().zip(bins));
                continue;
            }
            left -= size;
            let mut answers = Vec::with_capacity(size);
            // A truncated 0 that is not itself zero is found under its category, say 0.5.
            let known = values
                .iter()
                .map(|&value| if truncate && value == 0.0 { 0.5 } else { value });
            for x in
                known
                    .map(Some)
                    .chain([None, Some(f64::NAN), Some(0.0), Some(f64::MIN_POSITIVE)])
            {
                answers.extend(splits.iter().map(|split| match x {
                    Some(x) => i16::from(!split.holds(x, &self.sets)),
                    None => 1,
                }));
            }
            self.categories.push(CategoryColumn {
                column,
                truncate,
                values,
                bins,
                answers,
            });
        }
        alone
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
            find(if self.truncate {
                libm::trunc(x) + 0.0
            } else {
                x
            })
            .unwrap_or(others)
        } else if self.truncate {
            others + 3
        } else {
            find(x).unwrap_or(others + 3)
        };
        let width = self.bins.len();
        &self.answers[row * width..(row + 1) * width]
    }
}

/// The splits with their node indices.
fn splits(nodes: &[Node]) -> impl Iterator<Item = (u32, Split)> {
    (0..).zip(nodes).filter_map(|(index, node)| match node {
        Node::Split(split) => Some((index, *split)),
        Node::Leaf(_) => None,
    })
}

fn split_at(nodes: &[Node], index: u32) -> Split {
    match nodes[index as usize] {
        Node::Split(split) => split,
        Node::Leaf(_) => unreachable!("keys are those of splits"),
    }
}

/// A number that ascends with `x`, in the order of [`f64::total_cmp`].
fn ascending_bits(x: f64) -> u64 {
    let bits = x.to_bits();
    if x.is_sign_negative() {
        !bits
    } else {
        bits | 1 << 63
    }
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

fn rank_key(split: &Split, rank: usize) -> Key {
    (
        split.column,
        0,
        (rank / CUTS_PER_BIN) as u64,
        split.missing_goes_yes,
        split.zero_is_missing,
    )
}

fn lone_key(split: &Split) -> Key {
    let (kind, number) = match split.test {
        Test::AtMost(threshold) => (0, threshold.to_bits()),
        Test::Below(threshold) => (1, threshold.to_bits()),
        Test::Equal(value) => (2, (value + 0.0).to_bits()),
        Test::Member(set) => (3, u64::from(set)),
        Test::TruncatedMember(set) => (TRUNCATED, u64::from(set)),
    };
    (
        split.column,
        kind,
        number,
        split.missing_goes_yes,
        split.zero_is_missing,
    )
}

fn known_values(splits: &[Split], sets: &[Vec<f64>]) -> Vec<f64> {
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
            for (missing_goes_yes, zero_is_missing) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                nodes.push(Node::Split(Split {
                    column: 1,
                    test,
                    missing_goes_yes,
                    zero_is_missing,
                    yes: 0,
                    no: 0,
                }));
            }
        }
        let (binning, conditions) = Binning::new(&nodes, sets);
        let mut bins = vec![0; binning.bins() * 3];
        for &x in EDGES {
            binning.translate(&[7.0, x], &mut bins, 3, 2);
            for ((_, split), condition) in splits(&nodes).zip(&conditions) {
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
        let sets = [
            vec![],
            vec![0.0],
            vec![-1.0, 0.0, 2.0],
            vec![1.0, 3.0],
            vec![0.5, 1.5],
        ];
        tests.extend(
            (0..sets.len() as u32).flat_map(|set| [Test::Member(set), Test::TruncatedMember(set)]),
        );
        check(&tests, &sets);
        for test in tests {
            check(&[test], &sets);
        }
    }

    #[test]
    fn splits_beyond_the_answer_table_are_asked_one_by_one() {
        let values: Vec<f64> = (0..CATEGORY_TABLE_LIMIT)
            .map(|value| value as f64 - 2.0)
            .collect();
        check(
            &[Test::Member(0), Test::TruncatedMember(0), Test::Equal(1.5)],
            &[values],
        );
    }

    #[test]
    fn a_column_may_have_more_cuts_than_a_bin_holds() {
        let node = |cut: usize| {
            let test = Test::AtMost(cut as f64);
            Node::Split(Split {
                column: 0,
                test,
                missing_goes_yes: false,
                zero_is_missing: false,
                yes: 0,
                no: 0,
            })
        };
        let nodes: Vec<Node> = (0..70_000).map(node).collect();
        let (binning, conditions) = Binning::new(&nodes, &[]);
        assert_eq!(binning.bins(), 3);
        let mut bins = vec![0; 3];
        for x in [
            -1.0,
            0.5,
            32_766.0,
            32_766.5,
            32_767.0,
            32_768.5,
            65_534.0,
            65_535.5,
            69_999.0,
            70_000.0,
            f64::NAN,
        ] {
            binning.translate(&[x], &mut bins, 1, 0);
            for (cut, condition) in conditions.iter().enumerate() {
                let condition = condition.expect("all nodes are splits");
                assert_eq!(
                    bins[condition.bin as usize] <= condition.cut,
                    x <= cut as f64,
                    "{x} at {cut}"
                );
            }
        }
    }
}
