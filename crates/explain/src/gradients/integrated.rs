//! Integrated gradients (Sundararajan, Taly & Yan 2017, arXiv:1703.01365): a feature's part of the change along the
//! straight way from a baseline to the row, `(x − b) · ∫ ∂f/∂x (b + t (x − b)) dt`.

use hyaline_model::{Batch, Column, Method, Model, Tensors};

use super::{GradientSource, Gradients};
use crate::{ExplainError, Explanations, OutputSpace, Predict};

/// Points of the midpoint rule.
const POINTS: usize = 50;

/// Where a feature begins and ends on the way.
enum Way {
    Number(f64, f64),
    Tensor(Vec<f64>, Vec<f64>),
}

/// Explains every row of `batch` against the mean of the background rows. What the sum of the attributions misses of the
/// prediction is the residual: the error of the quadrature.
pub(crate) fn explain(
    model: &Model,
    batch: &Batch,
    background: &Batch,
    space: OutputSpace,
) -> Result<Explanations, ExplainError> {
    let features = model.schema().len();
    let baseline = mean_row(model, background)?;
    let base_values = model.answers(&baseline, space)?.values;
    let predictions = if batch.rows() > 0 {
        model.answers(batch, space)?.values
    } else {
        Vec::new()
    };
    let mut attributions = Vec::new();
    let mut source = GradientSource::Backward;
    let mut evaluations = 0;
    for row in 0..batch.rows() {
        let ways = ways(model, &baseline, batch, row)?;
        let points = points(model, &ways);
        // Half the distance of two points: the differences of neighbours meet, and no kink falls between them.
        let steps: Vec<f64> = ways
            .iter()
            .map(|way| match way {
                Way::Number(from, to) => (to - from) / (2 * POINTS) as f64,
                Way::Tensor(..) => 0.0,
            })
            .collect();
        let gradients = model.gradients(&points, space, &steps)?;
        source = gradients.source;
        evaluations += match source {
            GradientSource::Backward => POINTS,
            GradientSource::FiniteDifference => {
                2 * POINTS * steps.iter().filter(|&&step| step != 0.0).count()
            }
        } as u64;
        for (feature, way) in ways.iter().enumerate() {
            attributions.extend(part(model, feature, way, &gradients)?);
        }
    }
    Ok(Explanations {
        exact: false,
        evaluations,
        gradient: Some(source),
        ..Explanations::exact(
            Method::IntegratedGradients,
            space,
            features,
            base_values,
            attributions,
            predictions,
        )
    })
}

/// What feature `feature` gets, one number per output.
fn part(
    model: &Model,
    feature: usize,
    way: &Way,
    gradients: &Gradients,
) -> Result<Vec<f64>, ExplainError> {
    let moves: Vec<f64> = match way {
        Way::Number(from, to) => vec![to - from],
        Way::Tensor(from, to) => to.iter().zip(from).map(|(to, from)| to - from).collect(),
    };
    let outputs = gradients.outputs;
    let mut part = vec![0.0; outputs];
    if moves.iter().all(|&step| step == 0.0) {
        return Ok(part);
    }
    let slopes = &gradients.features[feature];
    if slopes.is_empty() {
        return Err(refused(
            model,
            feature,
            "its slopes are not known: the model has no backward pass that reaches it",
        ));
    }
    for point in slopes.chunks_exact(moves.len() * outputs) {
        for (step, slopes) in moves.iter().zip(point.chunks_exact(outputs)) {
            for (sum, slope) in part.iter_mut().zip(slopes) {
                *sum += step * slope / POINTS as f64;
            }
        }
    }
    Ok(part)
}

fn refused(model: &Model, feature: usize, why: &str) -> ExplainError {
    ExplainError::Unsupported(format!(
        "integrated gradients follow numbers from a baseline to the row; feature `{}`: {why}; ask for method={}",
        model.schema().features()[feature].name,
        Method::Permutation.name()
    ))
}

/// The mean of the background, number by number; missing ones are left out.
fn mean_row(model: &Model, background: &Batch) -> Result<Batch, ExplainError> {
    let columns = background
        .columns()
        .iter()
        .enumerate()
        .map(|(feature, column)| match column {
            Column::Numbers(values) => {
                let known: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
                if known.is_empty() {
                    return Err(refused(model, feature, "no background row has a value"));
                }
                Ok(Column::Numbers(vec![
                    known.iter().sum::<f64>() / known.len() as f64,
                ]))
            }
            Column::Tensors(tensors) => {
                let mut mean = vec![0.0f64; tensors.width()];
                for row in 0..tensors.rows() {
                    for (mean, &value) in mean.iter_mut().zip(tensors.row(row)) {
                        *mean += f64::from(value) / tensors.rows() as f64;
                    }
                }
                let mean = mean.into_iter().map(|value| value as f32).collect();
                let tensors = Tensors::new(tensors.width(), mean);
                Ok(Column::Tensors(tensors.expect("a whole row")))
            }
            Column::Symbols(_) => Err(refused(model, feature, "it is a category")),
            Column::Texts(_) => Err(refused(model, feature, "it is a text")),
        })
        .collect::<Result<Vec<Column>, ExplainError>>()?;
    Ok(Batch::new(model.schema(), columns).expect("one value of the right kind per feature"))
}

fn ways(
    model: &Model,
    baseline: &Batch,
    batch: &Batch,
    row: usize,
) -> Result<Vec<Way>, ExplainError> {
    let columns = baseline.columns().iter().zip(batch.columns()).enumerate();
    columns
        .map(|(feature, columns)| match columns {
            (Column::Numbers(_), Column::Numbers(to)) if to[row].is_nan() => {
                Err(refused(model, feature, "the row has no value"))
            }
            (Column::Numbers(from), Column::Numbers(to)) => Ok(Way::Number(from[0], to[row])),
            (Column::Tensors(from), Column::Tensors(to)) => {
                let wide = |row: &[f32]| row.iter().map(|&x| f64::from(x)).collect();
                Ok(Way::Tensor(wide(from.row(0)), wide(to.row(row))))
            }
            _ => unreachable!("the baseline has only numbers and tensors"),
        })
        .collect()
}

/// The points of the midpoint rule, one row each.
fn points(model: &Model, ways: &[Way]) -> Batch {
    let parts: Vec<f64> = (0..POINTS)
        .map(|point| (point as f64 + 0.5) / POINTS as f64)
        .collect();
    let columns = ways
        .iter()
        .map(|way| match way {
            Way::Number(from, to) => {
                Column::Numbers(parts.iter().map(|t| from + t * (to - from)).collect())
            }
            Way::Tensor(from, to) => {
                let values = parts.iter().flat_map(|t| {
                    from.iter()
                        .zip(to)
                        .map(move |(from, to)| (from + t * (to - from)) as f32)
                });
                let tensors = Tensors::new(from.len(), values.collect());
                Column::Tensors(tensors.expect("whole rows"))
            }
        })
        .collect();
    Batch::new(model.schema(), columns).expect("the columns of the baseline, moved")
}
