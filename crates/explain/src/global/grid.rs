//! At which values a curve is drawn.

use hyaline_model::{Batch, Column, FeatureKind, Schema, Symbols, sorted_positions};

use super::unsupported;
use crate::ExplainError;

/// The values of `feature` at which a curve is drawn: false and true; every known category (every category of `rows`
/// where the model knows no list); of numbers at most `points` evenly spaced quantiles of `rows`, ascending and without
/// repeats (all values where they are fewer). Quantiles lie between two values as numpy's do; those of whole numbers are
/// the nearer value.
pub(super) fn grid(
    schema: &Schema,
    symbols: &Symbols,
    rows: &Batch,
    feature: usize,
    points: usize,
) -> Result<Column, ExplainError> {
    let described = &schema.features()[feature];
    match (&described.kind, &rows.columns()[feature]) {
        (FeatureKind::Boolean, _) => Ok(Column::Numbers(vec![0.0, 1.0])),
        (FeatureKind::Number | FeatureKind::Integer, Column::Numbers(values)) => {
            let grid = quantiles(values, points, described.kind == FeatureKind::Integer);
            if grid.is_empty() {
                return unsupported(format!(
                    "feature `{}` has no value in any reference row",
                    described.name
                ));
            }
            Ok(Column::Numbers(grid))
        }
        (FeatureKind::Category(known), Column::Symbols(values)) => {
            let known = known.values.iter().map(|text| symbols.symbol(text));
            let mut grid: Vec<_> = known.collect();
            if grid.is_empty() {
                grid = values.clone();
                grid.sort_unstable();
                grid.dedup();
            }
            Ok(Column::Symbols(grid))
        }
        (kind, _) => {
            let what = if *kind == FeatureKind::Text {
                "free text"
            } else {
                "a tensor"
            };
            unsupported(format!(
                "feature `{}` is {what}; curves are drawn over numbers, truth values and categories",
                described.name
            ))
        }
    }
}

/// Evenly spaced quantiles of the finite values.
fn quantiles(values: &[f64], points: usize, whole: bool) -> Vec<f64> {
    let finite: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    let order = sorted_positions(finite.len(), &|a, b| finite[a].total_cmp(&finite[b]));
    let sorted: Vec<f64> = order.into_iter().map(|at| finite[at]).collect();
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= points {
        return distinct;
    }
    let last = (sorted.len() - 1) as f64;
    let quantile = |point: usize| {
        let place = last * point as f64 / (points - 1) as f64;
        let (below, part) = (place as usize, place - place.floor());
        let above = sorted[(below + 1).min(sorted.len() - 1)];
        match whole {
            true if part < 0.5 => sorted[below],
            true => above,
            false => sorted[below] + (above - sorted[below]) * part,
        }
    };
    let mut quantiles: Vec<f64> = (0..points).map(quantile).collect();
    quantiles.dedup();
    quantiles
}

#[cfg(test)]
mod tests {
    use super::quantiles;

    #[test]
    fn few_values_are_all_taken() {
        let values = [3.0, f64::NAN, 1.0, 3.0, f64::INFINITY];
        assert_eq!(quantiles(&values, 20, false), [1.0, 3.0]);
    }

    #[test]
    fn many_values_give_quantiles() {
        let values: Vec<f64> = (0..11).map(f64::from).collect();
        assert_eq!(quantiles(&values, 5, false), [0.0, 2.5, 5.0, 7.5, 10.0]);
        assert_eq!(quantiles(&values, 5, true), [0.0, 3.0, 5.0, 8.0, 10.0]);
        let heavy = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0];
        assert_eq!(quantiles(&heavy, 3, false), [0.0, 3.0]);
    }
}
