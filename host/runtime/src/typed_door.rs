//! The typed door: batches in, numbers out, no HTTP and no host calls.

use wasmtime::PoolConcurrencyLimitError;

use crate::failure::Failure;
use crate::invocation::Outcome;
use crate::run::Run;
use crate::state::State;

#[expect(
    missing_docs,
    reason = "generated from wit/function.wit, which has the documentation"
)]
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        inline: "
            package hyaline:runtime;
            world typed { export hyaline:function/model@0.1.0; }
        ",
        path: "../../wit/function.wit",
        world: "hyaline:runtime/typed",
        additional_derives: [PartialEq],
    });
}

/// The types of the typed door, as `wit/function.wit` describes them.
pub mod model {
    pub use super::bindings::exports::hyaline::function::model::{
        Column, Error, Explanations, Options, Predictions, Space, Tensors,
    };
}

impl Default for model::Options {
    /// Everything as the function does it by itself.
    fn default() -> model::Options {
        model::Options {
            method: None,
            space: None,
            seed: None,
            samples: None,
            tolerance: None,
        }
    }
}

/// A call through the typed door gave no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The function's own refusal: the batch does not fit its schema, or it cannot do what was asked. The text names the
    /// value, the place and the remedy.
    #[error("{}", refusal(.0))]
    Refused(model::Error),
    /// The function failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

fn refusal(error: &model::Error) -> &str {
    match error {
        model::Error::Invalid(text) | model::Error::Unsupported(text) => text,
    }
}

/// One instance of a function, for any number of calls in a row. Each call has the whole deadline; the memory limit is
/// for all of them together. After a [`Failure`] the instance takes no further call.
pub struct Instance {
    run: Run,
    typed: bindings::Typed,
}

impl Instance {
    pub(crate) fn start(mut run: Run, pre: &bindings::TypedPre<State>) -> Result<Self, Failure> {
        let made = run.counted(|run| match pre.instantiate(run.store()) {
            Err(error) if error.is::<PoolConcurrencyLimitError>() => {
                run.function().engine().reclaim();
                pre.instantiate(run.store())
            }
            made => made,
        });
        match made {
            Ok(typed) => Ok(Instance { run, typed }),
            Err(error) => {
                let failure = run.failure(&error);
                run.end(Outcome::Failed(failure.clone()));
                Err(failure)
            }
        }
    }

    /// Predicts for a batch: one column per feature, in schema order.
    ///
    /// # Errors
    ///
    /// [`CallError`]: the function refused the batch, or failed.
    pub fn predict(&mut self, batch: &[model::Column]) -> Result<model::Predictions, CallError> {
        self.call(|typed, run| {
            typed
                .hyaline_function_model()
                .call_predict(run.store(), batch)
        })?
        .map_err(CallError::Refused)
    }

    /// Explains the predictions for a batch.
    ///
    /// # Errors
    ///
    /// [`CallError`]: the function refused the batch or the options, or failed.
    pub fn explain(
        &mut self,
        batch: &[model::Column],
        options: &model::Options,
    ) -> Result<model::Explanations, CallError> {
        self.call(|typed, run| {
            typed
                .hyaline_function_model()
                .call_explain(run.store(), batch, options)
        })?
        .map_err(CallError::Refused)
    }

    /// The card as the running function gives it.
    ///
    /// # Errors
    ///
    /// [`Failure`]: the function failed.
    pub fn card(&mut self) -> Result<String, Failure> {
        self.call(|typed, run| typed.hyaline_function_model().call_card(run.store()))
    }

    fn call<T>(
        &mut self,
        export: impl FnOnce(&bindings::Typed, &mut Run) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        self.run.restart();
        let typed = &self.typed;
        let result = self.run.counted(|run| export(typed, run));
        let result = result.map_err(|error| self.run.failure(&error));
        self.run.end(match &result {
            Ok(_) => Outcome::Answered,
            Err(failure) => Outcome::Failed(failure.clone()),
        });
        self.run.close();
        result
    }
}
