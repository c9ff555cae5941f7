//! One request: route, admission, function, answer.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyaline_runtime::{Failure, Function, ResponseBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::body;
use crate::forward::{self, RouteHeaders};
use crate::reply::Refusal;
use crate::route::{Matched, Route};
use crate::server::Config;

/// Answers requests: finds the function, checks the request, runs the function, words the failure.
pub(crate) struct Service {
    /// Most specific first.
    routes: Vec<Served>,
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    concurrency: u32,
    queue: usize,
    queue_wait: Duration,
    body_limit: usize,
    body_wait: Duration,
}

pub(crate) struct Served {
    pub(crate) route: Route,
    pub(crate) headers: RouteHeaders,
    pub(crate) function: Function,
}

impl Service {
    pub(crate) fn new(mut routes: Vec<Served>, config: &Config) -> Self {
        routes.sort_by(|left, right| left.route.specificity(&right.route));
        Service {
            routes,
            running: Arc::new(Semaphore::new(config.concurrency as usize)),
            waiting: AtomicUsize::new(0),
            concurrency: config.concurrency,
            queue: config.queue,
            queue_wait: config.queue_wait,
            body_limit: config.body_limit,
            body_wait: config.body_wait,
        }
    }

    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
    ) -> Response<AnswerBody> {
        match self.try_answer(request, client).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response().map(AnswerBody::own),
        }
    }

    async fn try_answer(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let (mut head, body) = request.into_parts();
        if head.method == Method::CONNECT {
            return Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this server is not a proxy: CONNECT is not served",
            ));
        }
        let uri = head.uri.clone();
        let path = uri.path();
        if !path.starts_with('/') {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                format!("`{path}` is not a path: it does not start with `/`"),
            ));
        }
        if path == HEALTH_PATH {
            return Ok(Response::new(AnswerBody::own(ResponseBody::from_bytes(
                "OK",
            ))));
        }
        let (served, matched) = self.route(path)?;
        forward::set_headers(&mut head, &served.headers, &matched, client)?;
        let body = body::read(body, self.body_limit, self.body_wait).await?;
        let permit = self.admit().await?;
        let response = served
            .function
            .handle(Request::from_parts(head, Full::new(body)))
            .await
            .inspect_err(|failure| {
                tracing::warn!(function = served.function.name(), path, %failure, "no answer");
            })?;
        Ok(response.map(|body| AnswerBody::of_function(body, permit)))
    }

    fn route<'s, 'p>(&'s self, path: &'p str) -> Result<(&'s Served, Matched<'p>), Refusal> {
        let found = self
            .routes
            .iter()
            .find_map(|served| Some((served, served.route.matches(path)?)));
        found.ok_or_else(|| {
            let routes: Vec<&str> = self
                .routes
                .iter()
                .map(|served| served.route.as_str())
                .collect();
            let text = format!(
                "no function is served at `{path}`; the routes are: {}",
                routes.join(", ")
            );
            Refusal::new(StatusCode::NOT_FOUND, text)
        })
    }

    /// A place among the requests that run. When all are taken, waits a little in a line of bounded length.
    async fn admit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _place = Place::take(&self.waiting, self.queue).ok_or_else(|| self.busy())?;
        match tokio::time::timeout(self.queue_wait, self.running.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _closed_or_elapsed => Err(self.busy()),
        }
    }

    fn busy(&self) -> Refusal {
        let text = format!(
            "all {} places of this server are taken; try again in a second",
            self.concurrency
        );
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

/// Answered by the host, as Spin answers it: whether the process serves.
const HEALTH_PATH: &str = "/.well-known/spin/health";

/// A place in the line of waiting requests.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let place = Place(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer on its way. One that a function is still writing keeps that function's place taken.
pub(crate) struct AnswerBody {
    body: ResponseBody,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AnswerBody {
    fn own(body: ResponseBody) -> Self {
        AnswerBody {
            body,
            _permit: None,
        }
    }

    fn of_function(body: ResponseBody, permit: OwnedSemaphorePermit) -> Self {
        let written = body.size_hint().exact().is_some();
        AnswerBody {
            body,
            _permit: (!written).then_some(permit),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
