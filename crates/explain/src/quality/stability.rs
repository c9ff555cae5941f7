//! Whether nearly equal rows have nearly equal explanations.

use hyaline_model::{Batch, Column, FeatureKind, Model};

use super::CheckOptions;
use crate::sampling::Random;
use crate::{ExplainError, Explainer, Request};

/// The largest changes of the explanation among random neighbours of the row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stability {
    /// `max ‖φ(x) − φ(x′)‖ / ‖φ(x)‖`: max-sensitivity (Yeh et al. 2019, arXiv:1901.09392), as a share.
    pub max_sensitivity: f64,
    /// `max ‖φ(x) − φ(x′)‖ / ‖x − x′‖`, with numbers in standard deviations of the background: local Lipschitz estimate
    /// (Alvarez-Melis & Jaakkola 2018, arXiv:1806.08049).
    pub local_lipschitz: f64,
}

/// What is explained.
pub(super) struct Place<'b> {
    pub(super) batch: &'b Batch,
    pub(super) row: usize,
    pub(super) background: &'b Batch,
    pub(super) output: usize,
}

/// Explains neighbours whose numbers are off by up to `radius` standard deviations each; whole numbers stay whole, and
/// everything else stays. `None` when no neighbour differs.
pub(super) fn stability(
    model: &Model,
    explainer: &Explainer,
    place: Place<'_>,
    attributions: &[f64],
    request: Request,
    options: CheckOptions,
) -> Result<Option<Stability>, ExplainError> {
    let mut random = Random::new(options.seed, 1 + place.row as u64);
    let mut columns = place
        .batch
        .select(&vec![place.row; options.neighbours])
        .columns()
        .to_vec();
    let mut distances = vec![0.0; options.neighbours];
    for (feature, column) in columns.iter_mut().enumerate() {
        let kind = &model.schema().features()[feature].kind;
        let (Column::Numbers(values), Column::Numbers(seen)) =
            (column, &place.background.columns()[feature])
        else {
            continue;
        };
        let deviation = standard_deviation(seen);
        if *kind == FeatureKind::Boolean || deviation <= 0.0 {
            continue;
        }
        for (value, distance) in values.iter_mut().zip(&mut distances) {
            let step = (2.0 * random.unit() - 1.0) * options.radius * deviation;
            let moved = match kind {
                FeatureKind::Integer => (*value + step).round(),
                _ => *value + step,
            };
            if moved.is_finite() {
                let steps = (moved - *value) / deviation;
                *distance += steps * steps;
                *value = moved;
            }
        }
    }
    if distances.iter().all(|&distance| distance == 0.0) {
        return Ok(None);
    }
    let neighbours = Batch::new(model.schema(), columns).expect("columns of one schema");
    let explained = explainer.explain(model, &neighbours, request)?;
    let (mut largest_change, mut steepest) = (0.0f64, 0.0f64);
    let width = explained.features * explained.outputs;
    let rows = explained.attributions.chunks_exact(width);
    for (row, distance) in rows
        .zip(&distances)
        .filter(|(_, distance)| **distance > 0.0)
    {
        let own = row.iter().skip(place.output).step_by(explained.outputs);
        let squares = own.zip(attributions).map(|(a, b)| (a - b) * (a - b));
        let change = squares.sum::<f64>().sqrt();
        largest_change = largest_change.max(change);
        steepest = steepest.max(change / distance.sqrt());
    }
    let squares = attributions.iter().map(|value| value * value);
    let size = squares.sum::<f64>().sqrt();
    Ok(Some(Stability {
        max_sensitivity: if largest_change == 0.0 {
            0.0
        } else {
            largest_change / size
        },
        local_lipschitz: steepest,
    }))
}

/// Of the values that are there; 0 when there are none.
fn standard_deviation(values: &[f64]) -> f64 {
    let present: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    if present.is_empty() {
        return 0.0;
    }
    let count = present.len() as f64;
    let mean = present.iter().sum::<f64>() / count;
    let squares = present.iter().map(|x| (x - mean) * (x - mean));
    (squares.sum::<f64>() / count).sqrt()
}
