//! Statistics of a number or integer feature.

use hyaline_model::sorted_positions;

/// The finite values of a feature in the reference rows, in order and in quartile bins.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberStatistics {
    /// Rows without a value.
    pub missing: usize,
    /// The values, ascending; not empty (0 when every value is missing).
    pub sorted: Vec<f64>,
    /// Smallest value.
    pub minimum: f64,
    /// Largest value.
    pub maximum: f64,
    /// Mean value.
    pub mean: f64,
    /// Standard deviation of the values as a population.
    pub deviation: f64,
    /// What differences are measured in: the median absolute deviation from the median, where that is 0 the mean absolute
    /// deviation from it, where that is 0 too 1.
    pub scale: f64,
    /// Bounds of the quartile bins `(−∞, e₀], (e₀, e₁], …, (eₖ, ∞)`: the quartiles, each once.
    pub edges: Vec<f64>,
    /// One per bin.
    pub bins: Vec<Bin>,
    /// Values are multiples of `10^-decimals`.
    pub decimals: i32,
}

/// The values between two edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bin {
    /// How many.
    pub count: usize,
    /// Their mean; 0 for none.
    pub mean: f64,
    /// Their standard deviation as a population; 0 for none.
    pub deviation: f64,
}

/// Most decimals that values are looked for in; beyond it they are taken as continuous.
const DECIMALS: i32 = 6;

impl NumberStatistics {
    pub(super) fn new(column: &[f64], whole: bool) -> NumberStatistics {
        let mut values: Vec<f64> = column.iter().copied().filter(|x| x.is_finite()).collect();
        let missing = column.len() - values.len();
        if values.is_empty() {
            values.push(0.0);
        }
        sorted(&mut values);
        let mut edges = [0.25, 0.5, 0.75]
            .map(|share| quantile(&values, share))
            .to_vec();
        edges.dedup();
        let mut bins = Vec::with_capacity(edges.len() + 1);
        let mut from = 0;
        for bin in 0..=edges.len() {
            let to = edges.get(bin).map_or(values.len(), |&edge| {
                values.partition_point(|&value| value <= edge)
            });
            let (mean, deviation) = moments(&values[from..to]);
            bins.push(Bin {
                count: to - from,
                mean,
                deviation,
            });
            from = to;
        }
        let (mean, deviation) = moments(&values);
        NumberStatistics {
            missing,
            minimum: values[0],
            maximum: values[values.len() - 1],
            mean,
            deviation,
            scale: scale(&values),
            edges,
            bins,
            decimals: if whole {
                0
            } else {
                decimals(&values, deviation)
            },
            sorted: values,
        }
    }

    /// The bin of a value: the number of edges below it.
    pub fn bin(&self, value: f64) -> usize {
        self.edges.partition_point(|&edge| edge < value)
    }

    /// The multiple of `10^-decimals` nearest to `value`, in such units.
    pub fn units(&self, value: f64) -> f64 {
        (value * power_of_ten(self.decimals)).round()
    }

    /// The whole units up to `value`: as [`NumberStatistics::units`], but no larger value.
    pub fn units_before(&self, value: f64) -> f64 {
        let units = self.units(value);
        if self.of_units(units) > value {
            units - 1.0
        } else {
            units
        }
    }

    /// The value of so many units.
    pub fn of_units(&self, units: f64) -> f64 {
        match self.decimals {
            0.. => units / power_of_ten(self.decimals),
            coarse => units * power_of_ten(-coarse),
        }
    }
}

/// Sorts numbers in place.
pub(super) fn sorted(values: &mut Vec<f64>) {
    let order = sorted_positions(values.len(), &|a, b| values[a].total_cmp(&values[b]));
    *values = order.into_iter().map(|position| values[position]).collect();
}

/// The quantile of ascending values by linear interpolation between them (type 7 of Hyndman & Fan 1996,
/// doi:10.1080/00031305.1996.10473566), as NumPy's `percentile` computes it.
fn quantile(values: &[f64], share: f64) -> f64 {
    let position = share * (values.len() - 1) as f64;
    let below = position.floor();
    let rest = position - below;
    let (low, high) = (
        values[below as usize],
        values[(below as usize + 1).min(values.len() - 1)],
    );
    // NumPy interpolates from the nearer end.
    if rest >= 0.5 {
        high - (high - low) * (1.0 - rest)
    } else {
        low + (high - low) * rest
    }
}

/// Mean and population standard deviation; zeros for no values.
fn moments(values: &[f64]) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean) * (value - mean));
    (mean, (squares.sum::<f64>() / count).sqrt())
}

fn scale(values: &[f64]) -> f64 {
    let median = quantile(values, 0.5);
    let mut distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    sorted(&mut distances);
    let candidates = [quantile(&distances, 0.5), mean, 1.0];
    candidates
        .into_iter()
        .find(|&scale| scale > 0.0)
        .unwrap_or(1.0)
}

/// The fewest decimals that write every value; for continuous values enough to tell thousandths of a standard deviation.
fn decimals(values: &[f64], deviation: f64) -> i32 {
    let written = |decimals: i32| {
        let ten = power_of_ten(decimals);
        values.iter().all(|&value| {
            let units = (value * ten).round();
            units.abs() < 9e15 && units / ten == value
        })
    };
    (0..=DECIMALS)
        .find(|&decimals| written(decimals))
        .unwrap_or_else(|| {
            let mut decimals = 0;
            // A thousandth of the deviation is between one and ten units.
            while decimals < 300 && deviation * power_of_ten(decimals) < 1e3 && deviation > 0.0 {
                decimals += 1;
            }
            while decimals > -300 && deviation * power_of_ten(decimals) >= 1e4 {
                decimals -= 1;
            }
            decimals
        })
}

/// `10^exponent`, exact from 0 to 22.
fn power_of_ten(exponent: i32) -> f64 {
    let power = (0..exponent.abs()).fold(1.0, |power, _| power * 10.0);
    if exponent < 0 { 1.0 / power } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_and_bins_are_those_of_numpy() {
        // numpy 2.4.6: percentile([1,2,2,3,10,20,21,22.5], [25,50,75]) = [2, 6.5, 20.25]
        let column = [20.0, 2.0, f64::NAN, 1.0, 2.0, 22.5, 3.0, 10.0, 21.0];
        let numbers = NumberStatistics::new(&column, false);
        assert_eq!(numbers.edges, [2.0, 6.5, 20.25]);
        let counts: Vec<usize> = numbers.bins.iter().map(|bin| bin.count).collect();
        assert_eq!((counts, numbers.missing), (vec![3, 1, 2, 2], 1));
        assert_eq!(
            (numbers.bin(2.0), numbers.bin(2.1), numbers.bin(99.0)),
            (0, 1, 3)
        );
        assert_eq!(numbers.decimals, 1);
        assert_eq!(
            (numbers.units(22.5), numbers.of_units(225.0)),
            (225.0, 22.5)
        );
    }

    #[test]
    fn a_feature_that_is_mostly_one_value_has_a_scale() {
        let numbers = NumberStatistics::new(&[0.0, 0.0, 0.0, 0.0, 10.0], true);
        assert_eq!((numbers.scale, numbers.edges.len()), (2.0, 1));
        let constant = NumberStatistics::new(&[f64::NAN, 7.0], true);
        assert_eq!((constant.scale, constant.minimum), (1.0, 7.0));
        assert_eq!(NumberStatistics::new(&[f64::NAN], true).sorted, [0.0]);
    }

    #[test]
    fn continuous_values_are_counted_in_thousandths_of_their_deviation() {
        let values = [0.123_456_789_1, 1.0 / 3.0, 0.777_777_777_7];
        let numbers = NumberStatistics::new(&values, false);
        assert_eq!(numbers.decimals, 4);
        let large = values.map(|value| value * 1e9);
        assert_eq!(NumberStatistics::new(&large, false).decimals, -5);
    }
}
