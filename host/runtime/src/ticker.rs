//! The clock behind deadlines: it ticks only while something runs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often running code looks at the clock; the unit of what [`State`](crate::state::State) counts in.
const TICK: Duration = Duration::from_millis(1);

/// Ticks with nothing running after which the clock goes to sleep. Waking it costs a system call, so it stays up
/// through the gaps between the requests of a busy server; an idle server causes no wake-ups at all.
const IDLE_TICKS: u32 = 1000;

/// Advances an engine's epoch while anything runs in it.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    stopped: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

/// The epoch advances for as long as this lives.
pub(crate) struct Running(Arc<Shared>);

impl Ticker {
    pub(crate) fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new()
            .name("hyaline-clock".into())
            .spawn({
                let shared = shared.clone();
                move || shared.keep_time(|| engine.increment_epoch())
            })?;
        Ok(Ticker {
            shared,
            thread: Some(thread),
        })
    }

    pub(crate) fn run(&self) -> Running {
        // The order matters on both sides: this counts, then looks whether the clock sleeps; the clock falls asleep,
        // then looks whether anything is counted. One of the two sees the other.
        self.shared.running.fetch_add(1, SeqCst);
        if self.shared.asleep.load(SeqCst) {
            self.shared.rouse();
        }
        Running(self.shared.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, SeqCst);
        self.shared.rouse();
        if let Some(thread) = self.thread.take() {
            // The thread holds no lock while it ticks and cannot panic; there is nothing to report.
            let _ = thread.join();
        }
    }
}

impl Shared {
    #[expect(
        clippy::disallowed_methods,
        reason = "a clock waits for a while and for nothing else"
    )]
    fn keep_time(&self, tick: impl Fn()) {
        let mut idle = 0;
        while !self.stopped.load(SeqCst) {
            std::thread::sleep(TICK);
            tick();
            idle = if self.running.load(SeqCst) == 0 {
                idle + 1
            } else {
                0
            };
            if idle >= IDLE_TICKS {
                self.sleep();
                idle = 0;
            }
        }
    }

    fn sleep(&self) {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.asleep.store(true, SeqCst);
        while self.asleep.load(SeqCst)
            && self.running.load(SeqCst) == 0
            && !self.stopped.load(SeqCst)
        {
            guard = self
                .wake
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.store(false, SeqCst);
    }

    fn rouse(&self) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.asleep.store(false, SeqCst);
        self.wake.notify_one();
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "what a clock does in a while is what is tested"
)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_when_nothing_runs_and_wakes_for_the_next_invocation() {
        let shared = Arc::new(Shared::default());
        let ticks = Arc::new(AtomicUsize::new(0));
        let thread = std::thread::spawn({
            let (shared, ticks) = (shared.clone(), ticks.clone());
            move || {
                shared.keep_time(|| {
                    ticks.fetch_add(1, SeqCst);
                })
            }
        });
        let ticker = Ticker {
            shared: shared.clone(),
            thread: Some(thread),
        };
        while !shared.asleep.load(SeqCst) {
            std::thread::sleep(TICK);
        }
        let asleep_at = ticks.load(SeqCst);
        std::thread::sleep(TICK * 10);
        assert_eq!(ticks.load(SeqCst), asleep_at);

        let running = ticker.run();
        while ticks.load(SeqCst) < asleep_at + IDLE_TICKS as usize + 50 {
            std::thread::sleep(TICK);
        }
        drop(running);
    }
}
