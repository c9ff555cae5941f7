//! What belongs to one instance while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use http::HeaderName;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::body::{HostOutgoingBody, HyperOutgoingBody};
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error as HttpError, ForbiddenHeaderFilter, RequestOptions,
    WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::console::{Console, Written};
use crate::engine::Engine;
use crate::limits::{Limits, Usage};
use crate::outbound::AllowedHosts;

/// Host objects (bodies, headers, streams) one instance may hold at once. None is larger than a header map, or a request
/// with its three texts and what lies in its body, so that all of them together stay in the order of an instance's memory.
const MAX_RESOURCES: usize = 512;
/// Bytes of the largest header map a guest can make; proxies mostly take 8 KiB.
const FIELD_SIZE: usize = 32 << 10;
/// Bytes that a guest can hand to the host in one call through the HTTP door: a chunk of a body or of its log. Methods and
/// authorities of outgoing requests have no other limit.
pub(crate) const MOST_PER_HOST_CALL: usize = BODY_CHUNK_SIZE;
/// Ticks of the clock after which a call is a long one. It begins between two of them, and none is a long one for being
/// there when the clock ticks.
const SHORT: u64 = 2;
/// Ticks between two turns of a long call: it lets others onto its thread and its processor, and its deadline is kept to
/// within one turn.
const TURN: u64 = 1;
/// Host objects that an instance may keep from one request to the next: its standard streams, a clock.
const KEPT_RESOURCES: usize = 8;
/// What a guest can leave in a body before it must wait for somebody to take it: chunks, and bytes each.
const BODY_CHUNKS: usize = 16;
const BODY_CHUNK_SIZE: usize = 64 << 10;
/// Bodies of a call that have that much room: the answer, and a few requests.
const ROOMY_BODIES: u32 = 4;
/// The room in each further body. What was written stays in a request that is never sent, after its body was dropped.
const NARROW_BODY_CHUNKS: usize = 1;
const NARROW_BODY_CHUNK_SIZE: usize = 16 << 10;

/// What the host keeps for one instance.
pub(crate) struct State {
    pub(crate) usage: Usage,
    /// Whether the call has computed for longer than [`SHORT`].
    long: Arc<AtomicBool>,
    table: ResourceTable,
    http: WasiHttpCtx,
    hooks: Hooks,
    wasi: Option<Wasi>,
}

struct Wasi {
    context: WasiCtx,
    stdout: Console,
    stderr: Console,
}

impl State {
    /// A store for one instance, with its limits armed. `interruption` says what a tick of the clock does to code that
    /// is still within its deadline.
    pub(crate) fn store(
        engine: &Engine,
        limits: &Limits,
        outbound: &Arc<AllowedHosts>,
        interruption: Interruption,
    ) -> Store<State> {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELD_SIZE);
        let state = State {
            usage: Usage::new(limits.clone()),
            long: Arc::default(),
            table,
            http,
            hooks: Hooks {
                outbound: outbound.clone(),
                bodies: 0,
            },
            wasi: None,
        };
        let mut store = Store::new(engine.wasm(), state);
        store.limiter(|state| &mut state.usage);
        store.epoch_deadline_callback(move |context| {
            let usage = &context.data().usage;
            if Instant::now() >= usage.deadline() {
                return Err(usage.deadline_breach().into());
            }
            Ok(match interruption {
                Interruption::Yield => {
                    context.data().long.store(true, Relaxed);
                    UpdateDeadline::Yield(TURN)
                }
                Interruption::Continue => UpdateDeadline::Continue(TURN),
            })
        });
        arm(&mut store);
        store
    }

    /// Makes a store ready for the next call on its instance: clock, fuel, bodies and console start anew.
    pub(crate) fn restart(store: &mut Store<State>) {
        let state = store.data_mut();
        state.usage.restart();
        state.hooks.bodies = 0;
        state.long.store(false, Relaxed);
        // What a guest said between two calls belongs to neither.
        store.data().take_written();
        arm(store);
    }

    /// Fuel burnt since the start or the last restart; `None`: the engine does not count it.
    pub(crate) fn fuel_burnt(store: &Store<State>) -> Option<u64> {
        let left = store.get_fuel().ok()?;
        Some(tank(store.data()) - left)
    }

    /// Becomes true when the call has computed for longer than [`SHORT`], while whoever runs it has its turn.
    pub(crate) fn long(&self) -> Arc<AtomicBool> {
        self.long.clone()
    }

    /// The last line the guest wrote to its standard error.
    pub(crate) fn last_words(&self) -> Option<String> {
        self.wasi.as_ref()?.stderr.last_line()
    }

    /// What the guest wrote since this was last asked: to standard output, to standard error.
    pub(crate) fn take_written(&self) -> (Option<Written>, Option<Written>) {
        match &self.wasi {
            None => (None, None),
            Some(wasi) => (wasi.stdout.take(), wasi.stderr.take()),
        }
    }

    /// Whether the guest holds so little of the host that it may answer another request. A body that it has not finished
    /// keeps its reader waiting, and would take what a later request writes.
    pub(crate) fn is_tidy(&mut self) -> bool {
        let mut kept = 0;
        self.table.iter_mut().all(|object| {
            kept += 1;
            kept <= KEPT_RESOURCES && !object.is::<HostOutgoingBody>()
        })
    }
}

/// The fuel that a call starts with.
fn tank(state: &State) -> u64 {
    state.usage.fuel().unwrap_or(u64::MAX)
}

fn arm(store: &mut Store<State>) {
    store.set_epoch_deadline(SHORT);
    // It fails exactly when the engine does not count fuel; a limit is not set then.
    let _ = store.set_fuel(tank(store.data()));
}

/// What happens on a tick of the clock to code within its deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interruption {
    /// Others on the same thread get their turn. For code on a fiber.
    Yield,
    /// It goes on. For code on the caller's own stack.
    Continue,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Made when first asked for: most functions never use a clock or a random number, and seeding costs more than
        // a prediction.
        let wasi = self.wasi.get_or_insert_with(|| {
            let (stdout, stderr) = (Console::default(), Console::default());
            let mut context = WasiCtx::builder();
            context.stdout(stdout.clone()).stderr(stderr.clone());
            Wasi {
                context: context.build(),
                stdout,
                stderr,
            }
        });
        WasiCtxView {
            ctx: &mut wasi.context,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.hooks,
        }
    }
}

struct Hooks {
    outbound: Arc<AllowedHosts>,
    /// Outgoing bodies that the call has opened.
    bodies: u32,
}

type Sent = Result<(http::Response<HyperOutgoingBody>, Completion), HttpError>;
type Completion = Box<dyn Future<Output = Result<(), HttpError>> + Send>;

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        DEFAULT_FORBIDDEN_HEADERS.contains(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|name| DEFAULT_FORBIDDEN_HEADERS.contains(name))
    }

    fn send_request(
        &mut self,
        request: http::Request<HyperOutgoingBody>,
        options: Option<RequestOptions>,
        _sent: Completion,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let allowed = self.outbound.allows(request.uri());
        Box::new(async move {
            use http_body_util::BodyExt as _;
            if !allowed {
                return Err(HttpError::HttpRequestDenied);
            }
            let (response, connection) =
                wasmtime_wasi_http::default_send_request(request, options).await?;
            Ok((
                response.map(|body| body.boxed_unsync()),
                Box::new(connection) as Completion,
            ))
        })
    }

    /// Asked first of the two, once for every body.
    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        self.bodies = self.bodies.saturating_add(1);
        if self.bodies <= ROOMY_BODIES {
            BODY_CHUNKS
        } else {
            NARROW_BODY_CHUNKS
        }
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        if self.bodies <= ROOMY_BODIES {
            BODY_CHUNK_SIZE
        } else {
            NARROW_BODY_CHUNK_SIZE
        }
    }
}
