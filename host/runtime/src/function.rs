//! A loaded component and its two doors.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use sha2::{Digest, Sha256};
use wasmtime::Store;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::artefact::{self, Origin};
use crate::engine::Engine;
use crate::error::LoadError;
use crate::limits::Limits;
use crate::outbound::AllowedHosts;
use crate::outcome::{Failure, Invocation, Meter, Outcome};
use crate::response::ResponseBody;
use crate::state::{Interruption, State};
use crate::ticker::Running;
use crate::typed_door::{CallError, Instance, bindings::TypedPre, model};
use crate::{card, http_door, imports};

/// What a function may use and reach, and who is told.
#[derive(Clone, Default)]
pub struct Policy {
    /// What each request may use.
    pub limits: Limits,
    /// Where it may send HTTP requests.
    pub outbound: AllowedHosts,
    /// Told about every invocation.
    pub meter: Option<Arc<dyn Meter>>,
}

/// A loaded function, ready to be called any number of times at once. Cheap to clone.
#[derive(Clone)]
pub struct Function(Arc<Inner>);

struct Inner {
    engine: Engine,
    name: String,
    digest: [u8; 32],
    card: Option<String>,
    origin: Origin,
    limits: Limits,
    outbound: Arc<AllowedHosts>,
    meter: Option<Arc<dyn Meter>>,
    http: Option<ProxyPre<State>>,
    typed: Option<TypedPre<State>>,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.0.name)
            .field("origin", &self.0.origin)
            .finish_non_exhaustive()
    }
}

/// The HTTP door, as its component export is named.
const HTTP_DOOR: &str = "wasi:http/incoming-handler";
/// The typed door, as its component export is named.
const TYPED_DOOR: &str = "hyaline:function/model";

impl Function {
    /// Checks, compiles (or finds compiled, when the engine has a cache) and links `component`. `name` is what errors
    /// and records call it.
    ///
    /// # Errors
    ///
    /// [`LoadError`]: not a component, does not compile, imports something beyond `wasi:http/proxy`, exports neither
    /// door, or has a door of the wrong type.
    pub fn load(
        engine: &Engine,
        name: &str,
        component: &[u8],
        policy: Policy,
    ) -> Result<Self, LoadError> {
        let card = card::read_card(name, component)?.map(str::to_owned);
        let (compiled, origin) =
            artefact::obtain(engine.wasm(), engine.config().cache.as_deref(), component).map_err(
                |error| LoadError::Compile {
                    name: name.into(),
                    source: error.into(),
                },
            )?;
        let component_type = compiled.component_type();
        if let Some(import) = imports::first_forbidden(&component_type, engine.wasm()) {
            return Err(LoadError::ForbiddenImport {
                name: name.into(),
                import,
            });
        }
        let exports: Vec<String> = component_type
            .exports(engine.wasm())
            .map(|(export, _)| export.to_owned())
            .collect();
        let has = |door: &str| {
            exports
                .iter()
                .any(|export| export.split('@').next() == Some(door))
        };

        let link = |error: wasmtime::Error| LoadError::Link {
            name: name.into(),
            source: error.into(),
        };
        let http = has(HTTP_DOOR)
            .then(|| http_door(engine, &compiled))
            .transpose()
            .map_err(link)?;
        let typed = has(TYPED_DOOR)
            .then(|| typed_door(engine, &compiled))
            .transpose()
            .map_err(link)?;
        if http.is_none() && typed.is_none() {
            let found = if exports.is_empty() {
                "nothing".into()
            } else {
                exports.join(", ")
            };
            return Err(LoadError::NoDoor {
                name: name.into(),
                found,
            });
        }
        Ok(Function(Arc::new(Inner {
            engine: engine.clone(),
            name: name.into(),
            digest: Sha256::digest(component).into(),
            card,
            origin,
            limits: policy.limits,
            outbound: Arc::new(policy.outbound),
            meter: policy.meter,
            http,
            typed,
        })))
    }

    /// The name it was loaded under.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> [u8; 32] {
        self.0.digest
    }

    /// The JSON of its `hyaline:card` section; `None` when it was not made by the packer.
    pub fn card(&self) -> Option<&str> {
        self.0.card.as_deref()
    }

    /// Where its machine code came from.
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// What each of its requests may use.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Whether [`Function::handle`] can be called.
    pub fn has_http_door(&self) -> bool {
        self.0.http.is_some()
    }

    /// Whether [`Function::predict`], [`Function::explain`] and [`Function::instance`] can be called.
    pub fn has_typed_door(&self) -> bool {
        self.0.typed.is_some()
    }

    /// Answers one HTTP request in a fresh instance. Must run inside a tokio runtime with time enabled.
    ///
    /// The answer is returned when the function has finished; only an answer that is long, or that the function pauses
    /// in, is streamed while it goes on. So a crash after the response was begun is still a [`Failure`] and not half an
    /// answer. Dropping the future, or the body of a streamed answer, stops the function.
    ///
    /// # Errors
    ///
    /// [`Failure`]: the function gave no answer. An error in the middle of a streamed body is one too.
    pub async fn handle<B>(&self, request: Request<B>) -> Result<Response<ResponseBody>, Failure>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        let pre = self
            .0
            .http
            .as_ref()
            .ok_or(Failure::NoDoor { door: HTTP_DOOR })?;
        http_door::handle(self.begin(Interruption::Yield), pre.clone(), request).await
    }

    /// A fresh instance for calls through the typed door. It holds one of the engine's slots until it is dropped.
    ///
    /// No import of the component can be called here: no clock, no random number, no request. What the typed door
    /// answers depends on the arguments alone.
    ///
    /// # Errors
    ///
    /// [`Failure`]: no slot is free, the memory limit is below what the function starts with, or there is no typed door.
    pub fn instance(&self) -> Result<Instance, Failure> {
        let pre = self
            .0
            .typed
            .as_ref()
            .ok_or(Failure::NoDoor { door: TYPED_DOOR })?;
        Instance::start(self.begin(Interruption::Continue), pre)
    }

    /// Predicts in a fresh instance. Blocks the thread for as long as the function computes.
    ///
    /// # Errors
    ///
    /// [`CallError`]: the function refused the batch, or failed.
    pub fn predict(&self, batch: &[model::Column]) -> Result<model::Predictions, CallError> {
        self.instance()?.predict(batch)
    }

    /// Explains in a fresh instance. Blocks the thread for as long as the function computes.
    ///
    /// # Errors
    ///
    /// [`CallError`]: the function refused the batch, or failed.
    pub fn explain(
        &self,
        batch: &[model::Column],
        options: &model::Options,
    ) -> Result<model::Explanations, CallError> {
        self.instance()?.explain(batch, options)
    }

    fn begin(&self, interruption: Interruption) -> Run {
        let store = State::store(
            &self.0.engine,
            &self.0.limits,
            &self.0.outbound,
            interruption,
        );
        Run {
            store,
            function: self.clone(),
            outcome: None,
            _running: self.0.engine.run(),
        }
    }
}

fn http_door(engine: &Engine, component: &Component) -> wasmtime::Result<ProxyPre<State>> {
    ProxyPre::new(engine.http_imports().instantiate_pre(component)?)
}

fn typed_door(engine: &Engine, component: &Component) -> wasmtime::Result<TypedPre<State>> {
    let mut nothing = Linker::new(engine.wasm());
    nothing.define_unknown_imports_as_traps(component)?;
    TypedPre::new(nothing.instantiate_pre(component)?)
}

/// One invocation while it runs: the instance's store, and the duty to tell the meter how it ended, also when nobody
/// waits for it any more.
pub(crate) struct Run {
    pub(crate) store: Store<State>,
    function: Function,
    outcome: Option<Outcome>,
    _running: Running,
}

impl Run {
    /// What stopped the instance, in the words for the caller.
    pub(crate) fn failure(&self, error: &wasmtime::Error) -> Failure {
        let slots = self.function.0.engine.config().concurrency;
        Failure::from_error(error, slots, self.store.data().last_words().as_deref())
    }

    /// The longest it may run, as of now.
    pub(crate) fn deadline_failure(&self) -> Failure {
        Failure::Deadline {
            limit: self.function.0.limits.deadline,
        }
    }

    /// Writes the record of what ran since the start or the last record.
    pub(crate) fn record(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome.clone());
        let Some(meter) = &self.function.0.meter else {
            return;
        };
        let usage = &self.store.data().usage;
        let wall: Duration = usage.elapsed();
        meter.record(&Invocation {
            function: self.function.0.name.clone(),
            wall,
            peak_memory: usage.peak_memory(),
            outcome,
        });
    }

    /// Starts the clock of the next call on the same instance.
    pub(crate) fn restart(&mut self) {
        if self.outcome.take().is_some() {
            self.store.data_mut().usage.restart();
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.outcome.is_none() {
            self.record(Outcome::Abandoned);
        }
    }
}
