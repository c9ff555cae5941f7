//! What the weight of a feature speaks about, in words.

use std::fmt::Write;

use hyaline_model::Batch;

use crate::reference_statistics::{
    FeatureStatistics, NumberStatistics, ReferenceStatistics, Value,
};

/// What a weight speaks about.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// A number above `low` (without it) and up to `high` (with it); at least one bound is there.
    Between {
        /// Lower bound.
        low: Option<f64>,
        /// Upper bound.
        high: Option<f64>,
        /// Decimals that tell the bounds of the feature's bins apart.
        decimals: usize,
    },
    /// Having the row's value.
    Equal,
    /// Having no value.
    Missing,
    /// One standard deviation of the reference rows.
    Deviation {
        /// Mean of the reference rows.
        mean: f64,
        /// Their standard deviation.
        deviation: f64,
    },
}

/// One rule per feature, for row `row` of `rows`.
pub(super) fn rules(
    statistics: &ReferenceStatistics,
    rows: &Batch,
    row: usize,
    discretize: bool,
) -> Vec<Rule> {
    let columns = statistics.features().iter().zip(rows.columns());
    columns
        .map(
            |(feature, column)| match (feature, Value::of(column, row)) {
                (_, Value::Number(value)) if value.is_nan() => Rule::Missing,
                (FeatureStatistics::Numbers(numbers), Value::Number(value)) if discretize => {
                    Rule::of_bin(numbers, numbers.bin(value))
                }
                (FeatureStatistics::Numbers(numbers), _) if numbers.deviation > 0.0 => {
                    Rule::Deviation {
                        mean: numbers.mean,
                        deviation: numbers.deviation,
                    }
                }
                _ => Rule::Equal,
            },
        )
        .collect()
}

impl Rule {
    /// That of a quartile bin.
    pub(crate) fn of_bin(numbers: &NumberStatistics, bin: usize) -> Rule {
        Rule::of_bins(numbers, bin, bin)
    }

    /// That of the bins `first` to `last`, which are not all.
    pub(crate) fn of_bins(numbers: &NumberStatistics, first: usize, last: usize) -> Rule {
        Rule::Between {
            low: first.checked_sub(1).map(|at| numbers.edges[at]),
            high: numbers.edges.get(last).copied(),
            decimals: decimals(&numbers.edges),
        }
    }

    /// The rule in words, as `lime` has them: `25.00 < age <= 39.00`, `housing=own`, the name alone for a standard
    /// deviation. `value` is the row's value as a text.
    pub fn text(&self, feature: &str, value: &str) -> String {
        match *self {
            Rule::Between {
                low,
                high,
                decimals,
            } => between(feature, low, high, decimals),
            Rule::Equal => format!("{feature}={value}"),
            Rule::Missing => format!("{feature} is missing"),
            Rule::Deviation { .. } => feature.to_owned(),
        }
    }
}

fn between(feature: &str, low: Option<f64>, high: Option<f64>, decimals: usize) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = match (low, high) {
        (Some(low), Some(high)) => {
            write!(text, "{low:.decimals$} < {feature} <= {high:.decimals$}")
        }
        (None, Some(high)) => write!(text, "{feature} <= {high:.decimals$}"),
        (Some(low), None) => write!(text, "{feature} > {low:.decimals$}"),
        (None, None) => write!(text, "{feature}"),
    };
    text
}

/// The fewest decimals, at least the two of `lime`, that move no bound by more than a hundredth of the gap beside it.
fn decimals(edges: &[f64]) -> usize {
    let gaps = edges.windows(2).map(|pair| pair[1] - pair[0]);
    let gap = gaps.fold(f64::INFINITY, f64::min);
    let gap = if gap.is_finite() { gap } else { edges[0].abs() };
    let mut decimals = 2;
    let mut unit = 0.01;
    let moved = |unit: f64| {
        edges
            .iter()
            .any(|&edge| ((edge / unit).round() * unit - edge).abs() > 0.01 * gap)
    };
    while decimals < 17 && moved(unit) {
        decimals += 1;
        unit /= 10.0;
    }
    decimals
}

#[cfg(test)]
mod tests {
    use super::{Rule, decimals};

    #[test]
    fn rules_are_worded_as_lime_words_them() {
        let between = |low, high| Rule::Between {
            low,
            high,
            decimals: 2,
        };
        for (rule, text) in [
            (between(Some(25.0), Some(39.0)), "25.00 < age <= 39.00"),
            (between(None, Some(25.0)), "age <= 25.00"),
            (between(Some(42.0), None), "age > 42.00"),
            (Rule::Equal, "age=31"),
            (Rule::Missing, "age is missing"),
            (
                Rule::Deviation {
                    mean: 0.0,
                    deviation: 1.0,
                },
                "age",
            ),
        ] {
            assert_eq!(rule.text("age", "31"), text);
        }
    }

    #[test]
    fn bounds_that_two_decimals_would_move_get_more() {
        assert_eq!(decimals(&[27.0, 33.0, 42.0]), 2);
        assert_eq!(decimals(&[0.0649, 0.0999, 0.1614]), 4);
        assert_eq!(decimals(&[0.000_012]), 6);
        assert_eq!(decimals(&[1360.25, 2319.5]), 2);
        assert_eq!(decimals(&[0.0]), 2);
    }
}
