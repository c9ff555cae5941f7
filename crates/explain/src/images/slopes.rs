//! Integrated gradients per pixel.

use hyaline_model::{Batch, Column, Tensors};

use super::{NUMBERS_PER_CALL, Stage};
use crate::ExplainError;

/// Points of the midpoint rule.
pub(super) const POINTS: usize = 50;

/// A pixel's part of the change along the straight way from the filling to the picture, summed over its channels
/// (Sundararajan, Taly & Yan 2017, arXiv:1703.01365), `[height, width]`.
pub(super) fn integrated(stage: &Stage<'_>) -> Result<Vec<f64>, ExplainError> {
    let (own, filled) = (stage.picture.numbers(), stage.filled);
    let width = own.len();
    let per_call = (NUMBERS_PER_CALL / width).clamp(1, POINTS);
    let no_steps = vec![0.0; stage.row.columns().len()];
    let mut sums = vec![0.0; width];
    for first in (0..POINTS).step_by(per_call) {
        let points = first..POINTS.min(first + per_call);
        let rows = points.len();
        let mut numbers = Vec::with_capacity(rows * width);
        for point in points {
            let part = (point as f64 + 0.5) / POINTS as f64;
            numbers.extend(own.iter().zip(filled).map(|(&own, &filled)| {
                let (own, filled) = (f64::from(own), f64::from(filled));
                (filled + part * (own - filled)) as f32
            }));
        }
        let mut columns = stage.row.select(&vec![0; rows]).into_columns();
        columns[stage.feature] =
            Column::Tensors(Tensors::new(width, numbers).expect("whole pictures"));
        let batch = Batch::new(stage.model.schema(), columns).expect("as many pictures as rows");
        let gradients = stage.model.gradients(&batch, stage.space, &no_steps)?;
        let slopes = &gradients.features[stage.feature];
        if slopes.is_empty() {
            return Err(ExplainError::Unsupported(format!(
                "integrated gradients of {width} pixels need the model's own backward pass, which does not reach the picture in this space; \
                 ask for space=probability or method=rise"
            )));
        }
        for (at, slope) in slopes
            .iter()
            .skip(stage.output)
            .step_by(gradients.outputs)
            .enumerate()
        {
            sums[at % width] += slope / POINTS as f64;
        }
    }
    let pixels = stage.picture.height() * stage.picture.width();
    let value = |pixel: usize| -> f64 {
        (0..stage.picture.channels())
            .map(|channel| stage.picture.place(pixel, channel))
            .map(|place| sums[place] * (f64::from(own[place]) - f64::from(filled[place])))
            .sum()
    };
    Ok((0..pixels).map(value).collect())
}
