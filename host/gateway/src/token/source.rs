//! Where the keys of an issuer come from, and when they are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use hyaline_control::KeySource;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::token::jwk::{JwkError, JwkSet};

/// Seconds between two attempts to get keys, whatever tokens say: unknown key names cost nobody but their sender.
pub(crate) const RETRY_SECONDS: i64 = 60;
/// Seconds after which keys are got again although no token asks for it, so that a key its issuer withdrew stops working.
pub(crate) const REFRESH_SECONDS: i64 = 600;

const NEVER: i64 = i64::MIN;

/// The last generation of any keys. No two sources share one: a token that was checked with the keys of a source that is
/// gone is not taken for one checked with those of another at the same place.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Keys of an issuer, shared by every function that trusts it.
#[derive(Debug)]
pub(crate) struct Source {
    pub place: KeySource,
    set: ArcSwapOption<JwkSet>,
    /// Another one whenever the keys change, so that tokens checked with former keys are checked again; 0: no keys yet.
    generation: AtomicU64,
    /// The SHA-256 of the document, to know whether it changed.
    document: std::sync::Mutex<Option<[u8; 32]>>,
    attempted: AtomicI64,
    loaded: AtomicI64,
}

impl Source {
    pub(crate) fn new(place: KeySource) -> Self {
        Source {
            place,
            set: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            document: std::sync::Mutex::new(None),
            attempted: AtomicI64::new(NEVER),
            loaded: AtomicI64::new(NEVER),
        }
    }

    pub(crate) fn set(&self) -> Option<Arc<JwkSet>> {
        self.set.load_full()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether the keys may be asked for now.
    pub(crate) fn may_ask(&self, now: Timestamp) -> bool {
        passed(&self.attempted, now, RETRY_SECONDS)
    }

    /// Whether the keys should be asked for before a token is believed: there are none, or they were read long ago.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        passed(&self.loaded, now, REFRESH_SECONDS) && self.may_ask(now)
    }

    pub(crate) fn failed(&self, now: Timestamp) {
        self.attempted.store(now.as_second(), Ordering::Relaxed);
    }

    /// Takes new keys. Former ones stay when the document is no key set.
    pub(crate) fn provide(&self, bytes: &[u8], now: Timestamp) -> Result<(), JwkError> {
        self.failed(now);
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let mut document = self
            .document
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if *document != Some(digest) {
            let set = JwkSet::parse(bytes)?;
            self.set.store(Some(Arc::new(set)));
            let generation = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
            self.generation.store(generation, Ordering::Release);
            *document = Some(digest);
        }
        self.loaded.store(now.as_second(), Ordering::Relaxed);
        Ok(())
    }
}

/// Whether so many seconds have passed. A clock that went back by more than a minute counts as passed; by less, it is the
/// time of a call that waited for the keys.
fn passed(since: &AtomicI64, now: Timestamp, seconds: i64) -> bool {
    let since = since.load(Ordering::Relaxed);
    since == NEVER || !(-RETRY_SECONDS..seconds).contains(&(now.as_second() - since))
}
