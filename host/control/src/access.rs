//! Who may call, and how often.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::{CallerName, FunctionName};

/// Who may call a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Whether a call needs an API key or a token. Without both, anybody who reaches the port may call.
    pub required: bool,
    /// Tokens that are taken besides API keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jwt: Vec<Jwt>,
}

/// An issuer of JSON Web Tokens (RFC 7519) and what its tokens must say. Signatures: RS256, ES256, EdDSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be, or contain.
    pub audience: String,
    /// Where the issuer's keys are.
    pub keys: KeySource,
    /// The claim that says who calls; `sub` unless given.
    #[serde(default = "subject", skip_serializing_if = "is_subject")]
    pub caller_claim: String,
    /// Seconds by which clocks may differ, for `exp` and `nbf`.
    #[serde(default = "minute")]
    pub leeway_seconds: u64,
}

fn subject() -> String {
    "sub".into()
}

fn is_subject(claim: &str) -> bool {
    claim == "sub"
}

fn minute() -> u64 {
    60
}

/// Where a JSON Web Key Set (RFC 7517) is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeySource {
    /// In a file of the host.
    File(String),
    /// Behind a URL; fetched again when a token names a key that is not known, at most once a minute.
    Url(String),
}

/// Calls per time: a bucket that refills steadily.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls.
    pub requests: u32,
    /// In so many seconds.
    pub seconds: u32,
    /// Calls that may come at once; `requests` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
}

/// Calls per calendar period (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Calls.
    pub requests: u64,
    /// In each.
    pub period: Period,
}

/// A calendar period in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// From midnight.
    Day,
    /// From the first of the month.
    Month,
    /// Never begins again.
    Total,
}

/// What a new API key may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// What its calls are recorded under; unique among the keys that are not revoked.
    pub name: CallerName,
    /// Functions it may call; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub functions: Option<Vec<FunctionName>>,
    /// Whether it opens the control plane. Such a key may do everything.
    #[serde(default)]
    pub control: bool,
    /// How fast it may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// How much it may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<Quota>,
    /// What its calls may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<crate::Budget>,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// An API key as the host keeps it: not the secret, which only its holder has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// What it may do.
    #[serde(flatten)]
    pub grant: KeyRequest,
    /// First characters of the secret, by which people recognise it.
    pub prefix: String,
    /// When it was made.
    pub created: Timestamp,
}

/// A new API key, said once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssuedKey {
    /// What it may do.
    #[serde(flatten)]
    pub key: ApiKey,
    /// The secret, for `x-api-key` or `Authorization: Bearer`. The host keeps only its hash.
    pub secret: String,
}
