//! How the control API refuses.

use serde::{Deserialize, Serialize};

/// A refusal of the control API, as RFC 9457 (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which kind of refusal: a name under `urn:hyaline:problem:`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong here, and the remedy.
    pub detail: String,
}
