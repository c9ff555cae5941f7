//! Golden rows through every form of the function: the answers must be equal to the bit.

use hyaline_explain::Explainer;
use hyaline_model::{Batch, Model};

use crate::answers::{Answers, Difference, Draw};
use crate::card::{FeatureCard, Golden, Row, RowError, columns};
use crate::sandbox::{Cause, Guest, typed};

/// Why a component is not written.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// A golden row the typed door cannot take.
    #[error(transparent)]
    Row(#[from] RowError),
    /// A form of the function trapped.
    #[error("{form} traps on the golden rows")]
    Trapped {
        /// Which form.
        form: &'static str,
        /// The trap.
        source: Cause,
    },
    /// The model refuses rows of its own reference data.
    #[error("the model refuses its own reference rows: {0}")]
    Refused(String),
    /// Two forms of the function disagree.
    #[error(
        "{form} differs from {reference} at `{}`: {} instead of {}; nothing was written, because a function that \
         explains another model than the one it was made of is worse than none",
        .difference.place, .difference.found, .difference.expected
    )]
    Differs {
        /// The form that was tried.
        form: &'static str,
        /// The form it must equal.
        reference: &'static str,
        /// The first difference.
        difference: Difference,
    },
}

/// Answers `rows` natively; `batch` holds the same rows.
///
/// # Errors
/// [`ProofError::Refused`] when the model cannot answer them: such a function would be of no use.
pub(crate) fn golden(
    model: &Model,
    explainer: &Explainer,
    batch: &Batch,
    rows: Vec<Row>,
) -> Result<Golden, ProofError> {
    let draw = draw(model, explainer);
    let answers = Answers::native(model, explainer, batch, draw.as_ref());
    match &answers.predictions {
        Err(reason) => Err(ProofError::Refused(reason.clone())),
        Ok(_) => Ok(Golden {
            rows,
            draw,
            answers,
        }),
    }
}

/// Coalitions that a sampled explanation of a golden row draws: few, because every form of the function draws them again.
const SAMPLES: u32 = 128;

/// Any seed but the one that a request without a seed has.
const SEED: u64 = 1;

/// How the model's sampled explanations are proven; `None` when it has no sampled method, or nothing to draw.
fn draw(model: &Model, explainer: &Explainer) -> Option<Draw> {
    if model.schema().len() < 2 {
        return None;
    }
    let mut methods = explainer.methods(model).into_iter();
    let method = methods.find(|method| method.is_sampled())?;
    Some(Draw {
        method: method.name().to_owned(),
        seed: SEED,
        samples: SAMPLES,
    })
}

/// Checks that `guest` gives the golden answers.
///
/// # Errors
/// [`ProofError`] with the first difference.
pub(crate) fn prove(
    guest: &mut Guest,
    form: &'static str,
    reference: &'static str,
    features: &[FeatureCard],
    golden: &Golden,
) -> Result<(), ProofError> {
    let typed = |rows| -> Result<Vec<_>, ProofError> {
        let columns = columns(features, rows)?;
        Ok(columns.into_iter().map(typed::Column::from).collect())
    };
    let batch = typed(&golden.rows)?;
    let first = typed(&golden.rows[..golden.rows.len().min(1)])?;
    let found = Answers::of(guest, &batch, &first, golden.draw.as_ref())
        .map_err(|source| ProofError::Trapped { form, source })?;
    match golden.answers.difference(&found) {
        None => Ok(()),
        Some(difference) => Err(ProofError::Differs {
            form,
            reference,
            difference,
        }),
    }
}
