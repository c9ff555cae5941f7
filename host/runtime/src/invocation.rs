//! What an invocation took and how it ended.
//!
//! A record is written when everything is known: the function has finished or was stopped, and the body of its answer
//! has been read to its end or dropped. So the [`Ledger`] of an invocation is shared between the two, and the one that
//! lets go last writes the record.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::console::Written;
use crate::failure::Failure;

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered. An answer that says the request was bad is an answer.
    Answered,
    /// It did not.
    Failed(Failure),
    /// Nobody waited for it any more, and it was stopped.
    Abandoned,
}

/// The metering record of one invocation: one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The function.
    pub function: Arc<str>,
    /// Wall time from before the instance was made until the function's work was done.
    pub wall: Duration,
    /// CPU time of the thread while it made the instance and ran the function, as the system accounts it.
    pub cpu: Duration,
    /// The most linear memory it held, in bytes, all memories together, the model image included.
    pub peak_memory: u64,
    /// Bytes of the request body that the function took; 0 through the typed door.
    pub bytes_in: u64,
    /// Bytes of the response body that the caller took; 0 through the typed door.
    pub bytes_out: u64,
    /// Fuel burnt, on an engine that counts it.
    pub fuel: Option<u64>,
    /// Whether its instance had answered a request before.
    pub reused: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// What it wrote to its standard output; `None`: nothing.
    pub stdout: Option<Written>,
    /// What it wrote to its standard error; `None`: nothing.
    pub stderr: Option<Written>,
}

/// Receives one [`Invocation`] for every request a function ran, also when it failed.
pub trait Meter: Send + Sync {
    /// Called when the record is complete, mostly on the thread that ran the function, before a whole answer is handed
    /// over and after a streamed one has ended: it must not block.
    fn record(&self, invocation: &Invocation);
}

impl<F: Fn(&Invocation) + Send + Sync> Meter for F {
    fn record(&self, invocation: &Invocation) {
        self(invocation);
    }
}

/// Receives the record of one call.
pub(crate) type Receiver = Box<dyn FnOnce(Invocation) + Send>;

/// Where the record of one invocation comes together.
pub(crate) struct Ledger {
    meter: Option<Arc<dyn Meter>>,
    receiver: Mutex<Option<Receiver>>,
    /// Nanoseconds.
    cpu: AtomicU64,
    bytes_in: Arc<AtomicU64>,
    bytes_out: AtomicU64,
    page: Mutex<Page>,
}

#[derive(Default)]
struct Page {
    record: Option<Invocation>,
    /// Why the answer was none, whatever the function makes of itself before or afterwards.
    failure: Option<Failure>,
}

impl Ledger {
    /// `None`: nobody wants the record.
    pub(crate) fn open(
        meter: Option<Arc<dyn Meter>>,
        receiver: Option<Receiver>,
    ) -> Option<Arc<Ledger>> {
        if meter.is_none() && receiver.is_none() {
            return None;
        }
        Some(Arc::new(Ledger {
            meter,
            receiver: Mutex::new(receiver),
            cpu: AtomicU64::new(0),
            bytes_in: Arc::default(),
            bytes_out: AtomicU64::new(0),
            page: Mutex::default(),
        }))
    }

    /// Counts the CPU time of this thread from now until the clock is dropped.
    pub(crate) fn clock(&self) -> CpuClock<'_> {
        CpuClock {
            ledger: self,
            started: thread_cpu_time(),
        }
    }

    /// The count of bytes that the function took.
    pub(crate) fn bytes_in(&self) -> Arc<AtomicU64> {
        self.bytes_in.clone()
    }

    pub(crate) fn add_bytes_out(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Relaxed);
    }

    /// The function's part of the record. Time and bytes are filled in when it is written.
    pub(crate) fn end(&self, invocation: Invocation) {
        self.lock().record = Some(invocation);
    }

    /// The function's answer turned out to be none, whether or not the function has finished. A failure that stopped the
    /// function itself is told before this one.
    pub(crate) fn fail(&self, failure: &Failure) {
        self.lock().failure.get_or_insert_with(|| failure.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let Page { record, failure } = std::mem::take(&mut *self.lock());
        let Some(mut record) = record else {
            return;
        };
        if let Some(failure) = failure
            && !matches!(record.outcome, Outcome::Failed(_))
        {
            record.outcome = Outcome::Failed(failure);
        }
        record.cpu = Duration::from_nanos(self.cpu.load(Relaxed));
        record.bytes_in = self.bytes_in.load(Relaxed);
        record.bytes_out = self.bytes_out.load(Relaxed);
        if let Some(meter) = &self.meter {
            meter.record(&record);
        }
        let receiver = self
            .receiver
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(receiver) = receiver {
            receiver(record);
        }
    }
}

/// Adds the CPU time of its thread to a ledger when it is dropped.
pub(crate) struct CpuClock<'a> {
    ledger: &'a Ledger,
    started: Duration,
}

impl Drop for CpuClock<'_> {
    fn drop(&mut self) {
        let took = thread_cpu_time().saturating_sub(self.started);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.ledger.cpu.fetch_add(nanoseconds, Relaxed);
    }
}

/// CPU time that this thread has used since it began.
#[cfg(unix)]
fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Where there is no such clock, the time that passes is the nearest to it: a poll does not wait.
#[cfg(not(unix))]
fn thread_cpu_time() -> Duration {
    static BEGINNING: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    BEGINNING.elapsed()
}
