//! Importance as the mean size of attributions.

use hyaline_model::{Batch, Method, Model};

use super::{evenly_spaced, unsupported};
use crate::{ExplainError, Explainer, OutputSpace, Request};

/// Rows explained at a time.
const ROWS: usize = 128;

/// Most model evaluations of an explainer that enumerates coalitions.
const EVALUATIONS: usize = 1 << 21;

/// Fewest rows whose mean says something.
const FEWEST: usize = 20;

/// The mean absolute attribution of each feature, by an exact method (Lundberg et al. 2020,
/// doi:10.1038/s42256-019-0138-9).
#[derive(Clone, Debug, PartialEq)]
pub struct MeanAttributions {
    /// How rows were explained.
    pub method: Method,
    /// The unit.
    pub space: OutputSpace,
    /// Numbers per feature.
    pub outputs: usize,
    /// `[features, outputs]`.
    pub values: Vec<f64>,
    /// Rows explained: all, or as many, evenly spaced, as enumeration allows.
    pub rows: usize,
    /// Model evaluations spent.
    pub evaluations: u64,
}

/// Explains `rows` by the explainer's own method and averages.
///
/// # Errors
/// [`ExplainError::Unsupported`] when the method is no exact one, or enumerates too many coalitions to explain 20 rows;
/// otherwise as [`Explainer::explain`].
pub fn mean_attributions(
    model: &Model,
    explainer: &Explainer,
    rows: &Batch,
) -> Result<MeanAttributions, ExplainError> {
    let exact = explainer.default_method().filter(|method| {
        matches!(
            method,
            Method::Interventional | Method::PathDependent | Method::Linear | Method::Enumeration
        )
    });
    let Some(method) = exact else {
        return unsupported(
            "mean attributions need an exact explainer, which this model does not have; ask for method=permutation"
                .to_owned(),
        );
    };
    let mut most = rows.rows();
    if method == Method::Enumeration {
        let background = model.parts().background.as_ref().map_or(1, Batch::rows);
        let per_row = background.saturating_mul(1 << model.schema().len().min(40));
        most = EVALUATIONS / per_row;
        if most < FEWEST.min(rows.rows()) {
            return unsupported(format!(
                "explaining {FEWEST} rows by enumeration takes {} model evaluations; ask for method=permutation",
                per_row.saturating_mul(FEWEST)
            ));
        }
    }
    let chosen = evenly_spaced(rows.rows(), most);
    let mut sums: Option<MeanAttributions> = None;
    for chunk in chosen.chunks(ROWS) {
        let request = Request {
            method: Some(method),
            ..Request::default()
        };
        let explained = explainer.explain(model, &rows.select(chunk), request)?;
        let width = explained.features * explained.outputs;
        let sums = sums.get_or_insert_with(|| MeanAttributions {
            method,
            space: explained.space,
            outputs: explained.outputs,
            values: vec![0.0; width],
            rows: chosen.len(),
            evaluations: 0,
        });
        sums.evaluations += explained.evaluations;
        for row in explained.attributions.chunks_exact(width) {
            let pairs = sums.values.iter_mut().zip(row);
            pairs.for_each(|(sum, value)| *sum += value.abs());
        }
    }
    let Some(mut means) = sums else {
        return unsupported("there are no reference rows to explain".to_owned());
    };
    let count = chosen.len() as f64;
    means.values.iter_mut().for_each(|value| *value /= count);
    Ok(means)
}
