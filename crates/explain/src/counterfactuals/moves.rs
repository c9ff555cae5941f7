//! Which values each feature of a row may take.

use hyaline_model::{Batch, Direction, Feature, FeatureKind, Schema};

use crate::reference_statistics::{FeatureStatistics, NumberStatistics, ReferenceView, Value};

/// Single changes tried per row, about.
const SINGLE_CHANGES: usize = 512;

/// Most values tried of one number.
const VALUES: usize = 16;

/// The allowed changes of every feature.
pub(super) struct Moves {
    features: Vec<FeatureMoves>,
}

/// The allowed changes of one feature.
pub(super) struct FeatureMoves {
    /// What the row has.
    pub(super) own: Value,
    /// Values to try, without the row's own.
    pub(super) values: Vec<Value>,
    /// Bounds of a number that may change.
    range: Option<(f64, f64)>,
}

impl Moves {
    /// What `origin`'s only row may become.
    pub(super) fn of(schema: &Schema, reference: ReferenceView<'_>, origin: &Batch) -> Moves {
        let free = schema.features().iter().filter(|f| !f.recourse.immutable);
        let per_feature = (SINGLE_CHANGES / free.count().max(1)).clamp(2, VALUES);
        let statistics = reference.statistics.features().iter();
        let columns = schema.features().iter().zip(origin.columns());
        let features = columns
            .zip(statistics)
            .map(|((feature, column), statistics)| {
                moves(feature, Value::of(column, 0), statistics, per_feature)
            });
        Moves {
            features: features.collect(),
        }
    }

    /// Whether nothing may change.
    pub(super) fn are_none(&self) -> bool {
        self.features.iter().all(|moves| moves.values.is_empty())
    }

    /// One per feature, in schema order.
    pub(super) fn features(&self) -> &[FeatureMoves] {
        &self.features
    }
}

impl FeatureMoves {
    /// The allowed value nearest to `wanted`, if it is another than the row's own.
    pub(super) fn towards(&self, wanted: Value) -> Option<Value> {
        let allowed = match (wanted, self.range) {
            (Value::Number(wanted), Some((low, high))) if !wanted.is_nan() => {
                Value::Number(wanted.clamp(low, high))
            }
            (wanted, _) => *self.values.iter().find(|value| value.same(wanted))?,
        };
        (!allowed.same(self.own)).then_some(allowed)
    }

    /// Whether there are allowed values between the row's own and others.
    pub(super) fn is_gradual(&self) -> bool {
        self.range.is_some() && matches!(self.own, Value::Number(own) if !own.is_nan())
    }
}

fn moves(
    feature: &Feature,
    own: Value,
    statistics: &FeatureStatistics,
    most: usize,
) -> FeatureMoves {
    let fixed = FeatureMoves {
        own,
        values: Vec::new(),
        range: None,
    };
    if feature.recourse.immutable {
        return fixed;
    }
    match (statistics, own) {
        (FeatureStatistics::Categories(categories), _) => FeatureMoves {
            values: categories
                .offered
                .iter()
                .map(|&symbol| Value::Category(symbol))
                .filter(|value| !value.same(own))
                .collect(),
            ..fixed
        },
        (FeatureStatistics::Truths { .. }, Value::Number(truth)) => {
            let (low, high) = bounds(feature, truth, (0.0, 1.0));
            let allowed = [0.0, 1.0]
                .into_iter()
                .filter(|x| (low..=high).contains(x) && *x != truth);
            FeatureMoves {
                values: allowed.map(Value::Number).collect(),
                ..fixed
            }
        }
        (FeatureStatistics::Numbers(numbers), Value::Number(number)) => {
            let (mut low, mut high) = bounds(feature, number, (numbers.minimum, numbers.maximum));
            if feature.kind == FeatureKind::Integer {
                (low, high) = (low.ceil(), high.floor());
            }
            if low > high {
                return fixed;
            }
            FeatureMoves {
                values: values(numbers, low, high, most)
                    .into_iter()
                    .filter(|&value| value != number)
                    .map(Value::Number)
                    .collect(),
                range: Some((low, high)),
                ..fixed
            }
        }
        _ => unreachable!("statistics are of their feature's kind"),
    }
}

/// What a number may become: the recipe's range, else that of the reference rows, on the allowed side of its own value.
fn bounds(feature: &Feature, own: f64, seen: (f64, f64)) -> (f64, f64) {
    let (low, high) = feature.recourse.range.unwrap_or(seen);
    match feature.recourse.direction {
        Direction::Increase if !own.is_nan() => (low.max(own), high),
        Direction::Decrease if !own.is_nan() => (low, high.min(own)),
        _ => (low, high),
    }
}

/// Up to about `most` values from `low` to `high`: both ends and, between them, quantiles of the different reference
/// values.
fn values(numbers: &NumberStatistics, low: f64, high: f64, most: usize) -> Vec<f64> {
    let sorted = &numbers.sorted;
    let from = sorted.partition_point(|&value| value < low);
    let to = sorted.partition_point(|&value| value <= high);
    let mut different = sorted[from..to].to_vec();
    different.dedup();
    let count = different.len();
    let mut values = vec![low];
    if count <= most {
        values.extend(different);
    } else {
        values.extend((0..most).map(|at| different[at * (count - 1) / (most - 1)]));
    }
    values.push(high);
    values.dedup();
    values
}
