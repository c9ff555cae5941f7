//! The HTTP door: a request goes in, the head of the answer comes out, the body follows.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame};
use tokio::sync::oneshot;
use tokio::task::unconstrained;
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::function::Run;
use crate::outcome::{Failure, Outcome};
use crate::response::{ResponseBody, StreamingGuest};
use crate::state::State;

/// Bytes of an answer that are held back until the function has finished; a longer answer is streamed from there on.
const HELD_BACK: usize = 1 << 20;

type Set = Result<Response<HyperOutgoingBody>, ErrorCode>;
type Guest = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

pub(crate) async fn handle<B>(
    run: Run,
    pre: ProxyPre<State>,
    request: Request<B>,
) -> Result<Response<ResponseBody>, Failure>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<wasmtime_wasi_http::Error>,
{
    let (sender, receiver) = oneshot::channel();
    let fault = Arc::new(OnceLock::new());
    let mut guest: Guest = Box::pin(run_guest(run, pre, request, sender, fault.clone()));
    let mut answer = Answer::Awaited(receiver);

    // Without tokio's cooperative budget: when a task has used it up, channels say "not yet" although all is there, and
    // here that would mean that a function that has finished gave no answer.
    let finished = unconstrained(poll_fn(|context| {
        loop {
            if let Poll::Ready(result) = guest.as_mut().poll(context) {
                return Poll::Ready(Some(result));
            }
            if !answer.advance(context) {
                return if answer.is_begun() {
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
            unconstrained(poll_fn(|context| {
                while answer.advance(context) {}
                Poll::Ready(())
            }))
            .await;
            answer.into_whole()
        }
        None => answer.into_stream(guest, fault),
    }
}

async fn run_guest<B>(
    mut run: Run,
    pre: ProxyPre<State>,
    request: Request<B>,
    sender: oneshot::Sender<Set>,
    fault: Arc<OnceLock<Failure>>,
) -> Result<(), Failure>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<wasmtime_wasi_http::Error>,
{
    let deadline = run.store.data().usage.deadline();
    let called =
        tokio::time::timeout_at(deadline.into(), call(&mut run, &pre, request, sender)).await;
    let result = match called {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(run.failure(&error)),
        Err(_elapsed) => Err(run.deadline_failure()),
    };
    if let Err(failure) = &result {
        // Before the store goes, and with it the sender whose end the reader of a streamed body sees.
        fault.get_or_init(|| failure.clone());
    }
    run.record(match &result {
        Ok(()) => Outcome::Answered,
        Err(failure) => Outcome::Failed(failure.clone()),
    });
    result
}

async fn call<B>(
    run: &mut Run,
    pre: &ProxyPre<State>,
    mut request: Request<B>,
    sender: oneshot::Sender<Set>,
) -> wasmtime::Result<()>
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
    let request = run
        .store
        .data_mut()
        .http()
        .new_incoming_request(scheme, request)?;
    let response = run.store.data_mut().http().new_response_outparam(sender)?;
    let proxy = pre.instantiate_async(&mut run.store).await?;
    proxy
        .wasi_http_incoming_handler()
        .call_handle(&mut run.store, request, response)
        .await
}

/// What the guest has answered so far.
enum Answer {
    Awaited(oneshot::Receiver<Set>),
    /// The guest gave its response handle away without setting it.
    Dropped,
    Refused(ErrorCode),
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
            Answer::Awaited(receiver) => match Pin::new(receiver).poll(context) {
                Poll::Pending => false,
                Poll::Ready(set) => {
                    *self = match set {
                        Err(_dropped) => Answer::Dropped,
                        Ok(Err(code)) => Answer::Refused(code),
                        Ok(Ok(response)) => {
                            let (head, body) = response.into_parts();
                            let head = Response::from_parts(head, ());
                            Answer::Begun {
                                head,
                                taken: VecDeque::new(),
                                bytes: 0,
                                body,
                                end: None,
                            }
                        }
                    };
                    true
                }
            },
            Answer::Dropped | Answer::Refused(_) => false,
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

    fn is_begun(&self) -> bool {
        matches!(self, Answer::Begun { .. })
    }

    /// The answer of a guest that has finished.
    fn into_whole(self) -> Result<Response<ResponseBody>, Failure> {
        match self {
            Answer::Awaited(_) | Answer::Dropped => Err(Failure::NoResponse),
            Answer::Refused(code) => Err(Failure::ErrorCode(format!("{code:?}"))),
            Answer::Begun {
                end: Some(Err(error)),
                ..
            } => Err(body_failure(&error)),
            Answer::Begun {
                head,
                taken,
                body,
                end,
                ..
            } => Ok(head.map(|()| match end {
                Some(_) => ResponseBody::whole(taken),
                None => ResponseBody::stream(taken, body, None),
            })),
        }
    }

    /// The answer of a guest that goes on; it continues on a task of its own.
    fn into_stream(
        self,
        guest: Guest,
        fault: Arc<OnceLock<Failure>>,
    ) -> Result<Response<ResponseBody>, Failure> {
        match self {
            Answer::Begun {
                head, taken, body, ..
            } => {
                let task = tokio::spawn(guest);
                Ok(head.map(|()| {
                    ResponseBody::stream(taken, body, Some(StreamingGuest::new(task, fault)))
                }))
            }
            other => other.into_whole(),
        }
    }
}

pub(crate) fn body_failure(error: &wasmtime_wasi_http::Error) -> Failure {
    Failure::ErrorCode(format!("{error} in the middle of its response body"))
}
