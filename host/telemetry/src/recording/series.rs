//! What is recorded of one version of a function.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::call::{Call, OUTCOMES, Outcome, Phase, Trigger, nanoseconds};
use super::histogram::{Counts, Histogram};
use super::table::{Member, Membership, Table};
use super::window::{Past, Totals};

/// Function and version.
pub(crate) type Key = (Arc<str>, u32);

/// Records the invocations of one version of a function. Made once per version by [`crate::Telemetry::series`] and
/// kept as long as the version is loaded; it takes some hundred bytes until the first call.
pub struct Series {
    key: Key,
    membership: Membership,
    table: Weak<Table<Series>>,
    waiting: AtomicI64,
    shadow_equal: AtomicU64,
    shadow_different: AtomicU64,
    tallies: [OnceLock<Box<Tally>>; Trigger::ALL.len()],
    past: Mutex<Past>,
}

/// What is counted per trigger.
#[derive(Default)]
struct Tally {
    outcomes: [AtomicU64; OUTCOMES],
    cold_starts: AtomicU64,
    queued: AtomicU64,
    wall: [OnceLock<Box<Histogram>>; Phase::ALL.len()],
    init: OnceLock<Box<Histogram>>,
    cpu: OnceLock<Box<Histogram>>,
    memory: Histogram,
    bytes_in: Histogram,
    bytes_out: Histogram,
}

impl Tally {
    fn calls(&self) -> u64 {
        self.outcomes.iter().map(|count| count.load(Relaxed)).sum()
    }

    fn errors(&self) -> u64 {
        let errors = Outcome::all().filter(|outcome| outcome.is_error());
        errors
            .map(|outcome| self.outcomes[outcome.index()].load(Relaxed))
            .sum()
    }

    fn wall(&self) -> Counts {
        let mut wall = Counts::default();
        for histogram in self.wall.iter().filter_map(OnceLock::get) {
            wall.add(&histogram.counts());
        }
        wall
    }

    fn reading(&self, trigger: Trigger) -> TallyReading {
        let counts =
            |slot: &OnceLock<Box<Histogram>>| slot.get().map(|histogram| histogram.counts());
        TallyReading {
            trigger,
            outcomes: Outcome::all()
                .map(|outcome| (outcome, self.outcomes[outcome.index()].load(Relaxed)))
                .collect(),
            cold_starts: self.cold_starts.load(Relaxed),
            queued: self.queued.load(Relaxed),
            wall: Phase::ALL
                .into_iter()
                .filter_map(|phase| Some((phase, counts(&self.wall[phase as usize])?)))
                .collect(),
            init: counts(&self.init),
            cpu: counts(&self.cpu),
            memory: self.memory.counts(),
            bytes_in: self.bytes_in.counts(),
            bytes_out: self.bytes_out.counts(),
        }
    }
}

/// What was counted for one trigger, as of some moment. Times in nanoseconds.
pub(crate) struct TallyReading {
    pub(crate) trigger: Trigger,
    pub(crate) outcomes: Vec<(Outcome, u64)>,
    pub(crate) cold_starts: u64,
    pub(crate) queued: u64,
    pub(crate) wall: Vec<(Phase, Counts)>,
    pub(crate) init: Option<Counts>,
    pub(crate) cpu: Option<Counts>,
    pub(crate) memory: Counts,
    pub(crate) bytes_in: Counts,
    pub(crate) bytes_out: Counts,
}

/// What was counted for one version of a function, as of some moment.
pub(crate) struct SeriesReading {
    pub(crate) function: Arc<str>,
    pub(crate) version: u32,
    pub(crate) waiting: i64,
    pub(crate) shadow_equal: u64,
    pub(crate) shadow_different: u64,
    pub(crate) tallies: Vec<TallyReading>,
}

impl Series {
    pub(crate) fn new(key: Key, table: &Arc<Table<Series>>) -> Self {
        Series {
            key,
            membership: Membership::default(),
            table: Arc::downgrade(table),
            waiting: AtomicI64::new(0),
            shadow_equal: AtomicU64::new(0),
            shadow_different: AtomicU64::new(0),
            tallies: [const { OnceLock::new() }; Trigger::ALL.len()],
            past: Mutex::new(Past::default()),
        }
    }

    /// The function's name.
    pub fn function(&self) -> &str {
        &self.key.0
    }

    /// The number of its version.
    pub fn version(&self) -> u32 {
        self.key.1
    }

    /// Records an invocation. No lock, no clock, no allocation but for the first of its kind: about a dozen atomic
    /// additions. The first call, and the first after the series was dropped for the limit, takes a lock to list it.
    pub fn record(self: &Arc<Self>, call: &Call) {
        let tally = self.tallies[call.trigger as usize].get_or_init(Box::default);
        tally.wall[call.phase as usize]
            .get_or_init(Box::default)
            .record(nanoseconds(call.wall));
        if let Some(init) = call.init {
            tally
                .init
                .get_or_init(Box::default)
                .record(nanoseconds(init));
            tally.cold_starts.fetch_add(1, Relaxed);
        }
        if let Some(cpu) = call.cpu {
            tally.cpu.get_or_init(Box::default).record(nanoseconds(cpu));
        }
        if !call.queued.is_zero() {
            tally.queued.fetch_add(nanoseconds(call.queued), Relaxed);
        }
        tally.memory.record(call.peak_memory);
        tally.bytes_in.record(call.bytes_in);
        tally.bytes_out.record(call.bytes_out);
        tally.outcomes[call.outcome.index()].fetch_add(1, Relaxed);
        self.list();
    }

    /// Records that this version's answer to shadow traffic was compared with the one that was returned.
    pub fn shadow_compared(self: &Arc<Self>, equal: bool) {
        let counter = if equal {
            &self.shadow_equal
        } else {
            &self.shadow_different
        };
        counter.fetch_add(1, Relaxed);
        self.list();
    }

    /// Counts a request as waiting for a place to run until the guard is dropped.
    pub fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Relaxed);
        Waiting(Arc::clone(self))
    }

    fn list(self: &Arc<Self>) {
        if self.membership.is_listed() {
            return;
        }
        if let Some(table) = self.table.upgrade() {
            table.list(self);
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for tally in self.tallies.iter().filter_map(OnceLock::get) {
            totals.calls += tally.calls();
            totals.errors += tally.errors();
            totals.cold_starts += tally.cold_starts.load(Relaxed);
            totals.wall.add(&tally.wall());
        }
        totals
    }

    /// What happened in the last minutes, and what since the start.
    pub(crate) fn recent_and_total(&self) -> (Totals, Totals) {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let total = self.totals();
        (past.recent(&total), total)
    }

    /// Answers to shadow traffic that were equal, and those that were not.
    pub(crate) fn shadows(&self) -> (u64, u64) {
        (
            self.shadow_equal.load(Relaxed),
            self.shadow_different.load(Relaxed),
        )
    }

    fn calls(&self) -> u64 {
        self.tallies
            .iter()
            .filter_map(OnceLock::get)
            .map(|tally| tally.calls())
            .sum()
    }

    pub(crate) fn reading(&self) -> SeriesReading {
        SeriesReading {
            function: Arc::clone(&self.key.0),
            version: self.key.1,
            waiting: self.waiting.load(Relaxed),
            shadow_equal: self.shadow_equal.load(Relaxed),
            shadow_different: self.shadow_different.load(Relaxed),
            tallies: Trigger::ALL
                .into_iter()
                .filter_map(|trigger| Some(self.tallies[trigger as usize].get()?.reading(trigger)))
                .collect(),
        }
    }
}

impl Member for Series {
    type Key = Key;

    fn key(&self) -> &Key {
        &self.key
    }

    fn membership(&self) -> &Membership {
        &self.membership
    }

    fn recorded(&self) -> u64 {
        self.calls() + self.shadow_equal.load(Relaxed) + self.shadow_different.load(Relaxed)
    }

    fn end_slice(&self, tick: u64) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if !past.rests(self.calls()) {
            past.tick(tick, self.totals());
        }
    }
}

/// A request that waits for a place to run.
#[must_use = "the request counts as waiting until this is dropped"]
pub struct Waiting(Arc<Series>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}
