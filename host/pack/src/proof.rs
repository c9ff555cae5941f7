//! Golden rows through every form of the function: the answers must be equal to the bit.

use hyaline_explain::Explainer;
use hyaline_model::{Batch, Model};

use crate::answers::{Answers, Difference};
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
    let answers = Answers::native(model, explainer, batch);
    match &answers.predictions {
        Err(reason) => Err(ProofError::Refused(reason.clone())),
        Ok(_) => Ok(Golden { rows, answers }),
    }
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
    let batch: Vec<_> = columns(features, &golden.rows)?
        .into_iter()
        .map(typed::Column::from)
        .collect();
    let found =
        Answers::of(guest, &batch).map_err(|source| ProofError::Trapped { form, source })?;
    match golden.answers.difference(&found) {
        None => Ok(()),
        Some(difference) => Err(ProofError::Differs {
            form,
            reference,
            difference,
        }),
    }
}
