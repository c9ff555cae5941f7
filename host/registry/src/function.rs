//! A function and its versions, as the catalog has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyaline_control::{
    Alias, AliasName, Digest, FunctionDocument, FunctionName, FunctionState, Qualifier, Settings,
    VersionDocument, VersionNumber,
};
use jiff::Timestamp;

/// A function at one moment. It never changes; a change makes another one, which shares the parts that stay.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    pub(crate) name: FunctionName,
    pub(crate) enabled: bool,
    pub(crate) settings: Arc<Settings>,
    pub(crate) versions: BTreeMap<VersionNumber, Arc<Version>>,
    pub(crate) aliases: BTreeMap<AliasName, Arc<Alias>>,
    /// The highest number any version had, so that none is used again; `None` before the first version.
    pub(crate) last: Option<VersionNumber>,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
    pub(crate) generation: u64,
}

impl Function {
    /// Its name.
    pub fn name(&self) -> &FunctionName {
        &self.name
    }

    /// Whether an operator lets it answer calls.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// What is set for it.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// A version. O(log n).
    pub fn version(&self, version: VersionNumber) -> Option<&Arc<Version>> {
        self.versions.get(&version)
    }

    /// Its versions, the oldest first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = &Arc<Version>> + ExactSizeIterator {
        self.versions.values()
    }

    /// The newest version that was not deleted.
    pub fn latest(&self) -> Option<&Arc<Version>> {
        self.versions.values().next_back()
    }

    /// An alias. `live` is absent until a version is promoted.
    pub fn alias(&self, alias: &AliasName) -> Option<&Arc<Alias>> {
        self.aliases.get(alias)
    }

    /// Its aliases, ordered by name.
    pub fn aliases(&self) -> impl Iterator<Item = (&AliasName, &Arc<Alias>)> {
        self.aliases.iter()
    }

    /// The version that a call goes to, for a number that is uniform over all 64-bit numbers; see
    /// [`Traffic::choose`](hyaline_control::Traffic::choose). `None` when there is no such alias or version.
    pub fn choose(&self, qualifier: &Qualifier, uniform: u64) -> Option<&Arc<Version>> {
        let version = match qualifier {
            Qualifier::Version(version) => *version,
            Qualifier::Alias(alias) => self.aliases.get(alias)?.traffic.choose(uniform),
        };
        self.versions.get(&version)
    }

    /// When its first version was deployed.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// When anything of it last changed, by the clock of that moment.
    pub fn changed(&self) -> Timestamp {
        self.changed
    }

    /// The number of the change that made it what it is: no two states of any function in a directory have the same,
    /// not even of functions deleted and made again. Good as an entity tag.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What the control API shows of it. The caller says the state, since the registry does not know of budgets.
    pub fn document(&self, state: FunctionState) -> FunctionDocument {
        FunctionDocument {
            name: self.name.clone(),
            state,
            settings: Settings::clone(&self.settings),
            versions: self.versions().map(|version| version.document()).collect(),
            aliases: self
                .aliases()
                .map(|(name, alias)| (name.clone(), Alias::clone(alias)))
                .collect(),
            created: self.created,
            changed: self.changed,
        }
    }
}

/// A version: a component, and what is known about it. Never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub(crate) number: VersionNumber,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) description: Option<Box<str>>,
    pub(crate) created: Timestamp,
    pub(crate) summary: Box<str>,
}

impl Version {
    /// Its number.
    pub fn number(&self) -> VersionNumber {
        self.number
    }

    /// The SHA-256 of the component.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Bytes of the component.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What the deployer says about it.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// When it was deployed.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// What was learnt about the component when it was deployed, as the text of a JSON value; `null` if nothing was.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// What the control API shows of it.
    pub fn document(&self) -> VersionDocument {
        VersionDocument {
            version: self.number,
            digest: self.digest,
            size: self.size,
            description: self.description.as_deref().map(str::to_owned),
            created: self.created,
        }
    }
}
