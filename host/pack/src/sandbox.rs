//! The wasmtime of pack time: deterministic, and with every import a trap.

use std::error::Error as StdError;

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

/// The types of `wit/function.wit` and typed calls to a function's exports.
pub(crate) mod door {
    wasmtime::component::bindgen!({ path: "../../wit/function.wit", world: "function" });
}

pub(crate) use door::exports::hyaline::function::model as typed;

/// What stopped the sandbox, with its chain of causes.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Compiles and instantiates components for packing and proving.
pub(crate) struct Sandbox {
    engine: Engine,
}

/// A component in the sandbox.
pub(crate) struct Guest {
    pub(crate) store: Store<()>,
    pub(crate) instance: wasmtime::component::Instance,
    exports: door::Function,
}

impl Sandbox {
    /// NaNs are canonical and relaxed SIMD is off, so a run depends on the component and its input alone.
    pub(crate) fn new() -> Result<Sandbox, Cause> {
        let mut config = Config::new();
        config.cranelift_nan_canonicalization(true).wasm_relaxed_simd(false);
        Ok(Sandbox { engine: Engine::new(&config)? })
    }

    /// Compiles `component` and makes an instance in which every import traps.
    ///
    /// # Errors
    /// When the bytes are no valid component, or it lacks an export of the function contract.
    pub(crate) fn instantiate(&self, component: &[u8]) -> Result<Guest, Cause> {
        let component = Component::from_binary(&self.engine, component)?;
        let mut linker = Linker::new(&self.engine);
        linker.define_unknown_imports_as_traps(&component)?;
        let mut store = Store::new(&self.engine, ());
        let instance = linker.instantiate(&mut store, &component)?;
        let exports = door::Function::new(&mut store, &instance)?;
        Ok(Guest { store, instance, exports })
    }
}

impl Guest {
    /// Outer error: a trap. Inner: the engine's refusal.
    pub(crate) fn load(&mut self, image: &[u8]) -> Result<Result<(), String>, Cause> {
        Ok(self.exports.call_load(&mut self.store, image)?)
    }

    /// Outer error: a trap. Inner: the function's refusal.
    pub(crate) fn predict(&mut self, batch: &[typed::Column]) -> Result<Result<typed::Predictions, typed::Error>, Cause> {
        Ok(self.exports.hyaline_function_model().call_predict(&mut self.store, batch)?)
    }

    /// Outer error: a trap. Inner: the function's refusal.
    pub(crate) fn explain(
        &mut self,
        batch: &[typed::Column],
        options: typed::Options,
    ) -> Result<Result<typed::Explanations, typed::Error>, Cause> {
        Ok(self.exports.hyaline_function_model().call_explain(&mut self.store, batch, options)?)
    }
}
