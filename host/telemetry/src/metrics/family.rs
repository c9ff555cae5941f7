//! Families of metrics: a name, a kind, and a sample per set of labels.

use std::borrow::Cow;
use std::sync::Arc;

use crate::recording::Counts;

/// Metrics of one name.
pub(crate) struct Family {
    /// Prometheus' name, without the suffixes that the kind adds.
    pub(crate) name: &'static str,
    /// OpenTelemetry's name and unit (UCUM). `None` for names that only Prometheus knows.
    pub(crate) otel: Option<(&'static str, &'static str)>,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Sample>,
}

/// What the numbers of a family mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only grows; called `…_total`.
    Counter,
    /// Only grows, but is not called `…_total`, because the name is somebody else's.
    PlainCounter,
    /// Goes up and down.
    Gauge,
    /// A distribution over buckets.
    Histogram,
    /// A distribution of which only number and sum are told.
    Summary,
}

pub(crate) struct Sample {
    pub(crate) labels: Vec<Label>,
    pub(crate) value: Value,
}

/// Name in OpenTelemetry's spelling, with dots, and value.
pub(crate) type Label = (&'static str, Text);

/// The value of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Fixed(&'static str),
    Shared(Arc<str>),
    /// A number that is one for OpenTelemetry, too.
    Number(u64),
    /// A number that is a text for OpenTelemetry.
    Digits(u64),
}

impl Text {
    pub(crate) fn as_text(&self) -> Cow<'_, str> {
        match self {
            Text::Fixed(text) => Cow::Borrowed(text),
            Text::Shared(text) => Cow::Borrowed(text),
            Text::Number(number) | Text::Digits(number) => Cow::Owned(number.to_string()),
        }
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Text::Fixed(text)
    }
}

impl From<&Arc<str>> for Text {
    fn from(text: &Arc<str>) -> Self {
        Text::Shared(Arc::clone(text))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Integer(u64),
    Number(f64),
    Distribution(Distribution),
}

/// A distribution in the family's unit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution {
    pub(crate) bounds: &'static Bounds,
    /// How many were at most each bound.
    pub(crate) cumulative: Vec<u64>,
    pub(crate) count: u64,
    pub(crate) sum: f64,
}

/// Bounds of buckets: edges of the recording's own buckets, so that counts up to them are exact.
#[derive(Debug, PartialEq)]
pub(crate) struct Bounds {
    /// In the unit of the recording, ascending.
    recorded: &'static [u64],
    /// In the family's unit, as Prometheus writes them.
    pub(crate) written: &'static [&'static str],
    /// How many of the recording's units are one of the family's.
    per_unit: f64,
}

impl Bounds {
    /// Bounds of times, recorded in nanoseconds and told in seconds: those that the semantic conventions advise, and six
    /// below, because most functions answer within a millisecond.
    pub(crate) const SECONDS: Bounds = Bounds {
        recorded: &[
            25_000,
            50_000,
            100_000,
            250_000,
            500_000,
            1_000_000,
            2_500_000,
            5_000_000,
            10_000_000,
            25_000_000,
            50_000_000,
            75_000_000,
            100_000_000,
            250_000_000,
            500_000_000,
            750_000_000,
            1_000_000_000,
            2_500_000_000,
            5_000_000_000,
            7_500_000_000,
            10_000_000_000,
        ],
        written: &[
            "2.5e-05", "5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01",
            "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1.0", "2.5", "5.0", "7.5",
            "10.0",
        ],
        per_unit: 1e9,
    };

    /// Bounds of memory, in bytes.
    pub(crate) const MEMORY: Bounds = Bounds {
        recorded: &[
            1_000_000,
            2_500_000,
            5_000_000,
            10_000_000,
            25_000_000,
            50_000_000,
            100_000_000,
            250_000_000,
            500_000_000,
            1_000_000_000,
            2_500_000_000,
        ],
        written: &[
            "1e+06", "2.5e+06", "5e+06", "1e+07", "2.5e+07", "5e+07", "1e+08", "2.5e+08", "5e+08",
            "1e+09", "2.5e+09",
        ],
        per_unit: 1.0,
    };

    /// Bounds of bodies, in bytes.
    pub(crate) const BODIES: Bounds = Bounds {
        recorded: &[1_000, 10_000, 100_000, 1_000_000, 10_000_000],
        written: &["1000.0", "10000.0", "100000.0", "1e+06", "1e+07"],
        per_unit: 1.0,
    };

    /// A recorded distribution in these bounds.
    pub(crate) fn distribution(&'static self, counts: &Counts) -> Value {
        Value::Distribution(Distribution {
            bounds: self,
            cumulative: counts.cumulative(self.recorded),
            count: counts.count(),
            sum: counts.sum as f64 / self.per_unit,
        })
    }

    /// The bounds as numbers, in the family's unit.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        self.recorded
            .iter()
            .map(|&bound| bound as f64 / self.per_unit)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_bounds_are_the_recorded_ones() {
        for bounds in [&Bounds::SECONDS, &Bounds::MEMORY, &Bounds::BODIES] {
            let written: Vec<f64> = bounds
                .written
                .iter()
                .map(|text| text.parse().unwrap())
                .collect();
            assert_eq!(written, bounds.numbers());
            assert!(written.is_sorted());
        }
    }
}
