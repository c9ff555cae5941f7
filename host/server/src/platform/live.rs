//! A function as calls find it: its settings compiled, its versions with a place in memory each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyaline_control::{
    AliasName, FunctionName, LimitSettings, Qualifier, Settings, StickyKey, Traffic, VersionNumber,
};
use hyaline_gateway::{
    AccessError, CorsError, CrossOrigin, FunctionLimit, Gate, Issuers, MappingError, Mappings,
    RateError,
};
use hyaline_registry::Function;
use hyaline_runtime::{
    AllowedHosts, AllowedHostsError, Limits, MOST_TABLE_ELEMENTS, Policy, Reuse,
};
use sha2::{Digest as _, Sha256};

use super::slot::Slot;
use super::summary::Summary;
use crate::configuration::Document;
use crate::data::{Admission, Capacity, Route, RouteError};

/// What settings are compiled against.
pub(crate) struct Defaults {
    limits: Limits,
    capacity: Capacity,
    body: u64,
    most: Limits,
    places: u32,
    issuers: Arc<Issuers>,
}

/// Settings that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("`routes`")]
    Route(#[from] RouteError),
    #[error("`allowed_outbound_hosts`")]
    Outbound(#[from] AllowedHostsError),
    #[error("`access`")]
    Access(#[from] AccessError),
    #[error("`rate`")]
    Rate(#[from] RateError),
    #[error("`cors`")]
    Cors(#[from] CorsError),
    #[error("`mapping`")]
    Mapping(#[from] MappingError),
    #[error("`{key}` is {value}; it must lie between 1 and {most}")]
    Limit {
        key: &'static str,
        value: u64,
        most: u64,
    },
}

/// A function as calls find it.
pub(crate) struct Live {
    function: Arc<Function>,
    pub(crate) rules: Rules,
    pub(crate) admission: Arc<Admission>,
    /// By version, the oldest first.
    slots: Box<[Arc<Slot>]>,
    /// Calls without a sticky key so far.
    turn: AtomicU64,
}

/// A function's settings, ready for calls.
pub(crate) struct Rules {
    pub(crate) gate: Gate,
    pub(crate) rate: Option<Arc<FunctionLimit>>,
    pub(crate) cross_origin: Option<CrossOrigin>,
    pub(crate) mappings: Option<Mappings>,
    pub(crate) policy: Policy,
    pub(crate) body_limit: usize,
    pub(crate) routes: Vec<Route>,
    capacity: Capacity,
}

impl Rules {
    /// Compiles settings. A rate that was there before goes on counting.
    pub(crate) fn compile(
        name: &FunctionName,
        settings: &Settings,
        defaults: &Defaults,
        before: Option<&Live>,
    ) -> Result<Self, SettingsError> {
        let rate = match settings.rate {
            None => None,
            Some(rate) => Some(
                match before.filter(|live| live.settings().rate == Some(rate)) {
                    Some(Live {
                        rules:
                            Rules {
                                rate: Some(limit), ..
                            },
                        ..
                    }) => limit.clone(),
                    _ => Arc::new(FunctionLimit::new(rate)?),
                },
            ),
        };
        Ok(Rules {
            gate: Gate::new(&settings.access, &defaults.issuers)?,
            rate,
            cross_origin: settings.cors.as_ref().map(CrossOrigin::new).transpose()?,
            mappings: settings.mapping.as_ref().map(Mappings::new).transpose()?,
            policy: Policy {
                limits: defaults.limits(&settings.limits)?,
                outbound: AllowedHosts::parse(&settings.allowed_outbound_hosts)?,
                meter: None,
                reuse: settings.reuse.map(|reuse| Reuse {
                    requests: reuse.requests,
                    idle: Duration::from_millis(reuse.idle_ms),
                }),
            },
            body_limit: defaults.body(&settings.limits)?,
            routes: routes(name, settings)?,
            capacity: defaults.capacity(&settings.limits)?,
        })
    }
}

impl Defaults {
    pub(crate) fn new(document: &Document, issuers: Arc<Issuers>) -> Self {
        let limits = document.limits.runtime();
        Defaults {
            capacity: Capacity {
                places: document.limits.concurrency.min(document.concurrency),
                queue: document.limits.queue,
                wait: Duration::from_millis(document.queue_wait_ms),
            },
            body: document.limits.body_bytes,
            most: Limits {
                deadline: Duration::from_millis(900_000),
                memory: 4096 << 20,
                table_elements: MOST_TABLE_ELEMENTS,
                ..limits.clone()
            },
            limits,
            places: document.concurrency,
            issuers,
        }
    }

    fn limits(&self, settings: &LimitSettings) -> Result<Limits, SettingsError> {
        let within = |key, value: Option<u64>, most: u64, otherwise: u64| match value {
            None => Ok(otherwise),
            Some(value) if (1..=most).contains(&value) => Ok(value),
            Some(value) => Err(SettingsError::Limit { key, value, most }),
        };
        let millis = |duration: Duration| duration.as_millis() as u64;
        let deadline = within(
            "limits.deadline_ms",
            settings.deadline_ms,
            millis(self.most.deadline),
            millis(self.limits.deadline),
        )?;
        let memory = within(
            "limits.memory_mib",
            settings.memory_mib,
            self.most.memory >> 20,
            self.limits.memory >> 20,
        )?;
        let table_elements = within(
            "limits.table_elements",
            settings.table_elements,
            self.most.table_elements,
            self.limits.table_elements,
        )?;
        if let Some(0) = settings.fuel {
            return Err(SettingsError::Limit {
                key: "limits.fuel",
                value: 0,
                most: u64::MAX,
            });
        }
        Ok(Limits {
            deadline: Duration::from_millis(deadline),
            memory: memory << 20,
            table_elements,
            fuel: settings.fuel,
        })
    }

    fn capacity(&self, settings: &LimitSettings) -> Result<Capacity, SettingsError> {
        let places = settings.concurrency.unwrap_or(self.capacity.places);
        if places == 0 || places > self.places {
            return Err(SettingsError::Limit {
                key: "limits.concurrency",
                value: places.into(),
                most: self.places.into(),
            });
        }
        Ok(Capacity {
            places,
            queue: settings.queue.unwrap_or(self.capacity.queue),
            wait: settings
                .queue_wait_ms
                .map_or(self.capacity.wait, Duration::from_millis),
        })
    }

    fn body(&self, settings: &LimitSettings) -> Result<usize, SettingsError> {
        let most = 1 << 30;
        match settings.body_bytes.unwrap_or(self.body) {
            value if (1..=most).contains(&value) => Ok(value as usize),
            value => Err(SettingsError::Limit {
                key: "limits.body_bytes",
                value,
                most,
            }),
        }
    }
}

/// The routes of a function: those of its settings, else the one of its name.
pub(crate) fn routes(name: &FunctionName, settings: &Settings) -> Result<Vec<Route>, RouteError> {
    if settings.routes.is_empty() {
        return Ok(vec![Route::parse(&format!("/{name}/..."))?]);
    }
    settings
        .routes
        .iter()
        .map(|route| Route::parse(route))
        .collect()
}

impl Live {
    /// Compiles a function's settings. What the function before it holds and still fits is taken over: loaded versions,
    /// places of running calls, rates.
    pub(crate) fn new(
        function: Arc<Function>,
        defaults: &Defaults,
        before: Option<&Live>,
    ) -> Result<Self, SettingsError> {
        let rules = Rules::compile(function.name(), function.settings(), defaults, before)?;
        let admission = match before.filter(|live| live.admission.capacity() == rules.capacity) {
            Some(live) => live.admission.clone(),
            None => Arc::new(Admission::new(rules.capacity)),
        };
        let fuel = rules.policy.limits.fuel.is_some();
        let slots = function.versions().map(|version| {
            let kept = before.and_then(|live| live.slot(version.number()));
            match kept.filter(|slot| slot.digest() == version.digest() && slot.burns_fuel() == fuel)
            {
                Some(slot) => slot.clone(),
                None => Arc::new(Slot::new(
                    function.name().clone(),
                    version.number(),
                    *version.digest(),
                    fuel,
                    rules.policy.clone(),
                )),
            }
        });
        let live = Live {
            slots: slots.collect(),
            turn: AtomicU64::new(before.map_or(0, |live| live.turn.load(Relaxed))),
            rules,
            admission,
            function,
        };
        if before.is_some_and(|before| before.settings() != live.settings()) {
            live.slots
                .iter()
                .for_each(|slot| slot.adopt(&live.rules.policy));
        }
        Ok(live)
    }

    pub(crate) fn name(&self) -> &FunctionName {
        self.function.name()
    }

    pub(crate) fn function(&self) -> &Arc<Function> {
        &self.function
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.function.settings()
    }

    pub(crate) fn slots(&self) -> &[Arc<Slot>] {
        &self.slots
    }

    pub(crate) fn slot(&self, version: VersionNumber) -> Option<&Arc<Slot>> {
        let place = self
            .slots
            .binary_search_by_key(&version, |slot| slot.version());
        Some(&self.slots[place.ok()?])
    }

    /// Where an alias leads.
    pub(crate) fn traffic(&self, alias: &AliasName) -> Option<&Traffic> {
        Some(&self.function.alias(alias)?.traffic)
    }

    /// The version for a call, and the one that its shadow falls on. `key` finds what makes calls go together.
    pub(crate) fn choose(
        &self,
        qualifier: &Qualifier,
        key: impl FnOnce(&StickyKey) -> Option<Vec<u8>>,
    ) -> Option<Chosen> {
        let traffic = match qualifier {
            Qualifier::Version(version) => {
                return Some(Chosen {
                    slot: self.slot(*version)?.clone(),
                    shadow: None,
                });
            }
            Qualifier::Alias(alias) => self.traffic(alias)?,
        };
        let version = match traffic.shares() {
            [only] => only.version,
            _ => traffic.choose(match traffic.sticky().and_then(key) {
                Some(key) => self.uniform(&key),
                None => self.next_uniform(),
            }),
        };
        Some(Chosen {
            slot: self.slot(version)?.clone(),
            shadow: traffic
                .shadow()
                .filter(|shadow| *shadow != version)
                .and_then(|shadow| self.slot(shadow).cloned()),
        })
    }

    /// The versions that calls may go to; none where the qualifier leads nowhere.
    pub(crate) fn leads(&self, qualifier: &Qualifier) -> Vec<Arc<Slot>> {
        let found = |version| self.slot(version).cloned();
        match qualifier {
            Qualifier::Version(version) => found(*version).into_iter().collect(),
            Qualifier::Alias(alias) => {
                let shares = self.traffic(alias).into_iter().flat_map(Traffic::shares);
                shares
                    .filter(|share| share.weight > 0)
                    .filter_map(|share| found(share.version))
                    .collect()
            }
        }
    }

    /// A number that depends on the key and the function alone, so that it is the same after a restart and on every host.
    fn uniform(&self, key: &[u8]) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.name().as_str());
        hash.update([0]);
        hash.update(key);
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Multiples of the golden ratio: after any number of calls the shares differ from the weights by a few calls, where
    /// random numbers would leave them to chance.
    fn next_uniform(&self) -> u64 {
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        self.turn.fetch_add(1, Relaxed).wrapping_mul(GOLDEN)
    }

    /// What is known of the version that `live` leads to.
    pub(crate) fn summary(&self) -> Summary {
        let leading = self.traffic(&AliasName::live()).and_then(|traffic| {
            let share = traffic.shares().iter().max_by_key(|share| share.weight)?;
            self.function.version(share.version)
        });
        leading
            .or(self.function.latest())
            .map(|version| Summary::parse(version.summary()))
            .unwrap_or_default()
    }
}

/// Where a call goes.
pub(crate) struct Chosen {
    pub(crate) slot: Arc<Slot>,
    pub(crate) shadow: Option<Arc<Slot>>,
}
