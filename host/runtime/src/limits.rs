//! What one request may use.

use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

/// What one request may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall time from the start of the instance to the end of its answer.
    pub deadline: Duration,
    /// Bytes of linear memory, summed over all memories of the instance, the packed model included.
    pub memory: u64,
    /// Table elements, summed over all tables of the instance, each of which has 200 000 at most; more than
    /// [`MOST_TABLE_ELEMENTS`](crate::MOST_TABLE_ELEMENTS) are no limit.
    pub table_elements: u64,
    /// Units of fuel, about one per WebAssembly instruction. Only on an engine that counts it
    /// ([`EngineConfig::fuel`](crate::EngineConfig::fuel)). `None`: as much as the deadline allows.
    pub fuel: Option<u64>,
}

impl Default for Limits {
    /// What managed Spin platforms give a request: 30 seconds and 128 MiB.
    fn default() -> Self {
        Limits {
            deadline: Duration::from_secs(30),
            memory: 128 << 20,
            table_elements: 200_000,
            fuel: None,
        }
    }
}

/// A limit that a running instance ran into. Travels through the engine as the error that stops the instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Breach {
    #[error("deadline of {limit:?} passed")]
    Deadline { limit: Duration },
    #[error("asked for {asked} bytes of memory, limit {limit}")]
    Memory { asked: u64, limit: u64 },
    #[error("asked for {asked} table elements, limit {limit}")]
    Table { asked: u64, limit: u64 },
}

/// What one instance has used so far, and the judge of what it may use next.
#[derive(Debug)]
pub(crate) struct Usage {
    limits: Limits,
    started: Instant,
    memory: u64,
    peak_memory: u64,
    table_elements: u64,
}

impl Usage {
    pub(crate) fn new(limits: Limits) -> Self {
        Usage {
            limits,
            started: Instant::now(),
            memory: 0,
            peak_memory: 0,
            table_elements: 0,
        }
    }

    /// Starts the time of the next call on the same instance. Memory stays counted, because it stays.
    pub(crate) fn restart(&mut self) {
        self.started = Instant::now();
        self.peak_memory = self.memory;
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn peak_memory(&self) -> u64 {
        self.peak_memory
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.started + self.limits.deadline
    }

    pub(crate) fn fuel(&self) -> Option<u64> {
        self.limits.fuel
    }

    pub(crate) fn deadline_breach(&self) -> Breach {
        Breach::Deadline {
            limit: self.limits.deadline,
        }
    }
}

/// Refusing is an error that stops the instance, not a failed `memory.grow`: the guest would answer that with a trap of
/// its own, and the cause would be lost.
impl ResourceLimiter for Usage {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let asked = self.memory - current as u64 + desired as u64;
        if asked > self.limits.memory {
            return Err(Breach::Memory {
                asked,
                limit: self.limits.memory,
            }
            .into());
        }
        self.memory = asked;
        self.peak_memory = self.peak_memory.max(asked);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let asked = self.table_elements - current as u64 + desired as u64;
        if asked > self.limits.table_elements {
            return Err(Breach::Table {
                asked,
                limit: self.limits.table_elements,
            }
            .into());
        }
        self.table_elements = asked;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        deadline: Duration::from_secs(1),
        memory: 1000,
        table_elements: 10,
        fuel: None,
    };

    #[test]
    fn memory_is_summed_over_all_memories_of_an_instance() {
        let mut usage = Usage::new(LIMITS);
        assert!(usage.memory_growing(0, 400, None).unwrap());
        assert!(usage.memory_growing(0, 500, None).unwrap());
        assert!(usage.memory_growing(400, 500, None).unwrap());
        assert_eq!(usage.peak_memory(), 1000);
        let refused = usage.memory_growing(500, 501, None).unwrap_err();
        assert_eq!(
            refused.downcast_ref(),
            Some(&Breach::Memory {
                asked: 1001,
                limit: 1000
            })
        );
        assert_eq!(usage.peak_memory(), 1000);
    }

    #[test]
    fn growth_beyond_the_declared_maximum_fails_as_wasm_defines_it_and_is_not_counted() {
        let mut usage = Usage::new(LIMITS);
        assert!(!usage.memory_growing(0, 900, Some(800)).unwrap());
        assert!(!usage.table_growing(0, 9, Some(8)).unwrap());
        assert_eq!(usage.peak_memory(), 0);
        assert!(usage.memory_growing(0, 1000, None).unwrap());
    }

    #[test]
    fn tables_are_summed_too() {
        let mut usage = Usage::new(LIMITS);
        assert!(usage.table_growing(0, 6, None).unwrap());
        let refused = usage.table_growing(0, 5, None).unwrap_err();
        assert_eq!(
            refused.downcast_ref(),
            Some(&Breach::Table {
                asked: 11,
                limit: 10
            })
        );
    }
}
