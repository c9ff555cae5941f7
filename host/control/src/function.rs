//! Functions and versions as the control API shows them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::{AliasName, Digest, FunctionName, VersionNumber};
use crate::settings::Settings;
use crate::traffic::Alias;

/// A function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionDocument {
    /// Its name.
    pub name: FunctionName,
    /// Whether it answers calls, and if not, why.
    pub state: FunctionState,
    /// What is set for it.
    pub settings: Settings,
    /// Its versions, the oldest first.
    pub versions: Vec<VersionDocument>,
    /// Its aliases; routes lead to `live`.
    pub aliases: BTreeMap<AliasName, Alias>,
    /// When its first version was deployed.
    pub created: Timestamp,
    /// When anything of it last changed.
    pub changed: Timestamp,
}

/// Whether a function answers calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionState {
    /// It does.
    Enabled,
    /// An operator has disabled it; calls are answered 503.
    Disabled,
    /// It has spent its budget; calls are answered 402 until the period ends, the budget grows or it is resumed.
    OutOfBudget,
}

/// A version: a component, and what is known about it. Never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionDocument {
    /// Its number.
    pub version: VersionNumber,
    /// The SHA-256 of the component.
    pub digest: Digest,
    /// Bytes of the component.
    pub size: u64,
    /// What the deployer says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was deployed.
    pub created: Timestamp,
}
