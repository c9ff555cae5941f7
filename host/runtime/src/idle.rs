//! Instances that wait for their next request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::Proxy;

use crate::policy::Reuse;
use crate::state::State;

/// An instance between two requests.
pub(crate) struct Kept {
    pub(crate) store: Store<State>,
    pub(crate) proxy: Proxy,
    /// Requests it has answered.
    pub(crate) served: u32,
}

/// The instances of one function that wait. The one that came last goes first, so that those not needed grow old.
pub(crate) struct IdleInstances {
    reuse: Reuse,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// In the order in which they came.
    instances: Vec<(Instant, Kept)>,
    /// Whether a task looks after them.
    swept: bool,
}

impl IdleInstances {
    pub(crate) fn new(reuse: Reuse) -> Arc<Self> {
        Arc::new(IdleInstances {
            reuse,
            waiting: Mutex::default(),
        })
    }

    pub(crate) fn take(&self) -> Option<Kept> {
        let (since, kept) = self.lock().instances.pop()?;
        // Timers come late on a busy host.
        (since.elapsed() < self.reuse.idle).then_some(kept)
    }

    /// Has an instance wait, unless it has answered as many requests as it may. Inside a tokio runtime.
    pub(crate) fn give(self: &Arc<Self>, kept: Kept) {
        if kept.served >= self.reuse.requests {
            return;
        }
        let mut waiting = self.lock();
        waiting.instances.push((Instant::now(), kept));
        if !waiting.swept {
            waiting.swept = true;
            tokio::spawn(sweep(Arc::downgrade(self), self.reuse.idle));
        }
    }

    /// Drops those that have waited too long. How long until the next one has; `None`: none is left.
    fn sweep(&self) -> Option<Duration> {
        let mut waiting = self.lock();
        let now = Instant::now();
        let fresh = waiting
            .instances
            .iter()
            .position(|(since, _)| now.duration_since(*since) < self.reuse.idle);
        let fresh = fresh.unwrap_or(waiting.instances.len());
        let old: Vec<_> = waiting.instances.drain(..fresh).collect();
        let next = waiting
            .instances
            .first()
            .map(|(since, _)| self.reuse.idle.saturating_sub(now.duration_since(*since)));
        waiting.swept = next.is_some();
        drop(waiting);
        drop(old);
        next
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(instances: Weak<IdleInstances>, mut wait: Duration) {
    loop {
        tokio::time::sleep(wait).await;
        let Some(instances) = instances.upgrade() else {
            return;
        };
        match instances.sweep() {
            Some(next) => wait = next,
            None => return,
        }
    }
}

/// All idle instances of an engine, so that they make room when its slots run out.
#[derive(Default)]
pub(crate) struct Reclaim(Mutex<Vec<Weak<IdleInstances>>>);

impl Reclaim {
    pub(crate) fn add(&self, idle: &Arc<IdleInstances>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|idle| idle.strong_count() > 0);
        all.push(Arc::downgrade(idle));
    }

    /// Drops all that wait. Their slots are free when this returns, also when another call is what drops them: one waits
    /// for the other.
    pub(crate) fn all(&self) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for idle in all.iter().filter_map(Weak::upgrade) {
            drop(std::mem::take(&mut idle.lock().instances));
        }
    }
}
