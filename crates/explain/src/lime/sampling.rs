//! Samples near a row: where they lie for the model, and what they are to the linear one.

use std::rc::Rc;

use hyaline_model::{Batch, Column, Schema, Symbol};

use super::normal::Quantiles;
use crate::reference_statistics::{FeatureStatistics, NumberStatistics, ReferenceView, Value};
use crate::sampling::Random;

/// How one feature is drawn.
struct Sampler<'r> {
    random: Random,
    source: Source<'r>,
}

enum Source<'r> {
    /// A bin in proportion to its rows, a number within it; 1 in the row's own bin.
    Bins {
        /// Rows in each bin and those before it; the last bin is that of missing numbers.
        cumulative: Vec<u64>,
        bins: Vec<Quantiles>,
        own: usize,
    },
    /// False, true or missing in proportion to their rows; 1 as in the row.
    Truths { cumulative: [u64; 3], own: usize },
    /// The category of a reference row; 1 as in the row.
    Categories { column: &'r [Symbol], own: Symbol },
    /// A normal number, standardised.
    Normal {
        mean: f64,
        deviation: f64,
        quantiles: Rc<Quantiles>,
    },
    /// Always the row's own number.
    Constant(f64),
}

/// Draws samples, the first of which is the row itself.
pub(super) struct Sampling<'r> {
    samplers: Vec<Sampler<'r>>,
    origin: Batch,
    own: Vec<f32>,
    started: bool,
}

/// Some samples.
pub(super) struct Samples {
    /// As the model takes them.
    pub(super) rows: Batch,
    /// `[rows, features]`, as the linear model takes them.
    pub(super) components: Vec<f32>,
}

impl<'r> Sampling<'r> {
    /// Of the neighbourhood of row `row` of `rows`; every feature has a stream of random numbers of its own.
    pub(super) fn new(
        reference: ReferenceView<'r>,
        rows: &Batch,
        row: usize,
        discretize: bool,
        seed: u64,
    ) -> Sampling<'r> {
        let origin = rows.select(&[row]);
        let columns = reference.rows.columns().iter().zip(origin.columns());
        let features = reference.statistics.features().iter().zip(columns);
        let standard = (!discretize).then(|| Rc::new(Quantiles::standard()));
        let sampler = |(feature, (statistics, (column, own)))| Sampler {
            random: Random::new(seed, feature as u64),
            source: source(statistics, column, Value::of(own, 0), standard.as_ref()),
        };
        let samplers: Vec<Sampler<'r>> = features.enumerate().map(sampler).collect();
        let own = samplers.iter().zip(origin.columns());
        Sampling {
            own: own
                .map(|(sampler, column)| match (&sampler.source, column) {
                    (
                        Source::Normal {
                            mean, deviation, ..
                        },
                        Column::Numbers(values),
                    ) => ((values[0] - mean) / deviation) as f32,
                    _ => 1.0,
                })
                .collect(),
            samplers,
            origin,
            started: false,
        }
    }

    /// The row as the linear model takes it.
    pub(super) fn own(&self) -> &[f32] {
        &self.own
    }

    /// The next `count` samples; at least 1.
    pub(super) fn next(&mut self, schema: &Schema, count: usize) -> Samples {
        let features = self.samplers.len();
        let mut components = vec![0.0; count * features];
        let first = usize::from(!self.started);
        if !self.started {
            components[..features].copy_from_slice(&self.own);
        }
        self.started = true;
        let mut columns = self.origin.select(&vec![0; count]).columns().to_vec();
        for (feature, (sampler, column)) in self.samplers.iter_mut().zip(&mut columns).enumerate() {
            let components = components[first * features..]
                .iter_mut()
                .skip(feature)
                .step_by(features);
            match column {
                Column::Numbers(values) => {
                    for (value, component) in values[first..].iter_mut().zip(components) {
                        (*value, *component) = sampler.number();
                    }
                }
                Column::Symbols(values) => {
                    for (value, component) in values[first..].iter_mut().zip(components) {
                        (*value, *component) = sampler.category();
                    }
                }
                Column::Texts(_) | Column::Tensors(_) => {
                    unreachable!("texts and tensors have no statistics")
                }
            }
        }
        let rows = Batch::new(schema, columns).expect("the columns are those of a batch");
        Samples { rows, components }
    }
}

impl Sampler<'_> {
    fn number(&mut self) -> (f64, f32) {
        let bits = self.random.bits();
        // One half of the bits chooses the bin, the other the place in it.
        let unit = (f64::from(bits as u32) + 0.5) / 4_294_967_296.0;
        match &self.source {
            Source::Bins {
                cumulative,
                bins,
                own,
            } => {
                let bin = among(cumulative, bits);
                let value = bins.get(bin).map_or(f64::NAN, |bin| bin.at(unit));
                (value, f32::from(u8::from(bin == *own)))
            }
            Source::Truths { cumulative, own } => {
                let truth = among(cumulative, bits);
                let value = [0.0, 1.0, f64::NAN][truth.min(2)];
                (value, f32::from(u8::from(truth == *own)))
            }
            Source::Normal {
                mean,
                deviation,
                quantiles,
            } => {
                let normal = quantiles.at(((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64);
                (mean + deviation * normal, normal as f32)
            }
            Source::Constant(value) => (*value, 1.0),
            Source::Categories { .. } => unreachable!("categories are no numbers"),
        }
    }

    fn category(&mut self) -> (Symbol, f32) {
        let Source::Categories { column, own } = &self.source else {
            unreachable!("numbers are no categories");
        };
        let symbol = column[self.random.below(column.len() as u64) as usize];
        (symbol, f32::from(u8::from(symbol == *own)))
    }
}

/// A position in proportion to the increments of `cumulative`, by the upper half of the bits.
fn among(cumulative: &[u64], bits: u64) -> usize {
    let total = cumulative.last().copied().unwrap_or(0);
    let at = ((bits >> 32) * total) >> 32;
    cumulative.iter().filter(|&&count| count <= at).count()
}

fn source<'r>(
    statistics: &FeatureStatistics,
    column: &'r Column,
    own: Value,
    standard: Option<&Rc<Quantiles>>,
) -> Source<'r> {
    match (statistics, column, own) {
        (FeatureStatistics::Categories(_), Column::Symbols(column), Value::Category(own)) => {
            Source::Categories { column, own }
        }
        (FeatureStatistics::Truths { counts, missing }, _, Value::Number(own)) => {
            let [no, yes] = counts.map(|count| count as u64);
            Source::Truths {
                cumulative: [no, no + yes, no + yes + *missing as u64],
                own: match own {
                    own if own.is_nan() => 2,
                    own => usize::from(own != 0.0),
                },
            }
        }
        // A missing number is told from the others by being missing, not by its size.
        (FeatureStatistics::Numbers(numbers), _, Value::Number(own)) => match standard {
            Some(_) if numbers.deviation == 0.0 && !own.is_nan() => Source::Constant(own),
            Some(standard) if !own.is_nan() => Source::Normal {
                mean: numbers.mean,
                deviation: numbers.deviation,
                quantiles: Rc::clone(standard),
            },
            _ => bins(numbers, own),
        },
        _ => unreachable!("statistics are of their feature's kind"),
    }
}

fn bins(numbers: &NumberStatistics, own: f64) -> Source<'static> {
    let mut total = 0;
    let mut cumulative: Vec<u64> = Vec::with_capacity(numbers.bins.len() + 1);
    let mut bins = Vec::with_capacity(numbers.bins.len());
    for (at, bin) in numbers.bins.iter().enumerate() {
        total += bin.count as u64;
        cumulative.push(total);
        let low = if at == 0 {
            numbers.minimum
        } else {
            numbers.edges[at - 1]
        };
        let high = numbers.edges.get(at).copied().unwrap_or(numbers.maximum);
        bins.push(Quantiles::truncated(low, high, bin.mean, bin.deviation));
    }
    cumulative.push(total + numbers.missing as u64);
    Source::Bins {
        cumulative,
        own: if own.is_nan() {
            bins.len()
        } else {
            numbers.bin(own)
        },
        bins,
    }
}
