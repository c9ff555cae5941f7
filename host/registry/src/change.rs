//! Changes of one function, as pure computations: a function before, a function after.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyaline_control::FunctionName;
use hyaline_control::{Alias, AliasName, Digest, Settings, Traffic, VersionNumber};
use jiff::Timestamp;

use crate::error::ChangeError;
use crate::function::{Function, Version};

/// How many earlier traffics an alias remembers.
pub const EARLIER: usize = 16;

/// A new version of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// The component. It must be in the store.
    pub component: Digest,
    /// What the deployer says about it.
    pub description: Option<String>,
    /// What is known about the component; kept as it is.
    pub summary: serde_json::Value,
    /// What the function's settings become, in the same transaction. `None`: they stay, and a new function has none.
    pub settings: Option<Settings>,
    /// Whether calls go to it at once.
    pub promote: Promote,
}

impl Deployment {
    /// The component as a version without a description, which gets all calls at once.
    pub fn of(component: Digest) -> Self {
        Deployment {
            component,
            description: None,
            summary: serde_json::Value::Null,
            settings: None,
            promote: Promote::Live,
        }
    }
}

/// Whether a new version gets calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promote {
    /// `live` leads to it, and to nothing else, from the moment it is there.
    Live,
    /// No alias leads to it yet.
    Later,
}

/// What a deployment came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// The version that has the component.
    pub version: VersionNumber,
    /// Whether it is new. The newest version is not made again when the same component is deployed once more.
    pub is_new: bool,
}

/// What a deployment brings, checked and in the form in which it is kept.
pub(crate) struct Prepared {
    pub digest: Digest,
    pub size: u64,
    pub description: Option<Box<str>>,
    pub summary: Box<str>,
    pub settings: Option<Arc<Settings>>,
    pub promote: Promote,
}

impl Function {
    /// A function without versions.
    pub(crate) fn new(name: FunctionName, now: Timestamp) -> Self {
        Function {
            name,
            enabled: true,
            settings: Arc::default(),
            versions: BTreeMap::new(),
            aliases: BTreeMap::new(),
            last: None,
            created: now,
            changed: now,
            generation: 0,
        }
    }

    pub(crate) fn deploy(
        &mut self,
        new: Prepared,
        now: Timestamp,
    ) -> Result<Deployed, ChangeError> {
        if let Some(settings) = new.settings {
            self.settings = settings;
        }
        let same = self.latest().filter(|latest| latest.digest == new.digest);
        let deployed = match same {
            Some(latest) => Deployed {
                version: latest.number,
                is_new: false,
            },
            None => {
                let number = match self.last {
                    None => VersionNumber::FIRST,
                    Some(last) => last.next().ok_or_else(|| ChangeError::Exhausted {
                        function: self.name.clone(),
                    })?,
                };
                let version = Version {
                    number,
                    digest: new.digest,
                    size: new.size,
                    description: new.description,
                    created: now,
                    summary: new.summary,
                };
                self.versions.insert(number, Arc::new(version));
                self.last = Some(number);
                Deployed {
                    version: number,
                    is_new: true,
                }
            }
        };
        if new.promote == Promote::Live {
            self.lead(&AliasName::live(), Traffic::all_to(deployed.version));
        }
        Ok(deployed)
    }

    pub(crate) fn set_alias(
        &mut self,
        alias: &AliasName,
        traffic: Traffic,
    ) -> Result<(), ChangeError> {
        for version in traffic.versions() {
            self.require(version)?;
        }
        self.lead(alias, traffic);
        Ok(())
    }

    pub(crate) fn rollback(&mut self, name: &AliasName) -> Result<Traffic, ChangeError> {
        let alias = self.required_alias(name)?;
        let mut earlier = alias.earlier.iter();
        let Some(traffic) = earlier.next().cloned() else {
            return Err(ChangeError::NothingEarlier {
                function: self.name.clone(),
                alias: name.clone(),
            });
        };
        let alias = Alias {
            traffic: traffic.clone(),
            earlier: earlier.cloned().collect(),
        };
        self.aliases.insert(name.clone(), Arc::new(alias));
        Ok(traffic)
    }

    pub(crate) fn delete_alias(&mut self, alias: &AliasName) -> Result<(), ChangeError> {
        self.required_alias(alias)?;
        if *alias == AliasName::live() {
            return Err(ChangeError::Live {
                function: self.name.clone(),
            });
        }
        self.aliases.remove(alias);
        Ok(())
    }

    pub(crate) fn delete_version(&mut self, version: VersionNumber) -> Result<(), ChangeError> {
        self.require(version)?;
        let leads = |alias: &Alias| alias.traffic.versions().any(|other| other == version);
        if let Some((alias, _)) = self.aliases.iter().find(|(_, alias)| leads(alias)) {
            return Err(ChangeError::InUse {
                function: self.name.clone(),
                version,
                alias: alias.clone(),
            });
        }
        self.versions.remove(&version);
        for alias in self.aliases.values_mut() {
            let forgets = |traffic: &Traffic| traffic.versions().any(|other| other == version);
            if alias.earlier.iter().any(forgets) {
                let alias = Arc::make_mut(alias);
                alias.earlier.retain(|traffic| !forgets(traffic));
                let current = alias.traffic.clone();
                alias.earlier = distinct(&current, std::mem::take(&mut alias.earlier));
            }
        }
        Ok(())
    }

    /// Leads an alias elsewhere and remembers where it led.
    fn lead(&mut self, name: &AliasName, traffic: Traffic) {
        let earlier = match self.aliases.get(name) {
            Some(alias) if alias.traffic == traffic => return,
            Some(alias) => std::iter::once(&alias.traffic)
                .chain(&alias.earlier)
                .take(EARLIER)
                .cloned()
                .collect(),
            None => Vec::new(),
        };
        self.aliases
            .insert(name.clone(), Arc::new(Alias { traffic, earlier }));
    }

    fn require(&self, version: VersionNumber) -> Result<(), ChangeError> {
        if self.versions.contains_key(&version) {
            return Ok(());
        }
        Err(ChangeError::UnknownVersion {
            function: self.name.clone(),
            version,
            known: self.versions.keys().copied().collect(),
        })
    }

    fn required_alias(&self, alias: &AliasName) -> Result<&Arc<Alias>, ChangeError> {
        self.aliases
            .get(alias)
            .ok_or_else(|| ChangeError::UnknownAlias {
                function: self.name.clone(),
                alias: alias.clone(),
            })
    }
}

/// The traffics without those that are the same as the one after them, so that every rollback changes something.
fn distinct(current: &Traffic, earlier: Vec<Traffic>) -> Vec<Traffic> {
    let mut kept: Vec<Traffic> = Vec::with_capacity(earlier.len());
    for traffic in earlier {
        if kept.last().unwrap_or(current) != &traffic {
            kept.push(traffic);
        }
    }
    kept
}
