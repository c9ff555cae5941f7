//! Permutation importance.

use hyaline_model::{Batch, Predictions};

use super::{Metric, unsupported, with_column};
use crate::sampling::Random;
use crate::{ExplainError, Predict};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermutationRequest {
    /// What a feature is important for; `None` takes accuracy or R², and without observed answers the change.
    pub metric: Option<Metric>,
    /// How often each feature is shuffled; at least 1.
    pub repeats: usize,
    /// What the orders are drawn from.
    pub seed: u64,
}

/// How much worse answers become when a feature is shuffled among the rows (Breiman 2001, doi:10.1023/A:1010933404324;
/// Fisher, Rudin & Dominici 2019, arXiv:1801.01489).
#[derive(Clone, Debug, PartialEq)]
pub struct PermutationImportance {
    /// What it is measured by.
    pub metric: Metric,
    /// The metric of the rows as they are; 0 for the change.
    pub score: f64,
    /// `[features]`: mean over repeats of how much worse the metric becomes, whichever way it counts. Near 0, or below it
    /// by chance, for a feature that the model does not use.
    pub means: Vec<f64>,
    /// `[features]`: standard deviation over repeats.
    pub deviations: Vec<f64>,
    /// Shuffles of each feature.
    pub repeats: usize,
    /// What the orders were drawn from.
    pub seed: u64,
    /// Model evaluations spent.
    pub evaluations: u64,
}

/// Shuffles every feature of `rows`, whatever its kind. `answers` has what was observed for each row, or nothing.
///
/// # Errors
/// [`ExplainError::Unsupported`] when the metric does not fit the model or the answers; [`ExplainError::Evaluation`] when
/// the model refuses a row.
///
/// # Panics
/// If `repeats` is 0, there are no rows, or there is another number of answers.
pub fn permutation_importance(
    model: &dyn Predict,
    rows: &Batch,
    answers: &[f64],
    request: PermutationRequest,
) -> Result<PermutationImportance, ExplainError> {
    let count = rows.rows();
    assert!(request.repeats > 0 && count > 0, "rows are shuffled");
    assert!(
        answers.is_empty() || answers.len() == count,
        "an answer per row"
    );
    let metric = request
        .metric
        .unwrap_or_else(|| Metric::default_of(model, answers));
    metric.check(model, answers)?;
    let before = model.predict(rows)?;
    if matches!(metric, Metric::R2 | Metric::MeanAbsoluteError) && before.outputs != 1 {
        return unsupported(format!(
            "{} is for one predicted number and this model has {}; ask for metric=prediction-change",
            metric.name(),
            before.outputs
        ));
    }
    let score = metric.of(model, &before, answers);
    let features = model.schema().len();
    let (mut means, mut deviations) = (Vec::new(), Vec::new());
    for feature in 0..features {
        let mut drops = Vec::with_capacity(request.repeats);
        for repeat in 0..request.repeats {
            let mut order: Vec<usize> = (0..count).collect();
            let stream = (feature * request.repeats + repeat) as u64;
            Random::new(request.seed, stream).shuffle(&mut order);
            let column = rows.columns()[feature].select(&order);
            let after = model.predict(&with_column(model.schema(), rows, feature, column))?;
            drops.push(match metric {
                Metric::PredictionChange => mean_change(&before, &after),
                _ if metric.is_loss() => metric.of(model, &after, answers) - score,
                _ => score - metric.of(model, &after, answers),
            });
        }
        let mean = drops.iter().sum::<f64>() / drops.len() as f64;
        let squares = drops.iter().map(|drop| (drop - mean) * (drop - mean));
        deviations.push((squares.sum::<f64>() / drops.len() as f64).sqrt());
        means.push(mean);
    }
    Ok(PermutationImportance {
        metric,
        score,
        means,
        deviations,
        repeats: request.repeats,
        seed: request.seed,
        evaluations: (count * (1 + features * request.repeats)) as u64,
    })
}

fn mean_change(before: &Predictions, after: &Predictions) -> f64 {
    let pairs = before.values.iter().zip(&after.values);
    pairs.map(|(a, b)| (a - b).abs()).sum::<f64>() / before.values.len() as f64
}
