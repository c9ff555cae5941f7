//! What local explanations by example and rule need to know of the data: which values a feature takes, how often, and
//! how far apart values are.

mod categories;
mod numbers;
mod row;

use hyaline_model::graph::EvalError;
use hyaline_model::{Batch, Column, FeatureKind, Model, Predictions, Schema, Symbols};

pub use categories::CategoryStatistics;
pub use numbers::NumberStatistics;
pub(crate) use row::changed_rows;
pub use row::{Change, Value};

use crate::{ExplainError, Predict};

/// The reference rows of a model, or the background rows where it has none; `None` with neither.
pub fn reference_rows(model: &Model) -> Option<&Batch> {
    let parts = model.parts();
    let reference = parts.reference.as_ref().map(|reference| &reference.rows);
    reference.or(parts.background.as_ref())
}

/// The values of one feature in the reference rows.
#[derive(Clone, Debug, PartialEq)]
pub enum FeatureStatistics {
    /// Number and integer features.
    Numbers(NumberStatistics),
    /// Category features.
    Categories(CategoryStatistics),
    /// True or false; missing values are in `missing`.
    Truths {
        /// Rows with false and with true.
        counts: [usize; 2],
        /// Rows without a value.
        missing: usize,
    },
}

/// Statistics of the reference rows, computed once per model.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceStatistics {
    features: Vec<FeatureStatistics>,
    predictions: Predictions,
    typical_gap: f64,
}

/// Rows among which a typical distance to the nearest other row is looked for.
const GAP_ROWS: usize = 256;

impl ReferenceStatistics {
    /// Counts values and asks the model for its answers to `rows`.
    ///
    /// # Errors
    /// [`ExplainError::Unsupported`] naming a feature that is text or a tensor, which has no such statistics;
    /// [`ExplainError::Evaluation`] when the model refuses a reference row.
    ///
    /// # Panics
    /// If `rows` is empty or of another schema.
    pub fn new(
        model: &dyn Predict,
        symbols: &Symbols,
        rows: &Batch,
    ) -> Result<ReferenceStatistics, ExplainError> {
        assert!(rows.rows() > 0, "there is a reference row");
        check_features(model.schema())?;
        let describe =
            |(feature, column): (&hyaline_model::Feature, &Column)| match (&feature.kind, column) {
                (FeatureKind::Boolean, Column::Numbers(values)) => truths(values),
                (kind, Column::Numbers(values)) => {
                    let whole = *kind == FeatureKind::Integer;
                    FeatureStatistics::Numbers(NumberStatistics::new(values, whole))
                }
                (FeatureKind::Category(known), Column::Symbols(values)) => {
                    let recourse = &feature.recourse;
                    let statistics = CategoryStatistics::new(known, recourse, symbols, values);
                    FeatureStatistics::Categories(statistics)
                }
                _ => unreachable!("texts and tensors are refused, batches are of the schema"),
            };
        let features = model.schema().features();
        let features = features.iter().zip(rows.columns()).map(describe).collect();
        let mut statistics = ReferenceStatistics {
            features,
            predictions: model.predict(rows)?,
            typical_gap: 0.0,
        };
        statistics.typical_gap = statistics.gap(rows);
        Ok(statistics)
    }

    /// One per feature, in schema order.
    pub fn features(&self) -> &[FeatureStatistics] {
        &self.features
    }

    /// What the model answers to the reference rows.
    pub fn predictions(&self) -> &Predictions {
        &self.predictions
    }

    /// Median over reference rows (at most 256, evenly spaced) of Gower's distance to the nearest other one.
    pub fn typical_gap(&self) -> f64 {
        self.typical_gap
    }

    /// Gower's distance (1971, doi:10.2307/2528823) between two rows: the mean over features of the difference as a share
    /// of the reference range, or 0 or 1 for values that have no difference. A missing value differs from every other by 1.
    pub fn gower(&self, left: (&Batch, usize), right: (&Batch, usize)) -> f64 {
        let columns = left.0.columns().iter().zip(right.0.columns());
        let differences = self.features.iter().zip(columns).map(|(feature, (a, b))| {
            let (a, b) = (Value::of(a, left.1), Value::of(b, right.1));
            feature.share_of_range(a, b)
        });
        differences.sum::<f64>() / self.features.len() as f64
    }

    fn gap(&self, rows: &Batch) -> f64 {
        let count = rows.rows().min(GAP_ROWS);
        let at = |index: usize| index * rows.rows() / count;
        let nearest = |row: usize| {
            let others = (0..count).map(at).filter(|&other| other != row);
            let distances = others.map(|other| self.gower((rows, row), (rows, other)));
            distances.fold(f64::INFINITY, f64::min)
        };
        let mut gaps: Vec<f64> = (0..count).map(at).map(nearest).collect();
        gaps.retain(|gap| gap.is_finite());
        numbers::sorted(&mut gaps);
        gaps.get(gaps.len() / 2).copied().unwrap_or(0.0)
    }
}

impl FeatureStatistics {
    /// The difference of two values as a share of the reference range, at most 1 within it; 0 or 1 where values have no
    /// difference.
    pub(crate) fn share_of_range(&self, left: Value, right: Value) -> f64 {
        match (self, left, right) {
            (FeatureStatistics::Numbers(numbers), Value::Number(a), Value::Number(b))
                if !a.is_nan() && !b.is_nan() =>
            {
                let range = numbers.maximum - numbers.minimum;
                if range > 0.0 {
                    (a - b).abs() / range
                } else {
                    f64::from(u8::from(a != b))
                }
            }
            _ => f64::from(u8::from(!left.same(right))),
        }
    }

    /// The difference of two values in median absolute deviations; 0 or 1 where values have no difference.
    pub(crate) fn in_deviations(&self, left: Value, right: Value) -> f64 {
        match (self, left, right) {
            (FeatureStatistics::Numbers(numbers), Value::Number(a), Value::Number(b))
                if !a.is_nan() && !b.is_nan() =>
            {
                (a - b).abs() / numbers.scale
            }
            _ => f64::from(u8::from(!left.same(right))),
        }
    }
}

impl FeatureStatistics {
    /// Whether the reference rows have this category, or numbers on both sides of this one.
    pub(crate) fn has_seen(&self, value: Value) -> bool {
        match (self, value) {
            (FeatureStatistics::Numbers(numbers), Value::Number(value)) if value.is_nan() => {
                numbers.missing > 0
            }
            (FeatureStatistics::Numbers(numbers), Value::Number(value)) => {
                (numbers.minimum..=numbers.maximum).contains(&value)
            }
            (FeatureStatistics::Truths { missing, .. }, Value::Number(value)) if value.is_nan() => {
                *missing > 0
            }
            (FeatureStatistics::Truths { counts, .. }, Value::Number(value)) => {
                counts[usize::from(value != 0.0)] > 0
            }
            (FeatureStatistics::Categories(categories), Value::Category(symbol)) => {
                categories.values.contains(&symbol)
            }
            _ => false,
        }
    }
}

fn truths(values: &[f64]) -> FeatureStatistics {
    let mut counts = [0; 2];
    let mut missing = 0;
    for &value in values {
        match value {
            value if value.is_nan() => missing += 1,
            value => counts[usize::from(value != 0.0)] += 1,
        }
    }
    FeatureStatistics::Truths { counts, missing }
}

fn check_features(schema: &Schema) -> Result<(), ExplainError> {
    for feature in schema.features() {
        let kind = match feature.kind {
            FeatureKind::Text => "free text",
            FeatureKind::Tensor(_) => "a tensor",
            _ => continue,
        };
        return Err(ExplainError::Unsupported(format!(
            "the feature `{}` is {kind}; LIME on tables, anchors and counterfactuals take numbers, truth values and \
             categories",
            feature.name
        )));
    }
    Ok(())
}

/// Rows of the data beside their statistics.
#[derive(Clone, Copy, Debug)]
pub struct ReferenceView<'r> {
    /// The rows; at least one.
    pub rows: &'r Batch,
    /// Their statistics.
    pub statistics: &'r ReferenceStatistics,
}

/// Answers of the model, counted.
pub(crate) struct Evaluations<'m> {
    pub(crate) model: &'m dyn Predict,
    /// Rows answered.
    pub(crate) spent: u64,
}

impl Evaluations<'_> {
    pub(crate) fn predict(&mut self, batch: &Batch) -> Result<Predictions, EvalError> {
        self.spent += batch.rows() as u64;
        self.model.predict(batch)
    }
}
