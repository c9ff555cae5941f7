//! Slopes of a model that only answers.

use hyaline_model::graph::EvalError;
use hyaline_model::{Batch, Column, Schema};

use super::{GradientSource, Gradients};
use crate::Answers;

/// Rows per model call.
const ROWS_PER_CALL: usize = 4096;

/// Slopes `(f(x + h) − f(x − h)) / 2h` at every row of `batch`, feature by feature, many at a time. `steps` is `h` per
/// feature; a feature with 0 has the slope 0 and costs nothing, and one that is no number has none.
///
/// # Errors
/// [`EvalError`] when the model refuses a row.
///
/// # Panics
/// If there is not one step per feature.
pub fn differences(
    schema: &Schema,
    batch: &Batch,
    steps: &[f64],
    answers: &dyn Fn(&Batch) -> Result<Answers, EvalError>,
) -> Result<Gradients, EvalError> {
    assert_eq!(steps.len(), schema.len(), "a step per feature");
    let rows = batch.rows();
    let number = |feature: usize| matches!(batch.columns()[feature], Column::Numbers(_));
    let moved: Vec<usize> = (0..schema.len())
        .filter(|&feature| steps[feature] != 0.0 && number(feature))
        .collect();
    let mut outputs = 0;
    let mut features = vec![Vec::new(); schema.len()];
    for chunk in moved.chunks((ROWS_PER_CALL / (2 * rows).max(1)).max(1)) {
        let answer = answers(&both_sides(schema, batch, chunk, steps))?;
        outputs = answer.outputs;
        for (sides, &feature) in answer.values.chunks_exact(2 * rows * outputs).zip(chunk) {
            let (above, below) = sides.split_at(rows * outputs);
            features[feature] = above
                .iter()
                .zip(below)
                .map(|(above, below)| (above - below) / (2.0 * steps[feature]))
                .collect();
        }
    }
    if outputs == 0 {
        outputs = answers(batch)?.outputs;
    }
    for (feature, slopes) in features.iter_mut().enumerate() {
        if slopes.is_empty() && number(feature) {
            *slopes = vec![0.0; rows * outputs];
        }
    }
    Ok(Gradients {
        outputs,
        source: GradientSource::FiniteDifference,
        features,
    })
}

/// For each of the `moved` features, all rows with it a step further, then all with it a step back.
fn both_sides(schema: &Schema, batch: &Batch, moved: &[usize], steps: &[f64]) -> Batch {
    let rows = batch.rows();
    let repeated: Vec<usize> = (0..2 * moved.len()).flat_map(|_| 0..rows).collect();
    let columns = batch
        .columns()
        .iter()
        .enumerate()
        .map(|(feature, column)| {
            let mut column = column.select(&repeated);
            if let Some(place) = moved.iter().position(|&other| other == feature)
                && let Column::Numbers(values) = &mut column
            {
                let (above, below) = values[2 * rows * place..][..2 * rows].split_at_mut(rows);
                above.iter_mut().for_each(|value| *value += steps[feature]);
                below.iter_mut().for_each(|value| *value -= steps[feature]);
            }
            column
        })
        .collect();
    Batch::new(schema, columns).expect("the columns of a batch of the schema, repeated")
}
