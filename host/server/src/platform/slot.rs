//! A version's place in memory: its function while it is loaded, nothing while it is not.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use hyaline_control::{Digest, FunctionName, VersionNumber};
use hyaline_doors::Callee;
use hyaline_metering::{Ledger, Meter, VersionMeter};
use hyaline_runtime::{Function, Policy};
use hyaline_telemetry::{Series, Telemetry};

/// One version of one function. Costs a few hundred bytes until its first call.
pub(crate) struct Slot {
    name: FunctionName,
    version: VersionNumber,
    digest: Digest,
    /// Whether its instances burn fuel, which is another engine.
    fuel: bool,
    function: ArcSwapOption<Function>,
    /// Only one call loads; the others wait for it.
    pub(super) loading: tokio::sync::Mutex<()>,
    /// Milliseconds since [`ORIGIN`] of the last call.
    last_call: AtomicU64,
    /// Counts changes of policy, so that a load that began before one can be told.
    policies: AtomicU64,
    books: OnceLock<Books>,
    callee: OnceLock<Callee>,
}

/// Where calls are written down.
struct Books {
    meter: VersionMeter,
    nobody: Meter,
    series: Arc<Series>,
}

/// What [`Slot::last_call`] counts from.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

fn millis(now: Instant) -> u64 {
    now.saturating_duration_since(*ORIGIN).as_millis() as u64
}

impl Slot {
    pub(crate) fn new(
        name: FunctionName,
        version: VersionNumber,
        digest: Digest,
        fuel: bool,
    ) -> Self {
        Slot {
            name,
            version,
            digest,
            fuel,
            function: ArcSwapOption::empty(),
            loading: tokio::sync::Mutex::new(()),
            last_call: AtomicU64::new(0),
            policies: AtomicU64::new(0),
            books: OnceLock::new(),
            callee: OnceLock::new(),
        }
    }

    pub(crate) fn name(&self) -> &FunctionName {
        &self.name
    }

    pub(crate) fn version(&self) -> VersionNumber {
        self.version
    }

    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    pub(crate) fn burns_fuel(&self) -> bool {
        self.fuel
    }

    /// Its function, if it is loaded.
    pub(crate) fn loaded(&self, now: Instant) -> Option<Arc<Function>> {
        let function = self.function.load_full();
        if function.is_some() {
            self.last_call.store(millis(now), Relaxed);
        }
        function
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.function.load().is_some()
    }

    pub(super) fn policies(&self) -> u64 {
        self.policies.load(Relaxed)
    }

    /// Takes a function that was loaded while there had been `policies` changes of policy. If there was another one
    /// meanwhile, it is good for the call that waits for it, and the next call loads it anew.
    pub(super) fn fill(&self, function: Arc<Function>, policies: u64, now: Instant) {
        self.last_call.store(millis(now), Relaxed);
        self.function.store(Some(function));
        if self.policies() != policies {
            self.evict();
        }
    }

    /// Puts the function under another policy, if it is loaded. Calls that run go on under the old one.
    pub(super) fn adopt(&self, policy: &Policy) {
        self.policies.fetch_add(1, Relaxed);
        if let Some(function) = self.function.load_full() {
            match function.with_policy(policy.clone()) {
                Ok(function) => self.function.store(Some(Arc::new(function))),
                Err(error) => {
                    tracing::error!(function = %self.name, %error, "a policy does not fit its function; it is loaded anew");
                    self.evict();
                }
            }
        }
    }

    /// Takes the function out of memory. Calls that run keep their own hold of it until they end.
    pub(super) fn evict(&self) -> bool {
        self.function.swap(None).is_some()
    }

    /// Milliseconds from its last call to `now`.
    pub(super) fn idle_ms(&self, now: Instant) -> u64 {
        millis(now).saturating_sub(self.last_call.load(Relaxed))
    }

    fn books(&self, ledger: &Ledger, telemetry: &Telemetry) -> &Books {
        self.books.get_or_init(|| {
            let meter = ledger.version(&self.name, self.version);
            Books {
                nobody: meter.caller(""),
                meter,
                series: telemetry.series(self.name.as_str(), self.version.get()),
            }
        })
    }

    /// What writes down the calls of a caller; empty for nobody in particular.
    pub(crate) fn meter(&self, ledger: &Ledger, telemetry: &Telemetry, caller: &str) -> Meter {
        let books = self.books(ledger, telemetry);
        if caller.is_empty() {
            books.nobody.clone()
        } else {
            books.meter.caller(caller)
        }
    }

    /// What records its calls for monitoring.
    pub(crate) fn series(&self, ledger: &Ledger, telemetry: &Telemetry) -> &Arc<Series> {
        &self.books(ledger, telemetry).series
    }

    /// What other platforms' doors know of it, read from its card once.
    pub(crate) fn callee(&self, card: impl FnOnce() -> Option<String>) -> &Callee {
        self.callee
            .get_or_init(|| Callee::new(self.name.clone(), self.version, card().as_deref()))
    }
}
