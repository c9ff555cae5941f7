//! Why a function gave no answer.

use std::time::Duration;

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::limits::Breach;

/// Why a function gave no answer. The text is fit for the caller: it names the limit or the fault and nothing of the
/// host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It ran longer than its limit.
    #[error("the function did not finish within its deadline of {limit:?}")]
    Deadline {
        /// The limit that passed.
        limit: Duration,
    },
    /// It asked for more linear memory than its limit, all its memories together.
    #[error("the function asked for {asked} bytes of memory; its limit is {limit}")]
    Memory {
        /// Bytes it would have had.
        asked: u64,
        /// Bytes it may have.
        limit: u64,
    },
    /// It asked for more table elements than its limit.
    #[error("the function asked for {asked} table elements; its limit is {limit}")]
    Table {
        /// Elements it would have had.
        asked: u64,
        /// Elements it may have.
        limit: u64,
    },
    /// It burnt more fuel than its limit.
    #[error(
        "the function used up its {limit} units of fuel; ask for less at once, or have its operator raise `limits.fuel`"
    )]
    Fuel {
        /// Units it may burn.
        limit: u64,
    },
    /// It crashed.
    #[error("the function crashed: {0}")]
    Trap(String),
    /// It returned without setting a response.
    #[error("the function returned without setting a response")]
    NoResponse,
    /// It set an error instead of a response.
    #[error("the function answered with the error {0}")]
    ErrorCode(String),
    /// No slot for another instance was free.
    #[error("all {slots} instance slots are in use")]
    Capacity {
        /// Instances that can run at once.
        slots: u32,
    },
    /// The function lacks the door that was knocked at.
    #[error("the function does not export `{door}`")]
    NoDoor {
        /// The interface asked for.
        door: &'static str,
    },
}

impl Failure {
    /// Finds out what stopped an instance. `slots` is the engine's concurrency; `said` is what the guest last wrote to
    /// its standard error, if anything, and `fuel` its limit.
    pub(crate) fn from_error(
        error: &wasmtime::Error,
        slots: u32,
        said: Option<&str>,
        fuel: Option<u64>,
    ) -> Self {
        if let Some(breach) = error.downcast_ref::<Breach>() {
            return match *breach {
                Breach::Deadline { limit } => Failure::Deadline { limit },
                Breach::Memory { asked, limit } => Failure::Memory { asked, limit },
                Breach::Table { asked, limit } => Failure::Table { asked, limit },
            };
        }
        if let (Some(Trap::OutOfFuel), Some(limit)) = (error.downcast_ref::<Trap>(), fuel) {
            return Failure::Fuel { limit };
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Failure::Capacity { slots };
        }
        let mut text = match error.downcast_ref::<Trap>() {
            Some(trap) => trap
                .to_string()
                .trim_start_matches("wasm trap: ")
                .to_string(),
            None => error.root_cause().to_string(),
        };
        let place = error
            .downcast_ref::<WasmBacktrace>()
            .and_then(|trace| trace.frames().first()?.func_name());
        if let Some(place) = place {
            text.push_str(&format!(" in `{place}`"));
        }
        if let Some(said) = said {
            text.push_str(&format!("; it said: {said}"));
        }
        Failure::Trap(text)
    }
}
