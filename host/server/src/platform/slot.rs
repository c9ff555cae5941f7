//! A version's place in memory: its function while it is loaded, nothing while it is not.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
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
    /// What its function is loaded under. Locked while a function is put in or changed, so that none stays under another
    /// one.
    policy: Mutex<Arc<Policy>>,
    function: ArcSwapOption<Function>,
    /// Only one call loads; the others wait for it.
    pub(super) loading: tokio::sync::Mutex<()>,
    /// Milliseconds since [`ORIGIN`] of the last call.
    last_call: AtomicU64,
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
        policy: Policy,
    ) -> Self {
        Slot {
            name,
            version,
            digest,
            fuel,
            policy: Mutex::new(Arc::new(policy)),
            function: ArcSwapOption::empty(),
            loading: tokio::sync::Mutex::new(()),
            last_call: AtomicU64::new(0),
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

    fn lock_policy(&self) -> MutexGuard<'_, Arc<Policy>> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its function is to be loaded under.
    pub(super) fn policy(&self) -> Arc<Policy> {
        self.lock_policy().clone()
    }

    /// Takes a function that was loaded under `policy`. If there is another one by now, the function is good for the call
    /// that waits for it, and the next call loads it anew. Answers whether it was kept.
    pub(super) fn fill(&self, function: Arc<Function>, policy: &Arc<Policy>, now: Instant) -> bool {
        let current = self.lock_policy();
        let is_current = Arc::ptr_eq(&current, policy);
        if is_current {
            self.last_call.store(millis(now), Relaxed);
            self.function.store(Some(function));
        }
        is_current
    }

    /// Puts the function under another policy, whether it is loaded or not. Calls that run go on under the old one.
    pub(super) fn adopt(&self, policy: &Policy) {
        let mut current = self.lock_policy();
        *current = Arc::new(policy.clone());
        if let Some(function) = self.function.load_full() {
            match function.with_policy(policy.clone()) {
                // One that was evicted meanwhile is not counted among the loaded any more, and stays out.
                Ok(adapted) => {
                    let adapted = Some(Arc::new(adapted));
                    self.function.compare_and_swap(&function, adapted);
                }
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
