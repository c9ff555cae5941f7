//! Calls through the doors of other platforms: the same functions, gates and records, other shapes.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HOST, HeaderName, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use hyaline_control::{AliasName, FunctionName};
use hyaline_doors::{
    Door, FailureKind, Listed, Outcome, Refusal as ForeignRefusal, Step, Target, ThrottleCause,
    Wanted, Wants,
};
use hyaline_gateway::{CallerKind, RequestId};
use hyaline_telemetry::{Rejection, TraceContext, Trigger};
use hyper::body::Incoming;
use jiff::Timestamp;

use super::answer::AnswerBody;
use super::body;
use super::call::{Ticket, run};
use super::forward::{self, RouteHeaders};
use super::refusal::{Cause, Refusal};
use super::route::{Matched, Route};
use super::service::{Admitted, Service, whole};
use crate::net::Peer;
use crate::platform::{Live, Slot};

/// A function's own paths lie at the root for whoever calls it through a door.
static AT_ROOT: LazyLock<RouteHeaders> =
    LazyLock::new(|| RouteHeaders::new(&Route::parse("/...").expect("a constant route is sound")));

impl Service {
    /// Answers a request that came through another platform's door.
    pub(super) async fn through(
        &self,
        door: Door,
        head: Parts,
        body: Incoming,
        peer: Peer,
        started: Instant,
    ) -> Response<AnswerBody> {
        let id = RequestId::of(&head.headers, Timestamp::now());
        let route = self.platform.telemetry().route(door.platform());
        let method = head.method.clone();
        let answered = self.converse(&door, &head, body, peer, &id).await;
        let mut response = answered.unwrap_or_else(|refused| {
            let mut response = door.refuse(&refused.foreign, id.as_str());
            if let Some(seconds) = refused.retry_after {
                response.headers_mut().entry(RETRY_AFTER).or_insert(seconds);
            }
            response
        });
        id.write(response.headers_mut());
        route.record(&method, response.status(), started.elapsed());
        response.map(AnswerBody::own)
    }

    async fn converse(
        &self,
        door: &Door,
        head: &Parts,
        body: Incoming,
        peer: Peer,
        id: &RequestId,
    ) -> Result<Response<Bytes>, Refused> {
        let now = Timestamp::now();
        match door.wants()? {
            Wants::Answer(answer) => Ok(answer),
            Wants::Functions => {
                let body = self.read(body, BODY_OF_A_QUESTION).await?;
                Ok(door.list(&body, &self.listed(head, now)))
            }
            Wants::Readiness(target) => {
                let live = self.wanted(&target)?;
                let admitted = self
                    .admit(&live, &head.headers, &target.qualifier, peer, now)
                    .await;
                let refused = admitted.err().map(|refusal| Refused::of(refusal, &live));
                Ok(door.done(match &refused {
                    None => Ok(()),
                    Some(refused) => Err(&refused.foreign),
                }))
            }
            Wants::Load(target) => {
                let (live, slot) = self.operated(&target, head, peer, now).await?;
                let loaded = self.platform.load(&live, &slot).await;
                let refused = loaded.err().map(|refusal| Refused::of(refusal, &live));
                Ok(door.done(match &refused {
                    None => Ok(()),
                    Some(refused) => Err(&refused.foreign),
                }))
            }
            Wants::Unload(target) => {
                let (_, slot) = self.operated(&target, head, peer, now).await?;
                self.platform.loader().forget(&slot);
                Ok(door.done(Ok(())))
            }
            Wants::Function(target) => {
                let live = self.wanted(&target)?;
                self.talk(door, head, body, peer, id, &live, &target, now)
                    .await
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a request, taken apart once"
    )]
    async fn talk(
        &self,
        door: &Door,
        head: &Parts,
        body: Incoming,
        peer: Peer,
        id: &RequestId,
        live: &Arc<Live>,
        target: &Target,
        now: Timestamp,
    ) -> Result<Response<Bytes>, Refused> {
        let refused = |refusal| Refused::of(refusal, live);
        let admitted = self
            .admit(live, &head.headers, &target.qualifier, peer, now)
            .await
            .map_err(refused)?;
        let body = self
            .read(body, live.rules.body_limit)
            .await
            .map_err(refused)?;
        let slot = &admitted.chosen.slot;
        let (function, _) = self.platform.load(live, slot).await.map_err(refused)?;
        let callee = slot.callee(|| function.card().map(str::to_owned)).clone();
        let span = self
            .platform
            .telemetry()
            .span(TraceContext::from_headers(&head.headers));
        let ticket = Ticket {
            caller: admitted.caller.clone(),
            id: id.clone(),
            trace: span.trace_id(),
            trigger: Trigger::Http,
            wants_log: true,
        };
        let (mut call, mut step) = door.clone().open(head, body, &callee, id.as_str());
        loop {
            match step {
                Step::Answer(answer) => return Ok(answer),
                Step::Detach { request, answer } => {
                    let request = self
                        .prepared(request, head, &admitted, id, peer)
                        .map_err(refused)?;
                    return self
                        .detach(live, &admitted, ticket, request, answer)
                        .map_err(refused);
                }
                Step::Invoke(request) => {
                    let request = self
                        .prepared(request, head, &admitted, id, peer)
                        .map_err(refused)?;
                    let outcome = self.invoke(live, &admitted, &ticket, request).await;
                    step = call.next(outcome);
                }
            }
        }
    }

    async fn invoke(
        &self,
        live: &Arc<Live>,
        admitted: &Admitted,
        ticket: &Ticket,
        request: Request<Bytes>,
    ) -> Outcome {
        let slot = &admitted.chosen.slot;
        let ran = run(
            &self.platform,
            live,
            slot,
            admitted.meter.clone(),
            ticket,
            request,
        )
        .await;
        match ran {
            Ok(ran) => {
                let (head, body) = ran.response.into_parts();
                let body = whole(body).await;
                let log = ran.record.take_log();
                let result = body
                    .map(|body| Response::from_parts(head, body))
                    .map_err(|refusal| Refused::of(refusal, live).foreign);
                Outcome { result, log }
            }
            Err(mut refusal) => {
                let log = refusal.take_log();
                Outcome {
                    result: Err(Refused::of(refusal, live).foreign),
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
        answer: Response<Bytes>,
    ) -> Result<Response<Bytes>, Refusal> {
        let capacity = live.admission.capacity();
        if live.admission.running() >= capacity.places && live.admission.waiting() >= capacity.queue
        {
            self.platform.telemetry().rejected(Rejection::QueueFull);
            let text = format!(
                "as many calls of the function `{}` run and wait as may",
                live.name()
            );
            return Err(Refusal::new(Cause::Throttled, text));
        }
        ticket.trigger = Trigger::PubSub;
        ticket.wants_log = false;
        let (platform, live, slot) = (
            self.platform.clone(),
            live.clone(),
            admitted.chosen.slot.clone(),
        );
        let meter = admitted.meter.clone();
        tokio::spawn(async move {
            let ran = run(&platform, &live, &slot, meter, &ticket, request).await;
            let failed = match ran {
                Ok(ran) => whole(ran.response.into_body()).await.err(),
                Err(refusal) => Some(refusal),
            };
            if let Some(refusal) = failed {
                tracing::warn!(function = %slot.name(), request_id = %ticket.id, error = refusal.text, "an event was not answered");
            }
        });
        Ok(answer)
    }

    /// A request of a door, told to the function as any other.
    fn prepared(
        &self,
        request: Request<Bytes>,
        outer: &Parts,
        admitted: &Admitted,
        id: &RequestId,
        peer: Peer,
    ) -> Result<Request<Bytes>, Refusal> {
        let (mut head, body) = request.into_parts();
        if let Some(host) = outer.headers.get(HOST) {
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
        forward::set_headers(&mut head, &AT_ROOT, &matched, peer)?;
        admitted.caller.conceal_credential(&mut head.headers);
        id.write(&mut head.headers);
        for name in TRACE {
            if let Some(value) = outer.headers.get(&name) {
                head.headers.insert(name, value.clone());
            }
        }
        Ok(Request::from_parts(head, body))
    }

    async fn read(&self, body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
        let wait = Duration::from_millis(self.platform.document().connections.body_wait_ms);
        body::read(body, limit, wait)
            .await
            .inspect_err(|refusal| self.count(refusal))
    }

    fn wanted(&self, target: &Target) -> Result<Arc<Live>, Refused> {
        let view = self.platform.view();
        let found = match &target.function {
            Wanted::Named(name) => {
                view.function(name)
                    .cloned()
                    .ok_or_else(|| ForeignRefusal::UnknownFunction {
                        function: name.to_string(),
                    })
            }
            Wanted::Only => {
                let default = FunctionName::new("function").expect("a constant name is sound");
                let mut all = view.functions();
                match (view.function(&default), all.next(), view.len()) {
                    (Some(live), _, _) | (None, Some(live), 1) => Ok(live.clone()),
                    (None, _, count) => Err(ForeignRefusal::NotTheOnly { count }),
                }
            }
        };
        found.map_err(|refusal| {
            self.platform.telemetry().rejected(Rejection::NotFound);
            Refused::from(refusal)
        })
    }

    /// A version that somebody wants loaded or unloaded, who is either known or at this machine.
    async fn operated(
        &self,
        target: &Target,
        head: &Parts,
        peer: Peer,
        now: Timestamp,
    ) -> Result<(Arc<Live>, Arc<Slot>), Refused> {
        let live = self.wanted(target)?;
        let admitted = self
            .admit(&live, &head.headers, &target.qualifier, peer, now)
            .await;
        let admitted = admitted.map_err(|refusal| Refused::of(refusal, &live))?;
        let is_here = peer.client.ip().to_canonical().is_loopback();
        if admitted.caller.kind() != CallerKind::Key && !is_here {
            return Err(Refused::from(ForeignRefusal::Unauthenticated));
        }
        Ok((live, admitted.chosen.slot))
    }

    /// The functions that the caller may call.
    fn listed(&self, head: &Parts, now: Timestamp) -> Vec<Listed> {
        let view = self.platform.view();
        let mut listed: Vec<Listed> = view
            .functions()
            .filter(|live| {
                live.rules
                    .gate
                    .admit(self.platform.keys(), &head.headers, live.name(), now)
                    .is_ok()
            })
            .filter_map(|live| {
                let traffic = live.traffic(&AliasName::live())?;
                let share = traffic.shares().iter().max_by_key(|share| share.weight)?;
                Some(Listed {
                    function: live.name().clone(),
                    version: share.version,
                    closed: (!live.function().is_enabled())
                        .then(|| "the function is disabled".into()),
                })
            })
            .collect();
        listed.sort_by(|left, right| left.function.cmp(&right.function));
        listed
    }
}

/// Bytes of the longest body of a request that is for no function.
const BODY_OF_A_QUESTION: usize = 64 << 10;

/// The fields of W3C's trace context, which a door hands on.
const TRACE: [HeaderName; 2] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// A refusal, in the doors' terms.
struct Refused {
    foreign: ForeignRefusal,
    retry_after: Option<HeaderValue>,
}

impl From<ForeignRefusal> for Refused {
    fn from(foreign: ForeignRefusal) -> Self {
        Refused {
            foreign,
            retry_after: None,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Refused::from(ForeignRefusal::Unavailable {
            reason: refusal.text,
        })
    }
}

impl Refused {
    fn of(refusal: Refusal, live: &Live) -> Self {
        let function = || live.name().to_string();
        let retry_after = refusal.header(&RETRY_AFTER).cloned();
        let seconds = retry_after
            .as_ref()
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let message = refusal.text.clone();
        let failed = |kind| ForeignRefusal::Failed {
            kind,
            message: refusal.text.clone(),
        };
        let foreign = match refusal.cause {
            Cause::Nowhere => ForeignRefusal::UnknownVersion {
                function: function(),
                qualifier: message,
            },
            Cause::Disabled => ForeignRefusal::Disabled {
                function: function(),
            },
            Cause::OutOfBudget => ForeignRefusal::OutOfBudget {
                whose: format!("the function `{}` or of its caller", live.name()),
            },
            Cause::Throttled => ForeignRefusal::Throttled {
                cause: match seconds {
                    None => ThrottleCause::Concurrency,
                    Some(_) => ThrottleCause::CallerRate,
                },
                retry_after: Some(Duration::from_secs(seconds.unwrap_or(1))),
            },
            Cause::Unauthenticated => ForeignRefusal::Unauthenticated,
            Cause::Forbidden => ForeignRefusal::Forbidden {
                function: function(),
            },
            Cause::TooLarge => ForeignRefusal::TooLarge {
                limit: live.rules.body_limit as u64,
            },
            Cause::Deadline => failed(FailureKind::Deadline),
            Cause::Resources => failed(FailureKind::Resources),
            Cause::Crashed => failed(FailureKind::Crash),
            Cause::Malformed
            | Cause::Method
            | Cause::Slow
            | Cause::Full
            | Cause::Unloadable
            | Cause::Unmappable => ForeignRefusal::Unavailable { reason: message },
        };
        Refused {
            foreign,
            retry_after,
        }
    }
}
