//! The wasmtime of pack time: deterministic, and with every import a trap.

use std::error::Error as StdError;

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, OptLevel, Store, StoreLimits, StoreLimitsBuilder};

use crate::card::Cells;

/// The types of `wit/function.wit` and typed calls to a function's exports.
pub(crate) mod door {
    wasmtime::component::bindgen!({ path: "../../wit/function.wit", world: "function" });
}

pub(crate) use door::exports::hyaline::function::model as typed;

impl From<Cells> for typed::Column {
    fn from(cells: Cells) -> typed::Column {
        match cells {
            Cells::Numbers(values) => typed::Column::Numbers(values),
            Cells::Texts(values) => typed::Column::Texts(values),
            Cells::Tensors(width, values) => {
                typed::Column::Tensors(typed::Tensors { width, values })
            }
        }
    }
}

/// What stopped the sandbox, with its chain of causes.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Instructions that a bounded sandbox allows one instance: about a minute.
const FUEL: u64 = 100_000_000_000;

/// Memory that a bounded sandbox allows one instance.
const MEMORY: usize = 1 << 30;

/// Compiles and instantiates components for packing and proving.
pub(crate) struct Sandbox {
    engine: Engine,
    fuel: Option<u64>,
}

/// A component in the sandbox.
pub(crate) struct Guest {
    pub(crate) store: Store<StoreLimits>,
    pub(crate) instance: wasmtime::component::Instance,
    exports: door::Function,
}

impl Sandbox {
    /// For our own engines. NaNs are canonical and relaxed SIMD is off, so a run depends on the component and its input
    /// alone.
    pub(crate) fn new() -> Result<Sandbox, Cause> {
        Ok(Sandbox {
            engine: Engine::new(&config())?,
            fuel: None,
        })
    }

    /// For a component that may be hostile: the same, with a bound on memory and on executed instructions.
    pub(crate) fn bounded() -> Result<Sandbox, Cause> {
        Ok(Sandbox {
            engine: Engine::new(config().consume_fuel(true))?,
            fuel: Some(FUEL),
        })
    }

    /// # Errors
    /// When the bytes are no valid component.
    pub(crate) fn compile(&self, component: &[u8]) -> Result<Component, Cause> {
        Ok(Component::from_binary(&self.engine, component)?)
    }

    /// Makes an instance in which every import traps.
    ///
    /// # Errors
    /// When it traps at its start, or lacks an export of the function contract.
    pub(crate) fn start(&self, component: &Component) -> Result<Guest, Cause> {
        let mut linker = Linker::new(&self.engine);
        linker.define_unknown_imports_as_traps(component)?;
        let limits = match self.fuel {
            Some(_) => StoreLimitsBuilder::new().memory_size(MEMORY).build(),
            None => StoreLimits::default(),
        };
        let mut store = Store::new(&self.engine, limits);
        if let Some(fuel) = self.fuel {
            store.limiter(|limits| limits);
            store.set_fuel(fuel)?;
        }
        let instance = linker.instantiate(&mut store, component)?;
        let exports = door::Function::new(&mut store, &instance)?;
        Ok(Guest {
            store,
            instance,
            exports,
        })
    }

    /// Compiles and starts.
    ///
    /// # Errors
    /// Those of [`Sandbox::compile`] and [`Sandbox::start`].
    pub(crate) fn instantiate(&self, component: &[u8]) -> Result<Guest, Cause> {
        self.start(&self.compile(component)?)
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false);
    // What runs here runs for milliseconds; compiling it is most of the time that packing takes.
    config.cranelift_opt_level(OptLevel::None);
    config
}

impl Guest {
    /// Outer error: a trap. Inner: the engine's refusal.
    pub(crate) fn load(&mut self, image: &[u8]) -> Result<Result<(), String>, Cause> {
        Ok(self.exports.call_load(&mut self.store, image)?)
    }

    /// Outer error: a trap. Inner: the function's refusal.
    pub(crate) fn predict(
        &mut self,
        batch: &[typed::Column],
    ) -> Result<Result<typed::Predictions, typed::Error>, Cause> {
        Ok(self
            .exports
            .hyaline_function_model()
            .call_predict(&mut self.store, batch)?)
    }

    /// Outer error: a trap. Inner: the function's refusal.
    pub(crate) fn explain(
        &mut self,
        batch: &[typed::Column],
        options: &typed::Options,
    ) -> Result<Result<typed::Explanations, typed::Error>, Cause> {
        Ok(self
            .exports
            .hyaline_function_model()
            .call_explain(&mut self.store, batch, options)?)
    }
}
