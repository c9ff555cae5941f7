//! One invocation while it runs.

use std::sync::Arc;

use wasmtime::Store;

use crate::failure::Failure;
use crate::function::Function;
use crate::invocation::{CpuClock, Invocation, Ledger, Outcome, Receiver};
use crate::state::State;
use crate::ticker::Running;

/// One invocation while it runs: the instance's store, and the duty to tell how it ended, also when nobody waits for it
/// any more.
pub(crate) struct Run {
    /// Taken away when the instance is kept for another request.
    store: Option<Store<State>>,
    function: Function,
    ledger: Option<Arc<Ledger>>,
    reused: bool,
    ended: bool,
    _running: Running,
}

impl Run {
    pub(crate) fn new(
        function: &Function,
        store: Store<State>,
        reused: bool,
        receiver: Option<Receiver>,
    ) -> Self {
        Run {
            store: Some(store),
            ledger: Ledger::open(function.meter(), receiver),
            reused,
            ended: false,
            _running: function.engine().run(),
            function: function.clone(),
        }
    }

    pub(crate) fn function(&self) -> &Function {
        &self.function
    }

    pub(crate) fn store(&mut self) -> &mut Store<State> {
        self.store
            .as_mut()
            .expect("the store is taken only when the invocation has ended")
    }

    pub(crate) fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.ledger.as_ref()
    }

    /// Counts CPU time until it is dropped, if anybody wants to know.
    pub(crate) fn clock(ledger: Option<&Arc<Ledger>>) -> Option<CpuClock<'_>> {
        ledger.map(|ledger| ledger.clock())
    }

    /// Does `work` and counts its CPU time.
    pub(crate) fn counted<T>(&mut self, work: impl FnOnce(&mut Run) -> T) -> T {
        let ledger = self.ledger.clone();
        let _clock = Run::clock(ledger.as_ref());
        work(self)
    }

    /// What stopped the instance, in the words for the caller.
    pub(crate) fn failure(&mut self, error: &wasmtime::Error) -> Failure {
        let slots = self.function.engine().config().concurrency;
        let fuel = self.function.limits().fuel;
        let said = self.store().data().last_words();
        Failure::from_error(error, slots, said.as_deref(), fuel)
    }

    /// The longest it may run, as of now.
    pub(crate) fn deadline_failure(&self) -> Failure {
        Failure::Deadline {
            limit: self.function.limits().deadline,
        }
    }

    /// Fills in the record of what ran since the start.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.ended = true;
        let (Some(ledger), Some(store)) = (&self.ledger, &self.store) else {
            return;
        };
        let state = store.data();
        let (stdout, stderr) = state.take_written();
        ledger.end(Invocation {
            function: self.function.shared_name(),
            wall: state.usage.elapsed(),
            cpu: std::time::Duration::ZERO,
            peak_memory: state.usage.peak_memory(),
            bytes_in: 0,
            bytes_out: 0,
            fuel: State::fuel_burnt(store),
            reused: self.reused,
            outcome,
            stdout,
            stderr,
        });
    }

    /// Starts the next call on the same instance, with a record of its own.
    pub(crate) fn restart(&mut self) {
        if self.ended {
            self.ended = false;
            self.reused = true;
            State::restart(self.store());
            self.ledger = Ledger::open(self.function.meter(), None);
        }
    }

    /// Gives the ledger up, so that the record is written, if nobody else holds it.
    pub(crate) fn close(&mut self) {
        self.ledger = None;
    }

    /// The store of an invocation that has ended.
    pub(crate) fn take_store(&mut self) -> Option<Store<State>> {
        if self.ended { self.store.take() } else { None }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Outcome::Abandoned);
        }
    }
}
