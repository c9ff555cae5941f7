//! The HTTP door: a request goes in, the head of the answer comes out, the body follows.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame};
use tokio::task::unconstrained;
use wasmtime::PoolConcurrencyLimitError;
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::compiled::HTTP_DOOR;
use crate::failure::Failure;
use crate::function::Function;
use crate::idle::Kept;
use crate::invocation::{Ledger, Outcome, Receiver};
use crate::request::Counted;
use crate::response::{ResponseBody, StreamingGuest};
use crate::run::Run;
use crate::state::{Interruption, MOST_PER_HOST_CALL, State};

/// Bytes of an answer that are held back until the function has finished; a longer answer is streamed from there on.
const HELD_BACK: usize = 1 << 20;

type Set = Result<Response<HyperOutgoingBody>, ErrorCode>;
type Guest = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

pub(crate) async fn handle<B>(
    function: &Function,
    request: Request<B>,
    receiver: Option<Receiver>,
) -> Result<Response<ResponseBody>, Failure>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<wasmtime_wasi_http::Error>,
{
    if function.http().is_none() {
        return Err(Failure::NoDoor { door: HTTP_DOOR });
    }
    let kept = function.idle().and_then(|idle| idle.take());
    let (store, instance) = match kept {
        Some(mut kept) => {
            State::restart(&mut kept.store);
            (kept.store, Some((kept.proxy, kept.served)))
        }
        None => {
            let mut store = function.store(Interruption::Yield);
            store.set_hostcall_fuel(MOST_PER_HOST_CALL);
            (store, None)
        }
    };
    let long = store.data().long();
    let run = Run::new(function, store, instance.is_some(), receiver);
    let ledger = run.ledger().cloned();
    let place = Arc::new(Place::default());
    let fault = Arc::new(OnceLock::new());
    let guest: Guest = Box::pin(run_guest(
        run,
        instance,
        request,
        place.clone(),
        fault.clone(),
    ));
    let mut answered = Box::pin(answer(guest, place, fault, ledger, function.clone()));
    let soon = poll_fn(|context| match answered.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        // It would compute on this thread for as long as it likes, and short requests would wait.
        Poll::Pending if long.load(Relaxed) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    match soon.await {
        Some(answer) => answer,
        None => function.engine().lane().finish(answered).await,
    }
}

/// What the guest answers: all of it when it finishes soon, else what there is.
async fn answer(
    mut guest: Guest,
    place: Arc<Place>,
    fault: Arc<OnceLock<Failure>>,
    ledger: Option<Arc<Ledger>>,
    function: Function,
) -> Result<Response<ResponseBody>, Failure> {
    let mut answer = Answer::Awaited(place);

    // Without tokio's cooperative budget: when a task has used it up, channels say "not yet" although all is there, and
    // here that would mean that a function that has finished gave no answer.
    let finished = unconstrained(poll_fn(|context| {
        loop {
            if let Poll::Ready(result) = guest.as_mut().poll(context) {
                return Poll::Ready(Some(result));
            }
            if !answer.advance(context) {
                return if answer.may_be_streamed() {
                    Poll::Ready(None)
                } else {
                    Poll::Pending
                };
            }
        }
    }))
    .await;

    match finished {
        Some(Err(failure)) => Err(failure),
        Some(Ok(())) => {
            // The guest and all its senders are gone: whatever it left is there now.
            drop(guest);
            unconstrained(poll_fn(|context| {
                while answer.advance(context) {}
                Poll::Ready(())
            }))
            .await;
            answer.into_whole(ledger)
        }
        None => answer.into_stream(guest, fault, ledger, &function),
    }
}

async fn run_guest<B>(
    mut run: Run,
    instance: Option<(Proxy, u32)>,
    request: Request<B>,
    place: Arc<Place>,
    fault: Arc<OnceLock<Failure>>,
) -> Result<(), Failure>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<wasmtime_wasi_http::Error>,
{
    let deadline = run.store().data().usage.deadline();
    let served = instance.as_ref().map_or(0, |(_, served)| *served);
    let ledger = run.ledger().cloned();
    let called = {
        let proxy = instance.map(|(proxy, _)| proxy);
        let call = pin!(call(&mut run, proxy, request, place.clone()));
        until(deadline, ledger.as_ref(), call).await
    };
    let result = match called {
        Some(Ok(proxy)) => match place.failure() {
            None => Ok(proxy),
            Some(failure) => Err(failure),
        },
        Some(Err(error)) => Err(run.failure(&error)),
        None => Err(run.deadline_failure()),
    };
    if let Err(failure) = &result {
        // Before the store goes, and with it the sender whose end the reader of a streamed body sees.
        fault.get_or_init(|| failure.clone());
    }
    run.end(match &result {
        Ok(_) => Outcome::Answered,
        Err(failure) => Outcome::Failed(failure.clone()),
    });
    let proxy = result?;
    if let Some(idle) = run.function().idle().cloned()
        && let Some(mut store) = run.take_store()
        && store.data_mut().is_tidy()
    {
        idle.give(Kept {
            store,
            proxy,
            served: served + 1,
        });
    }
    Ok(())
}

/// The output of `call`; `None` when it is not there at the deadline. Most calls never wait, and so never need a timer.
async fn until<T>(
    deadline: Instant,
    ledger: Option<&Arc<Ledger>>,
    mut call: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let mut timer = None;
    poll_fn(|context| {
        let clock = Run::clock(ledger);
        let polled = call.as_mut().poll(context);
        drop(clock);
        if let Poll::Ready(output) = polled {
            return Poll::Ready(Some(output));
        }
        let timer =
            timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        timer.as_mut().poll(context).map(|()| None)
    })
    .await
}

async fn call<B>(
    run: &mut Run,
    instance: Option<Proxy>,
    mut request: Request<B>,
    place: Arc<Place>,
) -> wasmtime::Result<Proxy>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<wasmtime_wasi_http::Error>,
{
    if request.uri().authority().is_none() {
        request
            .headers_mut()
            .entry(HOST)
            .or_insert(HeaderValue::from_static("localhost"));
    }
    let scheme = match request.uri().scheme_str() {
        Some("https") => Scheme::Https,
        _ => Scheme::Http,
    };
    let taken = run.ledger().map(|ledger| ledger.bytes_in());
    let request = request.map(|body| Counted::new(body, taken));
    let mut http = run.store().data_mut().http();
    let request = http.new_incoming_request(scheme, request)?;
    let response = http.new_response_outparam_from_callback(move |set| place.set(set))?;
    let proxy = match instance {
        Some(proxy) => proxy,
        None => instantiate(run).await?,
    };
    proxy
        .wasi_http_incoming_handler()
        .call_handle(run.store(), request, response)
        .await?;
    Ok(proxy)
}

async fn instantiate(run: &mut Run) -> wasmtime::Result<Proxy> {
    let function = run.function().clone();
    let pre = function
        .http()
        .expect("a function without this door is never called through it");
    match pre.instantiate_async(run.store()).await {
        Err(error) if error.is::<PoolConcurrencyLimitError>() => {
            function.engine().reclaim();
            pre.instantiate_async(run.store()).await
        }
        made => made,
    }
}

/// Where the guest puts its answer.
#[derive(Default)]
struct Place(Mutex<Content>);

#[derive(Default)]
enum Content {
    #[default]
    Nothing,
    Set(Set),
    Taken,
}

impl Place {
    fn set(&self, set: Set) {
        *self.lock() = Content::Set(set);
    }

    /// The response, once it is set; an error stays for [`Place::failure`].
    fn take(&self) -> Option<Response<HyperOutgoingBody>> {
        let mut content = self.lock();
        match std::mem::replace(&mut *content, Content::Taken) {
            Content::Set(Ok(response)) => Some(response),
            other => {
                *content = other;
                None
            }
        }
    }

    /// Why what a guest that has returned left here is no answer.
    fn failure(&self) -> Option<Failure> {
        match &*self.lock() {
            Content::Nothing => Some(Failure::NoResponse),
            Content::Set(Err(code)) => Some(Failure::ErrorCode(format!("{code:?}"))),
            Content::Set(Ok(_)) | Content::Taken => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the guest has answered so far.
enum Answer {
    Awaited(Arc<Place>),
    Begun {
        head: Response<()>,
        taken: VecDeque<Frame<Bytes>>,
        bytes: usize,
        body: HyperOutgoingBody,
        end: Option<Result<(), wasmtime_wasi_http::Error>>,
    },
}

impl Answer {
    /// Takes one step if one can be taken now; `false`: nothing to do, or enough held back.
    fn advance(&mut self, context: &mut Context<'_>) -> bool {
        match self {
            // The guest sets it while it is polled, so nobody needs to be woken when it does.
            Answer::Awaited(place) => match place.take() {
                None => false,
                Some(response) => {
                    let (head, body) = response.into_parts();
                    *self = Answer::Begun {
                        head: Response::from_parts(head, ()),
                        taken: VecDeque::new(),
                        bytes: 0,
                        body,
                        end: None,
                    };
                    true
                }
            },
            Answer::Begun {
                taken,
                bytes,
                body,
                end,
                ..
            } => {
                if end.is_some() || *bytes >= HELD_BACK {
                    return false;
                }
                match Pin::new(body).poll_frame(context) {
                    Poll::Pending => return false,
                    Poll::Ready(None) => *end = Some(Ok(())),
                    Poll::Ready(Some(Err(error))) => *end = Some(Err(error)),
                    Poll::Ready(Some(Ok(frame))) => {
                        *bytes += frame.data_ref().map_or(0, Bytes::len);
                        taken.push_back(frame);
                    }
                }
                true
            }
        }
    }

    /// Whether the caller may have what there is while the guest goes on. A body that the guest has broken off may not:
    /// its error has been taken out of it, so the rest would look like the end of a complete answer.
    fn may_be_streamed(&self) -> bool {
        matches!(
            self,
            Answer::Begun {
                end: None | Some(Ok(())),
                ..
            }
        )
    }

    /// The answer of a guest that has finished.
    fn into_whole(self, ledger: Option<Arc<Ledger>>) -> Result<Response<ResponseBody>, Failure> {
        match self {
            Answer::Awaited(_) => Err(Failure::NoResponse),
            Answer::Begun {
                end: Some(Err(error)),
                ..
            } => {
                let failure = body_failure(&error);
                if let Some(ledger) = ledger {
                    ledger.fail(&failure);
                }
                Err(failure)
            }
            Answer::Begun {
                head,
                taken,
                bytes,
                body,
                end,
            } => Ok(head.map(|()| match end {
                Some(_) => {
                    if let Some(ledger) = ledger {
                        ledger.add_bytes_out(bytes as u64);
                    }
                    ResponseBody::whole(taken)
                }
                None => ResponseBody::stream(taken, body, None, ledger),
            })),
        }
    }

    /// The answer of a guest that goes on; it continues on a task of its own.
    fn into_stream(
        self,
        guest: Guest,
        fault: Arc<OnceLock<Failure>>,
        ledger: Option<Arc<Ledger>>,
        function: &Function,
    ) -> Result<Response<ResponseBody>, Failure> {
        match self {
            Answer::Begun {
                head, taken, body, ..
            } => {
                let task = function.engine().lane().spawn(guest);
                let guest = StreamingGuest::new(task, fault);
                Ok(head.map(|()| ResponseBody::stream(taken, body, Some(guest), ledger)))
            }
            other => other.into_whole(ledger),
        }
    }
}

pub(crate) fn body_failure(error: &wasmtime_wasi_http::Error) -> Failure {
    Failure::ErrorCode(format!("{error} in the middle of its response body"))
}
