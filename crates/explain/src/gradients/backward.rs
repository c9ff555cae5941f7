//! Slopes by the model's own backward pass.

use hyaline_model::graph::{EvalError, Gradient, GradientError};
use hyaline_model::{Batch, Head, Model};

use super::{GradientSource, Gradients};
use crate::OutputSpace;

/// Slopes of what [`crate::Predict::answers`] answers in `space`; `None` where an operator on the way has no derivative,
/// or the space is that of margins.
///
/// # Errors
/// [`EvalError`] when the model refuses a row.
pub(crate) fn backward(
    model: &Model,
    batch: &Batch,
    space: OutputSpace,
) -> Result<Option<Gradients>, EvalError> {
    if space == OutputSpace::Margin {
        return Ok(None);
    }
    let (value, count) = match &model.parts().head {
        Head::Regression { value, targets } => (*value, targets.len()),
        Head::Classification { scores, labels, .. } => (*scores, labels.len()),
    };
    let gradient = |output| model.graph().gradient(batch, value, output);
    let found = match (&model.parts().head, count) {
        (Head::Classification { .. }, 2) => of_two(model.parts().positive as usize, &gradient),
        _ => (0..count).map(gradient).collect(),
    };
    match found {
        Ok(found) => Ok(Some(joined(&found))),
        Err(GradientError::Evaluation(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The slopes of the positive class of two. Where only class 1 has a score, class 0 has what is missing to 1, or its
/// negative.
fn of_two(
    positive: usize,
    gradient: &dyn Fn(usize) -> Result<Gradient, GradientError>,
) -> Result<Vec<Gradient>, GradientError> {
    let found = match gradient(1) {
        Err(GradientError::Output { .. }) => {
            let mut only = gradient(0)?;
            if positive == 0 {
                let slopes = only.features.iter_mut().flatten().flatten();
                slopes.for_each(|slope| *slope = -*slope);
            }
            only
        }
        Ok(found) if positive == 1 => found,
        Ok(_) => gradient(positive)?,
        Err(error) => return Err(error),
    };
    Ok(vec![found])
}

/// One gradient per output as one.
fn joined(found: &[Gradient]) -> Gradients {
    let features = (0..found[0].features.len())
        .map(|feature| {
            let slopes: Option<Vec<&Vec<f64>>> = found
                .iter()
                .map(|gradient| gradient.features[feature].as_ref())
                .collect();
            let Some(slopes) = slopes else {
                return Vec::new();
            };
            (0..slopes[0].len())
                .flat_map(|at| slopes.iter().map(move |slopes| slopes[at]))
                .collect()
        })
        .collect();
    Gradients {
        outputs: found.len(),
        source: GradientSource::Backward,
        features,
    }
}
