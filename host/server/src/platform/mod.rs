//! What calls and control share: the registry and the functions in it, what is loaded, who may call, what it costs, and
//! what is told about it.

mod applier;
mod board;
mod budgets;
mod detached;
mod events;
#[cfg(test)]
#[expect(dead_code, reason = "the tests here need few of them")]
#[path = "../../../runtime/tests/guests/mod.rs"]
mod guests;
mod issuers;
mod keys;
mod live;
mod loader;
mod log;
mod maintenance;
mod memory;
mod slot;
mod summary;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hyaline_control::{Digest, EventKind, FunctionName, FunctionState, Settings};
use hyaline_gateway::{Issuers, Keys};
use hyaline_metering::{Ledger, PriceTable, Subject};
use hyaline_registry::{ChangeError, Deployed, Deployment, Function, Promote, Registry, Target};
use hyaline_runtime::EngineConfig;
use hyaline_telemetry::{Config as TelemetryConfig, Telemetry};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::configuration::{Document, LogInvocations};
use crate::data::{Admission, Capacity, Refusal, Room, Route};
use crate::error::StartError;

pub use applier::{Applier, ApplyError};
pub(crate) use board::{Board, Served, View};
use detached::Detached;
pub(crate) use events::Events;
pub use keys::issue_key;
pub(crate) use live::{Chosen, Live, SettingsError};
pub(crate) use loader::{Loader, PrepareError};
pub use log::start_log;
pub(crate) use memory::{cpu_seconds, resident};
pub(crate) use slot::Slot;

use issuers::Readers;
use live::{Defaults, Rules};
use summary::Summary;

/// Everything of one host but its sockets.
pub(crate) struct Platform {
    registry: Registry,
    board: Arc<Board>,
    loader: Arc<Loader>,
    keys: Arc<Keys>,
    issuers: Arc<Issuers>,
    readers: Readers,
    ledger: Ledger,
    telemetry: Telemetry,
    events: Events,
    defaults: Arc<Defaults>,
    /// Places of the whole host.
    admission: Admission,
    detached: Detached,
    /// Room for the bodies of calls.
    room: Room,
    document: Document,
    started: Timestamp,
    /// One change of what functions are called by at a time, so that two cannot take the same route.
    changing: Mutex<()>,
    connections: Mutex<Vec<Arc<AtomicU32>>>,
    base_url: OnceLock<String>,
    draining: AtomicBool,
    active: AtomicBool,
    activity: Notify,
}

/// A deployment or settings that are not taken.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// The component is refused.
    #[error(transparent)]
    Component(#[from] PrepareError),
    /// The component answers no HTTP requests.
    #[error(
        "the component does not export `wasi:http/incoming-handler@0.2`, so it cannot answer requests; a function made by `hyaline pack` does"
    )]
    NoHttpDoor,
    /// The settings cannot be.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The budget cannot be.
    #[error(transparent)]
    Budget(#[from] hyaline_metering::BudgetError),
    /// Another function has the route.
    #[error(
        "the route `{route}` leads to the function `{holder}`; give one of the two other `routes` in its settings"
    )]
    RouteTaken {
        /// The route.
        route: String,
        /// Where it leads.
        holder: FunctionName,
    },
    /// The registry refuses.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The component cannot be kept.
    #[error(transparent)]
    Store(#[from] hyaline_registry::StoreError),
}

/// The file of the API keys in a state directory.
const KEYS: &str = "keys.redb";

impl Platform {
    /// Opens the state of a host. One process at a time has it.
    ///
    /// # Errors
    /// [`StartError`] names what cannot be opened.
    pub(crate) fn open(document: &Document) -> Result<Arc<Self>, StartError> {
        let started = Timestamp::now();
        let registry = match document.state.as_os_str().is_empty() {
            true => Registry::in_directory_of_its_own()?,
            false => Registry::open(&document.state)?,
        };
        let directory = registry.directory().to_path_buf();
        let within = |name: &str| directory.join(name);
        let keys = Arc::new(Keys::open(&within(KEYS))?);
        let ledger = Ledger::open(&within("usage.redb"), prices(&document.prices.table)?)?;
        let events_file = within("events.jsonl");
        let events = Events::open(&events_file).map_err(|source| StartError::State {
            path: events_file,
            source,
        })?;
        let telemetry = telemetry(document)?;
        let cache = match document.cache.as_os_str().is_empty() {
            true => within("cache"),
            false => document.cache.clone(),
        };
        let engine = EngineConfig {
            concurrency: document.concurrency,
            cache: Some(cache),
            ..EngineConfig::default()
        };
        let loader = Arc::new(Loader::new(
            registry.clone(),
            engine,
            document.memory.clone(),
            telemetry.clone(),
        )?);
        let issuers = Arc::new(Issuers::new());
        let defaults = Arc::new(Defaults::new(document, issuers.clone()));
        let board = Arc::new(Board::new(
            &registry.catalog(),
            defaults.clone(),
            &loader,
            telemetry.clone(),
        ));
        registry.observe({
            let board = board.clone();
            move |committed| board.committed(committed)
        });
        let platform = Arc::new(Platform {
            admission: Admission::of_host(Capacity {
                places: document.concurrency,
                queue: document.queue,
                wait: std::time::Duration::from_millis(document.queue_wait_ms),
            }),
            detached: Detached::new(),
            room: Room::new(match document.connections.bodies_mib {
                0 => memory::available_to_process()
                    .map_or(u64::MAX >> 20, |bytes| (bytes >> 22).max(1)),
                mib => mib,
            }),
            document: document.clone(),
            started,
            changing: Mutex::new(()),
            connections: Mutex::default(),
            base_url: OnceLock::new(),
            draining: AtomicBool::new(false),
            active: AtomicBool::new(false),
            activity: Notify::new(),
            registry,
            board,
            loader,
            keys,
            issuers,
            readers: Readers::default(),
            ledger,
            telemetry,
            events,
            defaults,
        });
        platform.restore_budgets();
        platform.observe();
        Ok(platform)
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.board.view()
    }

    pub(crate) fn loader(&self) -> &Arc<Loader> {
        &self.loader
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Calls that nobody waits for but the host itself.
    pub(crate) fn detached(&self) -> &Detached {
        &self.detached
    }

    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    pub(crate) fn log_invocations(&self) -> LogInvocations {
        self.document.log.invocations
    }

    /// Says where calls are taken.
    pub(crate) fn serves_at(&self, base_url: &str) {
        // A host is started once.
        let _ = self.base_url.set(base_url.into());
    }

    /// Where calls are taken.
    pub(crate) fn base_url(&self) -> String {
        self.base_url.get().cloned().unwrap_or_default()
    }

    /// When the host was started.
    pub(crate) fn started(&self) -> Timestamp {
        self.started
    }

    /// Counts a listener's connections among the host's.
    pub(crate) fn count_connections(&self, open: Arc<AtomicU32>) {
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connections.push(open);
    }

    /// Connections open now.
    pub(crate) fn connections(&self) -> u32 {
        let connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connections.iter().map(|open| open.load(Relaxed)).sum()
    }

    /// From now on the host tells that it is going away.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Whether a function answers calls.
    pub(crate) fn state(&self, function: &Function) -> FunctionState {
        if !function.is_enabled() {
            return FunctionState::Disabled;
        }
        let subject = Subject::Function(function.name().clone());
        match self.ledger.is_spent(&subject, Timestamp::now()) {
            true => FunctionState::OutOfBudget,
            false => FunctionState::Enabled,
        }
    }

    /// What a change is for, in the state that it expects.
    pub(crate) fn target(&self, name: &FunctionName, expected: Option<u64>) -> Target {
        match expected {
            Some(generation) => Target::unchanged(name, generation),
            None => name.into(),
        }
    }

    /// Keeps a component, compiles it, and makes it a version of a function. Blocks, for as long as compiling takes.
    pub(crate) fn deploy(
        &self,
        name: &FunctionName,
        expected: Option<u64>,
        component: &[u8],
        deployment: NewVersion,
    ) -> Result<Deployed, PlatformError> {
        let catalog = self.registry.catalog();
        let function = catalog.function(name);
        let settings = deployment.settings.as_ref();
        let settings = settings.or(function.map(|function| &**function.settings()));
        let fuel = settings.is_some_and(|settings| settings.limits.fuel.is_some());
        let prepared = self.loader.prepare(name.as_str(), component, fuel)?;
        let deployed = self.deploy_prepared(name, expected, component, &prepared, deployment);
        if deployed.is_err() {
            let digest = Digest::from_bytes(prepared.digest());
            let catalog = self.registry.catalog();
            let mut versions = catalog.functions().flat_map(|function| function.versions());
            if !versions.any(|version| *version.digest() == digest) {
                self.loader.discard(&[digest]);
            }
        }
        deployed
    }

    fn deploy_prepared(
        &self,
        name: &FunctionName,
        expected: Option<u64>,
        component: &[u8],
        prepared: &hyaline_runtime::Summary,
        deployment: NewVersion,
    ) -> Result<Deployed, PlatformError> {
        if !prepared.has_http_door() {
            return Err(PlatformError::NoHttpDoor);
        }
        let catalog = self.registry.catalog();
        let function = catalog.function(name);
        let settings = deployment.settings.as_ref();
        let settings = settings.or(function.map(|function| &**function.settings()));
        let summary = Summary::of_card(prepared.card());
        let kept = self.registry.put_component(component)?;
        let changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if function.is_none() || deployment.settings.is_some() {
            let settings = settings.cloned().unwrap_or_default();
            self.judge(name, &settings, &deployment.yielding)?;
        }
        let budget = deployment.settings.as_ref().map(|settings| settings.budget);
        let promoted = deployment.promote == Promote::Live;
        let now = Timestamp::now();
        let deployed = self.registry.deploy(
            self.target(name, expected),
            Deployment {
                component: *kept.digest(),
                description: deployment.description,
                summary: serde_json::to_value(&summary).unwrap_or_default(),
                settings: deployment.settings,
                promote: deployment.promote,
            },
            now,
        )?;
        if let Some(budget) = budget {
            self.set_budget(&Subject::Function(name.clone()), budget)?;
        }
        drop(changing);
        if deployed.is_new {
            let live = if promoted {
                ", and `live` leads to it"
            } else {
                ""
            };
            let message = format!("version {} is {}{live}", deployed.version, kept.digest());
            self.events.add(EventKind::Deployed, name.as_str(), message);
        }
        Ok(deployed)
    }

    /// Replaces a function's settings.
    pub(crate) fn set_settings(
        &self,
        name: &FunctionName,
        expected: Option<u64>,
        settings: &Settings,
    ) -> Result<(), PlatformError> {
        let changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.judge(name, settings, &BTreeSet::new())?;
        let target = self.target(name, expected);
        self.registry
            .set_settings(target, settings, Timestamp::now())?;
        self.set_budget(&Subject::Function(name.clone()), settings.budget)?;
        drop(changing);
        self.events.add(
            EventKind::SettingsChanged,
            name.as_str(),
            "its settings were changed".into(),
        );
        Ok(())
    }

    /// Lets a function answer calls again.
    pub(crate) fn enable(
        &self,
        name: &FunctionName,
        expected: Option<u64>,
        yielding: &BTreeSet<FunctionName>,
    ) -> Result<(), PlatformError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = self.registry.catalog().function(name)
            && let Ok(routes) = live::routes(name, function.settings())
        {
            self.find_room(name, &routes, yielding)?;
        }
        let target = self.target(name, expected);
        Ok(self.registry.enable(target, Timestamp::now())?)
    }

    /// Refuses settings that could not be served.
    fn judge(
        &self,
        name: &FunctionName,
        settings: &Settings,
        yielding: &BTreeSet<FunctionName>,
    ) -> Result<(), PlatformError> {
        let rules = Rules::compile(name, settings, &self.defaults, None)?;
        if let Some(budget) = &settings.budget {
            hyaline_metering::check_budget(budget)?;
        }
        self.find_room(name, &rules.routes, yielding)
    }

    /// Refuses routes that lead to another function, unless that one is disabled or `yielding`.
    fn find_room(
        &self,
        name: &FunctionName,
        routes: &[Route],
        yielding: &BTreeSet<FunctionName>,
    ) -> Result<(), PlatformError> {
        match self.board.conflict(name, routes, yielding) {
            Some((route, holder)) => Err(PlatformError::RouteTaken { route, holder }),
            None => Ok(()),
        }
    }

    /// Deletes a function with all its versions.
    pub(crate) fn delete(
        &self,
        name: &FunctionName,
        expected: Option<u64>,
    ) -> Result<(), ChangeError> {
        let changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.registry.delete_function(self.target(name, expected))?;
        self.ledger.forget(&Subject::Function(name.clone()));
        drop(changing);
        self.collect_garbage();
        let message = "the function and all its versions were deleted".into();
        self.events.add(EventKind::Deleted, name.as_str(), message);
        Ok(())
    }

    /// Removes components that no version has any more, and what was compiled from them.
    pub(crate) fn collect_garbage(&self) {
        match self.registry.collect_garbage() {
            Ok(collected) => self.loader.discard(&collected.components),
            Err(error) => {
                tracing::warn!(%error, "components that nobody needs could not be removed; the next deletion tries again");
            }
        }
    }

    /// The slot's function, loaded if need be.
    pub(crate) async fn load(
        &self,
        slot: &Arc<Slot>,
    ) -> Result<(Arc<hyaline_runtime::Function>, Option<std::time::Duration>), Refusal> {
        self.loader.obtain(slot).await
    }
}

/// What comes with a component that becomes a version.
pub(crate) struct NewVersion {
    pub(crate) description: Option<String>,
    pub(crate) settings: Option<Settings>,
    pub(crate) promote: Promote,
    /// Functions whose routes are about to change, so that they are in nobody's way.
    pub(crate) yielding: BTreeSet<FunctionName>,
}

fn prices(named: &str) -> Result<PriceTable, StartError> {
    if let Some(table) = PriceTable::named(named) {
        return Ok(table);
    }
    let path = PathBuf::from(named);
    let text = std::fs::read_to_string(&path).map_err(|source| StartError::Prices {
        named: named.into(),
        built_in: PriceTable::built_in()
            .map(|table| table.name().to_owned())
            .join(", "),
        source,
    })?;
    Ok(PriceTable::from_toml(&text)?)
}

fn telemetry(document: &Document) -> Result<Telemetry, StartError> {
    let instance = format!(
        "{}-{}",
        std::process::id(),
        Timestamp::now().as_millisecond()
    );
    let mut config = TelemetryConfig::new("hyaline", env!("CARGO_PKG_VERSION"), &instance);
    config.log_drops = log::drops();
    if !document.otlp.endpoint.is_empty() {
        let mut otlp = hyaline_telemetry::OtlpConfig::new(&document.otlp.endpoint, None)?;
        otlp.sample = hyaline_telemetry::SampleRatio::new(document.otlp.ratio)?;
        otlp.metric_interval = std::time::Duration::from_secs(document.otlp.metrics_seconds);
        config.otlp = Some(otlp);
    }
    Ok(Telemetry::start(config)?)
}
