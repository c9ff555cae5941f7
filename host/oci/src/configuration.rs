//! The configuration of a Wasm artefact.

use hyaline_control::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The configuration of a Wasm artefact, `application/vnd.wasm.config.v0+json` (tag-runtime.cncf.io, "Wasm OCI
/// Artifact layout"). Members it does not know are ignored, as the layout may grow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WasmConfiguration {
    /// When it was made.
    pub created: Timestamp,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// `wasm`.
    pub architecture: String,
    /// `wasip2` for components.
    pub os: String,
    /// The digests of the layers, in the manifest's order.
    #[serde(default)]
    pub layer_digests: Vec<Digest>,
    /// What the component imports and exports. Present in every component's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Interface>,
}

/// What a component imports and exports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Names of its exports.
    #[serde(default)]
    pub exports: Vec<String>,
    /// Names of its imports.
    #[serde(default)]
    pub imports: Vec<String>,
    /// The world it is made for, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// The architecture of every Wasm artefact.
pub(crate) const ARCHITECTURE: &str = "wasm";
/// What the layout calls the operating system of a component.
pub(crate) const OS: &str = "wasip2";
