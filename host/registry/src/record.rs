//! How functions lie in the database: names and numbers as keys, JSON as values.

use std::sync::Arc;

use hyaline_control::{Alias, Digest, Settings, VersionNumber};
use jiff::Timestamp;
use redb::TableDefinition;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::function::{Function, Version};

/// The format of these records. A change that an earlier version of this program would not understand, a new member
/// too, needs a new number.
pub(crate) const FORMAT: u64 = 1;

/// Under [`META_FORMAT`] the format, under [`META_GENERATION`] the number of the last change.
pub(crate) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
pub(crate) const META_FORMAT: &str = "format";
pub(crate) const META_GENERATION: &str = "generation";

/// Name of a function → [`FunctionRecord`].
pub(crate) const FUNCTIONS: TableDefinition<'static, &str, &[u8]> =
    TableDefinition::new("functions");

/// Name of a function and number of a version → [`VersionRecord`].
pub(crate) const VERSIONS: TableDefinition<'static, (&str, u32), &[u8]> =
    TableDefinition::new("versions");

/// Name of a function and number of a version → the version's summary, any JSON.
pub(crate) const SUMMARIES: TableDefinition<'static, (&str, u32), &str> =
    TableDefinition::new("summaries");

/// Name of a function and of an alias → [`Alias`].
pub(crate) const ALIASES: TableDefinition<'static, (&str, &str), &[u8]> =
    TableDefinition::new("aliases");

/// A function without its versions and aliases.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FunctionRecord {
    pub enabled: bool,
    pub settings: Settings,
    pub last: Option<VersionNumber>,
    pub created: Timestamp,
    pub changed: Timestamp,
    pub generation: u64,
}

/// A version without its summary.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionRecord {
    pub digest: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Box<str>>,
    pub created: Timestamp,
}

pub(crate) fn function(function: &Function) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&FunctionRecord {
        enabled: function.enabled,
        settings: Settings::clone(&function.settings),
        last: function.last,
        created: function.created,
        changed: function.changed,
        generation: function.generation,
    })
}

pub(crate) fn version(version: &Version) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&VersionRecord {
        digest: version.digest,
        size: version.size,
        description: version.description.clone(),
        created: version.created,
    })
}

pub(crate) fn alias(alias: &Alias) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(alias)
}

pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json)
}

/// The settings as they come back from the disk; an error when they would not, such as for a budget that is no number.
pub(crate) fn kept(settings: &Settings) -> Result<Arc<Settings>, serde_json::Error> {
    read(&serde_json::to_vec(settings)?).map(Arc::new)
}
