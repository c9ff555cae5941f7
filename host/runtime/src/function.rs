//! A loaded component and its two doors.

use std::io;
use std::sync::Arc;

use http::{Request, Response};
use serde::{Deserialize, Serialize};
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::artefact::{Origin, Sheet};
use crate::card;
use crate::compiled::{Compiled, TYPED_DOOR};
use crate::digest::Digest;
use crate::engine::Engine;
use crate::error::LoadError;
use crate::failure::Failure;
use crate::http_door;
use crate::idle::IdleInstances;
use crate::invocation::{Invocation, Meter};
use crate::limits::Limits;
use crate::outbound::AllowedHosts;
use crate::policy::Policy;
use crate::response::ResponseBody;
use crate::run::Run;
use crate::state::{Interruption, State};
use crate::typed_door::{CallError, Instance, model};

/// A loaded function, ready to be called any number of times at once. Cheap to clone.
///
/// Its code, and the code it shares with other functions, stay in memory for as long as a clone, an [`Instance`] or a
/// running request has it.
#[derive(Clone)]
pub struct Function(Arc<Inner>);

struct Inner {
    engine: Engine,
    name: Arc<str>,
    compiled: Arc<Compiled>,
    limits: Limits,
    outbound: Arc<AllowedHosts>,
    meter: Option<Arc<dyn Meter>>,
    idle: Option<Arc<IdleInstances>>,
}

/// What a host needs to know of a function to list it, without loading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    digest: Digest,
    #[serde(flatten)]
    sheet: Sheet,
}

impl Summary {
    /// SHA-256 of the component.
    pub fn digest(&self) -> [u8; 32] {
        self.digest.0
    }

    /// The JSON of its `hyaline:card` section; `None` when it was not made by the packer.
    pub fn card(&self) -> Option<&str> {
        self.sheet.card.as_deref()
    }

    /// Whether it answers HTTP requests.
    pub fn has_http_door(&self) -> bool {
        self.sheet.http_door
    }

    /// Whether it takes batches.
    pub fn has_typed_door(&self) -> bool {
        self.sheet.typed_door
    }

    /// Bytes of the component.
    pub fn size(&self) -> u64 {
        self.sheet.size
    }

    /// SHA-256 of the code that it shares with other functions; `None` when all of its code is its own.
    pub fn engine(&self) -> Option<[u8; 32]> {
        self.sheet.engine.map(|engine| engine.0)
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.0.name)
            .field("origin", &self.0.compiled.origin)
            .finish_non_exhaustive()
    }
}

impl Function {
    /// Checks, compiles (or finds compiled, when the engine has a cache) and links `component`. `name` is what errors
    /// and records call it.
    ///
    /// # Errors
    ///
    /// [`LoadError`]: not a component, does not compile, imports something beyond `wasi:http/proxy`, exports neither
    /// door, has a door of the wrong type, or a limit on fuel for an engine that does not count it.
    pub fn load(
        engine: &Engine,
        name: &str,
        component: &[u8],
        policy: Policy,
    ) -> Result<Self, LoadError> {
        card::check_preamble(name, component)?;
        let digest = Digest::of(component);
        let compiled = match Compiled::from_cache(engine, digest) {
            Some(compiled) => compiled,
            None => Compiled::compile(engine, name, digest, component)?,
        };
        Function::new(engine, name.into(), Arc::new(compiled), policy)
    }

    /// Loads the function whose component has this SHA-256 from the engine's cache, which [`Function::load`] or
    /// [`Function::prepare`] has filled, without reading the component. Costs a fraction of a millisecond, and more the
    /// larger its model is. `component` is asked for the bytes when the compiled code is not there or is damaged.
    ///
    /// # Errors
    ///
    /// As [`Function::load`], and [`LoadError::Unreadable`] and [`LoadError::OtherComponent`] when `component` is asked
    /// and gives no bytes, or other ones.
    pub fn load_cached(
        engine: &Engine,
        name: &str,
        digest: [u8; 32],
        policy: Policy,
        component: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> Result<Self, LoadError> {
        let expected = Digest(digest);
        if let Some(compiled) = Compiled::from_cache(engine, expected) {
            return Function::new(engine, name.into(), Arc::new(compiled), policy);
        }
        let component = component().map_err(|source| LoadError::Unreadable {
            name: name.into(),
            source,
        })?;
        let found = Digest::of(&component);
        if found != expected {
            return Err(LoadError::OtherComponent {
                name: name.into(),
                expected: expected.to_string(),
                found: found.to_string(),
            });
        }
        card::check_preamble(name, &component)?;
        let compiled = Compiled::compile(engine, name, expected, &component)?;
        Function::new(engine, name.into(), Arc::new(compiled), policy)
    }

    /// Checks and compiles `component` into the engine's cache, for [`Function::load_cached`]. What it returns is all a
    /// host needs to list the function.
    ///
    /// # Errors
    ///
    /// As [`Function::load`].
    pub fn prepare(engine: &Engine, name: &str, component: &[u8]) -> Result<Summary, LoadError> {
        Function::load(engine, name, component, Policy::default())
            .map(|function| function.summary())
    }

    /// The same function under another policy. Requests that run go on under the old one.
    ///
    /// # Errors
    ///
    /// [`LoadError::FuelNotCounted`]: the policy limits fuel, and the function's engine does not count it.
    pub fn with_policy(&self, policy: Policy) -> Result<Self, LoadError> {
        let inner = &self.0;
        Function::new(
            &inner.engine,
            inner.name.clone(),
            inner.compiled.clone(),
            policy,
        )
    }

    fn new(
        engine: &Engine,
        name: Arc<str>,
        compiled: Arc<Compiled>,
        policy: Policy,
    ) -> Result<Self, LoadError> {
        if let Some(limit) = policy.limits.fuel
            && !engine.config().fuel
        {
            return Err(LoadError::FuelNotCounted {
                name: name.to_string(),
                limit,
            });
        }
        let idle = policy
            .reuse
            .filter(|reuse| reuse.requests > 1)
            .map(IdleInstances::new);
        if let Some(idle) = &idle {
            engine.may_reclaim(idle);
        }
        Ok(Function(Arc::new(Inner {
            engine: engine.clone(),
            name,
            compiled,
            limits: policy.limits,
            outbound: Arc::new(policy.outbound),
            meter: policy.meter,
            idle,
        })))
    }

    /// The name it was loaded under.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> [u8; 32] {
        self.0.compiled.digest.0
    }

    /// The JSON of its `hyaline:card` section; `None` when it was not made by the packer.
    pub fn card(&self) -> Option<&str> {
        self.0.compiled.sheet.card.as_deref()
    }

    /// What a host needs to know of it to list it.
    pub fn summary(&self) -> Summary {
        Summary {
            digest: self.0.compiled.digest,
            sheet: self.0.compiled.sheet.clone(),
        }
    }

    /// Where its machine code came from.
    pub fn origin(&self) -> Origin {
        self.0.compiled.origin
    }

    /// What each of its requests may use.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Whether [`Function::handle`] can be called.
    pub fn has_http_door(&self) -> bool {
        self.0.compiled.http.is_some()
    }

    /// Whether [`Function::predict`], [`Function::explain`] and [`Function::instance`] can be called.
    pub fn has_typed_door(&self) -> bool {
        self.0.compiled.typed.is_some()
    }

    /// Answers one HTTP request, in a fresh instance unless the policy allows reuse. Must run inside a tokio runtime with
    /// time enabled.
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
        http_door::handle(self, request, None).await
    }

    /// As [`Function::handle`], and gives the record of this one invocation to `receiver`, besides the policy's meter.
    ///
    /// It is called exactly once for every request that reaches the function (so not for [`Failure::NoDoor`]), when the
    /// record is complete: before a whole answer is returned; after the function has finished and the body of a streamed
    /// answer was read or dropped; when the future is dropped. It must not block.
    ///
    /// # Errors
    ///
    /// As [`Function::handle`].
    pub async fn handle_metered<B>(
        &self,
        request: Request<B>,
        receiver: impl FnOnce(Invocation) + Send + 'static,
    ) -> Result<Response<ResponseBody>, Failure>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        http_door::handle(self, request, Some(Box::new(receiver))).await
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
        let typed = self.0.compiled.typed.as_ref();
        let pre = typed.ok_or(Failure::NoDoor { door: TYPED_DOOR })?;
        let store = self.store(Interruption::Continue);
        Instance::start(Run::new(self, store, false, None), pre)
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

    /// A store for a new instance, its limits armed.
    pub(crate) fn store(&self, interruption: Interruption) -> Store<State> {
        let inner = &self.0;
        State::store(&inner.engine, &inner.limits, &inner.outbound, interruption)
    }

    pub(crate) fn http(&self) -> Option<&ProxyPre<State>> {
        self.0.compiled.http.as_ref()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn meter(&self) -> Option<Arc<dyn Meter>> {
        self.0.meter.clone()
    }

    pub(crate) fn idle(&self) -> Option<&Arc<IdleInstances>> {
        self.0.idle.as_ref()
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.0.name.clone()
    }
}
