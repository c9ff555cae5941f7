//! Loading functions on their first call, and evicting them when they are idle or memory is short.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hyaline_control::Digest;
use hyaline_registry::Registry;
use hyaline_runtime::{Engine, EngineConfig, EngineError, Function, LoadError, Policy, Summary};
use hyaline_telemetry::Telemetry;

use super::memory;
use super::slot::Slot;
use crate::configuration::MemoryDocument;
use crate::data::{Cause, Refusal};

/// Loads functions and keeps count of those that are loaded.
pub(crate) struct Loader {
    registry: Registry,
    plain: Engine,
    /// The engine whose instances burn fuel; started when a function wants it.
    fuel: OnceLock<Engine>,
    config: EngineConfig,
    bounds: MemoryDocument,
    /// Bytes of memory of the process above which functions are evicted.
    pressure: u64,
    loaded: Mutex<HashMap<usize, Arc<Slot>>>,
    telemetry: Telemetry,
}

impl Loader {
    /// # Errors
    /// The engine does not start.
    pub(crate) fn new(
        registry: Registry,
        config: EngineConfig,
        bounds: MemoryDocument,
        telemetry: Telemetry,
    ) -> Result<Self, EngineError> {
        let plain = Engine::new(config.clone())?;
        let pressure = match bounds.pressure_mib {
            0 => memory::available_to_process().map_or(u64::MAX, |bytes| bytes / 2),
            mib => mib << 20,
        };
        Ok(Loader {
            registry,
            plain,
            fuel: OnceLock::new(),
            config,
            bounds,
            pressure,
            loaded: Mutex::default(),
            telemetry,
        })
    }

    fn engine(&self, fuel: bool) -> Result<&Engine, EngineError> {
        if !fuel {
            return Ok(&self.plain);
        }
        if let Some(engine) = self.fuel.get() {
            return Ok(engine);
        }
        let engine = Engine::new(EngineConfig {
            fuel: true,
            ..self.config.clone()
        })?;
        Ok(self.fuel.get_or_init(|| engine))
    }

    /// Checks and compiles a component ahead of its first call. Blocks; takes as long as compiling does.
    pub(crate) fn prepare(
        &self,
        name: &str,
        component: &[u8],
        fuel: bool,
    ) -> Result<Summary, PrepareError> {
        Ok(Function::prepare(self.engine(fuel)?, name, component)?)
    }

    /// The slot's function, and how long it took to load it if it had to be loaded for this call.
    pub(crate) async fn obtain(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
    ) -> Result<(Arc<Function>, Option<Duration>), Refusal> {
        let started = Instant::now();
        if let Some(function) = slot.loaded(started) {
            return Ok((function, None));
        }
        let _turn = slot.loading.lock().await;
        if let Some(function) = slot.loaded(Instant::now()) {
            return Ok((function, None));
        }
        let policy = slot.policy();
        let (loader, wanted, under) = (self.clone(), slot.clone(), Policy::clone(&policy));
        let function = tokio::task::spawn_blocking(move || loader.load(&wanted, under))
            .await
            .map_err(|_| unloadable(slot, "loading was interrupted"))??;
        let function = Arc::new(function);
        if slot.fill(function.clone(), &policy, Instant::now()) {
            self.count(slot);
        }
        Ok((function, Some(started.elapsed())))
    }

    fn load(&self, slot: &Slot, policy: Policy) -> Result<Function, Refusal> {
        let failed = |error: &dyn std::error::Error| {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            tracing::error!(function = %slot.name(), version = %slot.version(), error = text, "a function cannot be loaded");
            unloadable(slot, "its operator finds the reason in the log of the host")
        };
        let engine = self
            .engine(slot.burns_fuel())
            .map_err(|error| failed(&error))?;
        let digest = slot.digest();
        let component = || {
            self.registry
                .component(digest)
                .map_err(std::io::Error::other)
        };
        Function::load_cached(
            engine,
            slot.name().as_str(),
            *digest.as_bytes(),
            policy,
            component,
        )
        .map_err(|error| failed(&error))
    }

    fn count(&self, slot: &Arc<Slot>) {
        let mut loaded = self.loaded();
        loaded.insert(Arc::as_ptr(slot) as usize, slot.clone());
        if loaded.len() > self.bounds.loaded as usize {
            let now = Instant::now();
            let eldest = loaded
                .values()
                .max_by_key(|slot| slot.idle_ms(now))
                .cloned();
            if let Some(eldest) = eldest {
                self.evict(&mut loaded, &eldest);
            }
        }
    }

    /// Evicts what is idle, and part of the rest when memory is short. Answers when it is worth to look again; `None`
    /// when nothing is loaded.
    pub(crate) fn sweep(&self, now: Instant) -> Option<Duration> {
        let mut loaded = self.loaded();
        if loaded.is_empty() {
            return None;
        }
        let patience = self.bounds.idle_seconds.saturating_mul(1000);
        let mut by_idleness: Vec<(u64, Arc<Slot>)> = loaded
            .values()
            .map(|slot| (slot.idle_ms(now), slot.clone()))
            .collect();
        by_idleness.sort_by_key(|(idle, _)| std::cmp::Reverse(*idle));
        let short = memory::resident().is_some_and(|bytes| bytes > self.pressure);
        // A quarter at a time: what is evicted may take a moment to be given back.
        let to_relieve = if short {
            by_idleness.len().div_ceil(4)
        } else {
            0
        };
        for (place, (idle, slot)) in by_idleness.iter().enumerate() {
            if *idle >= patience || place < to_relieve {
                self.evict(&mut loaded, slot);
            }
        }
        let longest = by_idleness
            .iter()
            .map(|(idle, _)| *idle)
            .find(|idle| *idle < patience)?;
        Some(if short {
            Duration::from_secs(1)
        } else {
            Duration::from_millis(patience - longest)
        })
    }

    /// Forgets a version that is gone.
    pub(crate) fn forget(&self, slot: &Arc<Slot>) {
        let mut loaded = self.loaded();
        self.evict(&mut loaded, slot);
    }

    /// Removes what was compiled from components that no version has. One that is loaded stays loaded.
    pub(crate) fn discard(&self, components: &[Digest]) {
        // Both engines have the same cache.
        self.plain
            .forget(components.iter().map(|digest| *digest.as_bytes()));
    }

    fn evict(&self, loaded: &mut HashMap<usize, Arc<Slot>>, slot: &Arc<Slot>) {
        loaded.remove(&(Arc::as_ptr(slot) as usize));
        if slot.evict() {
            self.telemetry.evicted();
        }
    }

    /// Versions loaded now.
    pub(crate) fn count_loaded(&self) -> usize {
        self.loaded().len()
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, HashMap<usize, Arc<Slot>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unloadable(slot: &Slot, why: &str) -> Refusal {
    Refusal::new(
        Cause::Unloadable,
        format!(
            "version {} of the function `{}` cannot be loaded: {why}",
            slot.version(),
            slot.name()
        ),
    )
}

/// A component cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The engine it needs does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It is refused.
    #[error(transparent)]
    Load(#[from] LoadError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::guests;
    use hyaline_control::{FunctionName, VersionNumber};

    fn deadline(millis: u64) -> Policy {
        let mut policy = Policy::default();
        policy.limits.deadline = Duration::from_millis(millis);
        policy
    }

    fn loaded_under(slot: &Slot) -> Option<u64> {
        let function = slot.loaded(Instant::now())?;
        Some(function.limits().deadline.as_millis() as u64)
    }

    #[tokio::test]
    async fn a_function_is_loaded_under_the_latest_settings_whatever_came_between() {
        let registry = Registry::in_directory_of_its_own().unwrap();
        let digest = *registry.put_component(&guests::hello()).unwrap().digest();
        let telemetry =
            Telemetry::start(hyaline_telemetry::Config::new("test", "0", "test")).unwrap();
        let config = EngineConfig {
            concurrency: 2,
            cache: Some(registry.directory().join("cache")),
            ..EngineConfig::default()
        };
        let bounds = MemoryDocument::default();
        let loader = Arc::new(Loader::new(registry, config, bounds, telemetry).unwrap());
        let slot = Arc::new(Slot::new(
            FunctionName::new("f").unwrap(),
            VersionNumber::new(1).unwrap(),
            digest,
            false,
            deadline(1000),
        ));

        // Changed between the admission of a call and its load.
        slot.adopt(&deadline(2000));
        loader.obtain(&slot).await.unwrap();
        assert_eq!(loaded_under(&slot), Some(2000));

        // Changed while it was loaded.
        loader.forget(&slot);
        let policy = slot.policy();
        let function = Arc::new(loader.load(&slot, Policy::clone(&policy)).unwrap());
        slot.adopt(&deadline(3000));
        assert!(!slot.fill(function, &policy, Instant::now()));
        assert_eq!(loaded_under(&slot), None);
        loader.obtain(&slot).await.unwrap();
        assert_eq!(loaded_under(&slot), Some(3000));

        // Changed while it is loaded, and after it was evicted.
        slot.adopt(&deadline(4000));
        assert_eq!(loaded_under(&slot), Some(4000));
        assert_eq!(loader.count_loaded(), 1);
        loader.forget(&slot);
        slot.adopt(&deadline(5000));
        assert_eq!((loaded_under(&slot), loader.count_loaded()), (None, 0));
    }
}
