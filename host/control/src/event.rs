//! What happened on the control plane.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that an operator wants to know, as a CloudEvents 1.0 JSON document without its `specversion`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up, over restarts too.
    pub id: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// The function, caller or key it is about.
    pub subject: String,
    /// In words.
    pub message: String,
}

/// Kinds of [`Event`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EventKind {
    /// A version was deployed.
    Deployed,
    /// Settings were changed.
    SettingsChanged,
    /// An alias leads elsewhere.
    TrafficChanged,
    /// An alias went back to where it led before.
    RolledBack,
    /// A function was disabled.
    Disabled,
    /// A function was enabled.
    Enabled,
    /// A function or version was deleted.
    Deleted,
    /// An API key was made.
    KeyIssued,
    /// An API key was revoked.
    KeyRevoked,
    /// Spending reached the warning threshold of a budget.
    BudgetWarning,
    /// Spending reached a budget, and calls are stopped.
    BudgetSpent,
    /// Spending was allowed again.
    BudgetResumed,
}
