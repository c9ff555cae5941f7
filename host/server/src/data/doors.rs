//! Calls through the doors of other platforms: the same functions, gates and records, other shapes.

mod finding;
mod refused;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HOST, HeaderName, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use hyaline_control::{Qualifier, VersionNumber};
use hyaline_doors::{Door, Outcome, Step, Target, Wants};
use hyaline_gateway::RequestId;
use hyaline_telemetry::{Span, TraceContext, Trigger};
use jiff::Timestamp;

use super::answer::AnswerBody;
use super::body;
use super::call::{Queued, Ticket, run};
use super::forward::{self, RouteHeaders};
use super::refusal::Refusal;
use super::route::{Matched, Route};
use super::service::{Admitted, Service, Shown, whole};
use super::shadow::Repeat;
use crate::net::{Peer, RequestBody};
use crate::platform::Live;
use refused::Refused;

/// A function's own paths lie at the root for whoever calls it through a door.
static AT_ROOT: LazyLock<RouteHeaders> =
    LazyLock::new(|| RouteHeaders::new(&Route::parse("/...").expect("a constant route is sound")));

/// A request that came through a door.
struct Foreign<'c> {
    door: &'c Door,
    head: &'c Parts,
    peer: Peer,
    id: &'c RequestId,
    span: &'c Span,
    now: Timestamp,
}

/// What turns out about a call on its way, for its span.
#[derive(Default)]
struct Course {
    /// `None` for whatever is no call of a function.
    live: Option<Arc<Live>>,
    version: Option<VersionNumber>,
    cold: bool,
}

impl Service {
    /// Answers a request that came through another platform's door.
    pub(super) async fn through(
        &self,
        door: Door,
        head: Parts,
        body: RequestBody,
        peer: Peer,
        started: Instant,
    ) -> Response<AnswerBody> {
        let now = Timestamp::now();
        let id = RequestId::of(&head.headers, now);
        let telemetry = self.platform.telemetry();
        let route = telemetry.route(door.platform());
        let span = telemetry.span(TraceContext::from_headers(&head.headers));
        let request = Foreign {
            door: &door,
            head: &head,
            peer,
            id: &id,
            span: &span,
            now,
        };
        let mut course = Course::default();
        let answered = self.converse(&request, body, &mut course).await;
        let mut response = answered.unwrap_or_else(|refused| {
            let mut response = door.refuse(&refused.foreign, id.as_str());
            if let Some(seconds) = refused.retry_after {
                response.headers_mut().entry(RETRY_AFTER).or_insert(seconds);
            }
            response
        });
        id.write(response.headers_mut());
        route.record(&head.method, response.status(), started.elapsed());
        if let Some(live) = &course.live {
            let shown = Shown {
                live,
                version: course.version,
                cold: course.cold,
                id: &id,
                method: &head.method,
                path: head.uri.path(),
                route: door.platform(),
                peer,
                started,
            };
            shown.end(span, response.status());
        }
        response.map(AnswerBody::own)
    }

    async fn converse(
        &self,
        request: &Foreign<'_>,
        body: RequestBody,
        course: &mut Course,
    ) -> Result<Response<Bytes>, Refused> {
        let Foreign {
            door, head, now, ..
        } = *request;
        let done = |result: Result<(), Refused>| {
            let result = result.as_ref().copied();
            Ok(door.done(result.map_err(|refused| &refused.foreign)))
        };
        match door.wants()? {
            Wants::Answer(answer) => Ok(answer),
            Wants::Functions => {
                let body = self.read(body, BODY_OF_A_QUESTION).await;
                let body =
                    body.map_err(|refusal| Refused::of_question(refusal, BODY_OF_A_QUESTION))?;
                Ok(door.list(&body, &self.listed(head, now)))
            }
            Wants::Readiness(target) => {
                let live = self.wanted(&target)?;
                let allowed = self
                    .allowed(&live, &head.headers, &target.qualifier, now)
                    .await;
                done(match allowed {
                    Ok(_would_be_let_in) => Ok(()),
                    Err(refusal) => Err(Refused::of(refusal, &live, &target.qualifier)),
                })
            }
            Wants::Load(target) => {
                let (live, slots) = self.operated(&target, request).await?;
                for slot in &slots {
                    if let Err(refusal) = self.platform.load(slot).await {
                        return done(Err(Refused::of(refusal, &live, &target.qualifier)));
                    }
                }
                done(Ok(()))
            }
            Wants::Unload(target) => {
                let (_, slots) = self.operated(&target, request).await?;
                slots
                    .iter()
                    .for_each(|slot| self.platform.loader().forget(slot));
                done(Ok(()))
            }
            Wants::Function(target) => {
                let live = self.wanted(&target)?;
                course.live = Some(live.clone());
                self.talk(request, body, &live, &target, course).await
            }
        }
    }

    async fn talk(
        &self,
        call: &Foreign<'_>,
        body: RequestBody,
        live: &Arc<Live>,
        target: &Target,
        course: &mut Course,
    ) -> Result<Response<Bytes>, Refused> {
        let qualifier = &target.qualifier;
        let refused = |refusal| Refused::of(refusal, live, qualifier);
        let admitted = self
            .admit(live, &call.head.headers, qualifier, call.peer, call.now)
            .await
            .map_err(refused)?;
        let slot = &admitted.chosen.slot;
        course.version = Some(slot.version());
        let body = self
            .read(body, live.rules.body_limit)
            .await
            .map_err(refused)?;
        let slot = &admitted.chosen.slot;
        let (function, init) = self.platform.load(slot).await.map_err(refused)?;
        course.cold = init.is_some();
        let callee = slot.callee(|| function.card().map(str::to_owned)).clone();
        let mut ticket = Ticket {
            caller: admitted.caller.clone(),
            id: call.id.clone(),
            trace: call.span.trace_id(),
            trigger: Trigger::Http,
            init,
            wants_log: true,
        };
        let door = call.door.clone();
        let (mut talk, mut step) = door.open(call.head, body, &callee, call.id.as_str());
        loop {
            match step {
                Step::Answer(answer) => return Ok(answer),
                Step::Detach { request, answer } => {
                    let request = prepared(request, call, &admitted).map_err(refused)?;
                    self.detach(live, &admitted, ticket, request)
                        .map_err(refused)?;
                    return Ok(answer);
                }
                Step::Invoke(request) => {
                    let request = prepared(request, call, &admitted).map_err(refused)?;
                    let outcome = self
                        .invoke(live, qualifier, &admitted, &ticket, request)
                        .await;
                    // Only the first invocation of a conversation waited for the function to be loaded.
                    ticket.init = None;
                    step = talk.next(outcome);
                }
            }
        }
    }

    async fn invoke(
        &self,
        live: &Arc<Live>,
        qualifier: &Qualifier,
        admitted: &Admitted,
        ticket: &Ticket,
        request: Request<Bytes>,
    ) -> Outcome {
        let platform = &self.platform;
        let slot = &admitted.chosen.slot;
        let meter = admitted.meter.clone();
        let repeat = Repeat::wanted(platform, live, &admitted.chosen, ticket, &request);
        let ran = run(platform, live, slot, meter, ticket, request).await;
        match Repeat::beside(repeat, ran).await {
            Ok(ran) => {
                let (head, body) = ran.response.into_parts();
                let body = whole(body).await;
                let log = ran.record.take_log();
                let result = body
                    .map(|body| Response::from_parts(head, body))
                    .map_err(|refusal| Refused::of(refusal, live, qualifier).foreign);
                Outcome { result, log }
            }
            Err(mut refusal) => {
                let log = refusal.take_log();
                Outcome {
                    result: Err(Refused::of(refusal, live, qualifier).foreign),
                    log,
                }
            }
        }
    }

    /// Runs a call that nobody waits for, as soon as there is room. It takes its place in line now or not at all.
    fn detach(
        &self,
        live: &Arc<Live>,
        admitted: &Admitted,
        mut ticket: Ticket,
        request: Request<Bytes>,
    ) -> Result<(), Refusal> {
        let queued = Queued::claim(&self.platform, live)?;
        ticket.trigger = Trigger::PubSub;
        ticket.wants_log = false;
        let repeat = Repeat::wanted(&self.platform, live, &admitted.chosen, &ticket, &request);
        let (platform, live) = (self.platform.clone(), live.clone());
        let (slot, meter) = (admitted.chosen.slot.clone(), admitted.meter.clone());
        self.platform.detached().spawn(async move {
            let seat = queued.seat(&platform, &live, &slot).await;
            let ran = seat
                .run(&platform, &live, &slot, meter, &ticket, request)
                .await;
            let failed = match Repeat::beside(repeat, ran).await {
                Ok(ran) => whole(ran.response.into_body()).await.err(),
                Err(refusal) => Some(refusal),
            };
            if let Some(refusal) = failed {
                tracing::warn!(function = %slot.name(), request_id = %ticket.id, error = refusal.text, "an event was not answered");
            }
        });
        Ok(())
    }

    async fn read(&self, body: RequestBody, limit: usize) -> Result<Bytes, Refusal> {
        let wait = Duration::from_millis(self.platform.document().connections.body_wait_ms);
        body::read_within(body, limit, wait, self.platform.room())
            .await
            .inspect_err(|refusal| self.count(refusal))
    }
}

/// A request of a door, told to the function as any other.
fn prepared(
    request: Request<Bytes>,
    call: &Foreign<'_>,
    admitted: &Admitted,
) -> Result<Request<Bytes>, Refusal> {
    let (mut head, body) = request.into_parts();
    let outer = &call.head.headers;
    if let Some(host) = outer.get(HOST) {
        head.headers.entry(HOST).or_insert_with(|| host.clone());
    } else {
        head.headers
            .entry(HOST)
            .or_insert(HeaderValue::from_static("localhost"));
    }
    let path = head.uri.path().to_owned();
    let matched = Matched {
        path_info: &path,
        named: Vec::new(),
    };
    forward::set_headers(&mut head, &AT_ROOT, &matched, call.peer)?;
    admitted.caller.conceal_credential(&mut head.headers);
    call.id.write(&mut head.headers);
    for name in TRACE {
        if let Some(value) = outer.get(&name) {
            head.headers.insert(name, value.clone());
        }
    }
    call.span.set_headers(&mut head.headers);
    Ok(Request::from_parts(head, body))
}

/// Bytes of the longest body of a request that is for no function.
const BODY_OF_A_QUESTION: usize = 64 << 10;

/// The fields of W3C's trace context, which a door hands on.
const TRACE: [HeaderName; 2] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];
