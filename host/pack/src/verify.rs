//! A packed component, asked its golden rows again.

use wasmtime::component::Component;

use crate::card::Card;
use crate::contract;
use crate::proof::{ProofError, prove};
use crate::sandbox::{Cause, Sandbox};
use crate::stamp::{StampError, read_card};

/// What [`verify`] found to hold.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The component's card.
    pub card: Card,
    /// Rows asked.
    pub rows: usize,
    /// What the component imports.
    pub imports: Vec<String>,
}

/// Why a component is not what its card says.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no card to compare with.
    #[error(transparent)]
    Card(#[from] StampError),
    /// The card has no golden rows.
    #[error(
        "the card of `{0}` has no golden rows, so there is nothing to compare with; pack the model again"
    )]
    NoGolden(String),
    /// The component breaks the function contract.
    #[error("the component {0}")]
    Contract(String),
    /// The component cannot be started.
    #[error("the component cannot be started")]
    Start(#[source] Cause),
    /// The answers differ from the card.
    #[error("the component is not the function its card describes")]
    Proof(#[source] ProofError),
}

/// Runs the golden rows of a packed component, which need not be trusted: it reaches nothing, and its memory and the
/// instructions it may execute are bounded.
///
/// # Errors
/// [`VerifyError`] when it is no function, or answers otherwise than its card says.
pub fn verify(component: &[u8]) -> Result<Verified, VerifyError> {
    let card = read_card(component)?;
    let golden = card
        .golden
        .as_ref()
        .ok_or_else(|| VerifyError::NoGolden(card.name.clone()))?;
    let sandbox = Sandbox::bounded().map_err(VerifyError::Start)?;
    let compiled = sandbox.compile(component).map_err(VerifyError::Start)?;
    let imports = names(&compiled, |ty, engine| {
        ty.imports(engine)
            .map(|(name, _)| name.to_owned())
            .collect()
    });
    let exports = names(&compiled, |ty, engine| {
        ty.exports(engine)
            .map(|(name, _)| name.to_owned())
            .collect()
    });
    contract::check(&imports, &exports).map_err(VerifyError::Contract)?;
    let mut guest = sandbox.start(&compiled).map_err(VerifyError::Start)?;
    prove(
        &mut guest,
        "the component",
        "its card",
        &card.features,
        golden,
    )
    .map_err(VerifyError::Proof)?;
    let rows = golden.rows.len();
    Ok(Verified {
        rows,
        imports,
        card,
    })
}

fn names(
    component: &Component,
    list: impl Fn(&wasmtime::component::types::Component, &wasmtime::Engine) -> Vec<String>,
) -> Vec<String> {
    list(&component.component_type(), component.engine())
}
