//! Conditions on a row, and the rows that meet them.

use hyaline_model::{Batch, Column};

use crate::Rule;
use crate::reference_statistics::{FeatureStatistics, ReferenceView, Value};

/// What an anchor holds fixed of one feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Position in the schema.
    pub feature: usize,
    /// The values that meet it.
    pub allowed: Allowed,
}

/// Values that meet a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// The row's own value.
    Own,
    /// Numbers of the quartile bins `first` to `last`.
    Bins {
        /// First bin.
        first: usize,
        /// Last bin.
        last: usize,
    },
}

/// The reference rows as conditions see them.
pub(super) struct Codes<'r> {
    pub(super) reference: ReferenceView<'r>,
    pub(super) origin: &'r Batch,
    /// Per feature, the bin of each reference row; empty where a feature has no bins.
    bins: Vec<Vec<u8>>,
}

/// A set of reference rows, a bit each.
pub(super) type RowSet = Vec<u64>;

impl<'r> Codes<'r> {
    pub(super) fn new(reference: ReferenceView<'r>, origin: &'r Batch) -> Codes<'r> {
        let columns = reference.rows.columns().iter();
        let features = reference.statistics.features().iter().zip(columns);
        let bins = features.map(|pair| match pair {
            (FeatureStatistics::Numbers(numbers), Column::Numbers(values)) => {
                let bin = |&value: &f64| match value {
                    value if value.is_nan() => MISSING,
                    value => numbers.bin(value) as u8,
                };
                values.iter().map(bin).collect()
            }
            _ => Vec::new(),
        });
        Codes {
            bins: bins.collect(),
            reference,
            origin,
        }
    }

    /// Whether reference row `row` meets a condition.
    pub(super) fn meets(&self, condition: Condition, row: usize) -> bool {
        let Condition { feature, allowed } = condition;
        match allowed {
            Allowed::Own => {
                let value = Value::of(&self.reference.rows.columns()[feature], row);
                value.same(self.own(feature))
            }
            Allowed::Bins { first, last } => {
                (first..=last).contains(&usize::from(self.bins[feature][row]))
            }
        }
    }

    /// The explained row's value.
    pub(super) fn own(&self, feature: usize) -> Value {
        Value::of(&self.origin.columns()[feature], 0)
    }

    /// The reference rows that meet a condition.
    pub(super) fn rows(&self, condition: Condition) -> RowSet {
        let count = self.reference.rows.rows();
        let mut set = vec![0; count.div_ceil(64)];
        for row in (0..count).filter(|&row| self.meets(condition, row)) {
            set[row / 64] |= 1 << (row % 64);
        }
        set
    }

    /// All reference rows.
    pub(super) fn every_row(&self) -> RowSet {
        let count = self.reference.rows.rows();
        let mut set = vec![0; count.div_ceil(64)];
        (0..count).for_each(|row| set[row / 64] |= 1 << (row % 64));
        set
    }

    /// The single conditions that the explained row meets and some reference row does not.
    pub(super) fn predicates(&self) -> Vec<Condition> {
        let mut predicates = Vec::new();
        for (feature, statistics) in self.reference.statistics.features().iter().enumerate() {
            match (statistics, self.own(feature)) {
                (FeatureStatistics::Numbers(numbers), Value::Number(own)) if !own.is_nan() => {
                    let (bin, last) = (numbers.bin(own), numbers.edges.len());
                    let above = (1..=bin).map(|first| Allowed::Bins { first, last });
                    let up_to = (bin..last).map(|last| Allowed::Bins { first: 0, last });
                    predicates.extend(
                        above
                            .chain(up_to)
                            .map(|allowed| Condition { feature, allowed }),
                    );
                }
                _ => predicates.push(Condition {
                    feature,
                    allowed: Allowed::Own,
                }),
            }
        }
        let rows = self.reference.rows.rows();
        predicates.retain(|&predicate| size(&self.rows(predicate)) < rows);
        predicates
    }

    /// What `condition` says, in the words of LIME's rules.
    pub(super) fn rule(&self, condition: Condition) -> Rule {
        let statistics = &self.reference.statistics.features()[condition.feature];
        match (condition.allowed, statistics, self.own(condition.feature)) {
            (Allowed::Bins { first, last }, FeatureStatistics::Numbers(numbers), _) => {
                Rule::of_bins(numbers, first, last)
            }
            (_, _, Value::Number(own)) if own.is_nan() => Rule::Missing,
            _ => Rule::Equal,
        }
    }
}

/// The bin of missing numbers, which no condition on bins has: there are at most four others.
const MISSING: u8 = u8::MAX;

/// How many rows are in a set.
pub(super) fn size(set: &[u64]) -> usize {
    set.iter().map(|word| word.count_ones() as usize).sum()
}

/// `conditions` (in schema order) and one more; `None` when that says nothing new.
pub(super) fn and(conditions: &[Condition], more: Condition) -> Option<Vec<Condition>> {
    let at = conditions.partition_point(|condition| condition.feature < more.feature);
    let mut both = conditions.to_vec();
    match both
        .get_mut(at)
        .filter(|known| known.feature == more.feature)
    {
        None => both.insert(at, more),
        Some(known) => {
            let narrower = match (known.allowed, more.allowed) {
                (
                    Allowed::Bins { first, last },
                    Allowed::Bins {
                        first: low,
                        last: high,
                    },
                ) => Allowed::Bins {
                    first: first.max(low),
                    last: last.min(high),
                },
                (known, _) => known,
            };
            if narrower == known.allowed {
                return None;
            }
            known.allowed = narrower;
        }
    }
    Some(both)
}
