//! One request: which function it is for, whether it may call, what it answers.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyaline_control::{AliasName, Qualifier, StickyKey, VersionNumber};
use hyaline_doors::{Door as ForeignDoor, Target, ThrottleCause, Wanted, Wants};
use hyaline_gateway::{Allowance, Caller, Expression, MappingRefusal, Refused, RequestId, spend};
use hyaline_metering::{Meter, Subject};
use hyaline_runtime::ResponseBody;
use hyaline_telemetry::{Rejection, RouteSeries, Span, SpanEnd, TraceContext, Trigger};
use hyper::body::Body as _;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::answer::AnswerBody;
use super::body;
use super::call::{Ran, Seat, Ticket};
use super::forward;
use super::refusal::{Cause, Refusal};
use super::route::Matched;
use super::routes::Entry;
use super::shadow::Repeat;
use crate::net::{Door, Peer, RequestBody};
use crate::platform::{Chosen, Live, Platform, Served, Slot, View};

/// Answered by the host, as Spin answers it: whether the process serves.
const SPIN_HEALTH: &str = "/.well-known/spin/health";
/// The platform whose host marks what it makes itself and what it only hands on alike: a request goes through the door only
/// if its path is the name of a function.
const AZURE: &str = "azure";
/// Its mark.
static OF_AZURE: HeaderName = HeaderName::from_static("x-azure-functions-invocationid");
/// The platform whose paths functions answer themselves; a function that takes every path takes these, too.
const KSERVE: &str = "kserve";
/// Answered by the host where no route takes it.
const HEALTH: &str = "/healthz";
const READINESS: &str = "/readyz";

/// A request's header that names a version or an alias other than `live`.
static QUALIFIER: HeaderName = HeaderName::from_static("x-hyaline-qualifier");
/// An answer's header that says which version gave it.
static VERSION: HeaderName = HeaderName::from_static("x-hyaline-version");

/// Answers the calls of a listener.
pub(crate) struct Service {
    pub(super) platform: Arc<Platform>,
    /// Requests that no function's route takes.
    own: Arc<RouteSeries>,
    /// Turns of those whose bodies are mapped.
    mapping: Semaphore,
}

/// A request that was let in: who sends it and what is left to it.
pub(super) struct Admitted {
    pub(super) caller: Caller,
    pub(super) chosen: Chosen,
    pub(super) meter: Meter,
    pub(super) allowance: Allowance,
}

impl Service {
    pub(crate) fn new(platform: Arc<Platform>) -> Self {
        let own = platform.telemetry().route("");
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Service {
            platform,
            own,
            mapping: Semaphore::new(processors),
        }
    }

    async fn try_answer(
        &self,
        request: Request<RequestBody>,
        peer: Peer,
        started: Instant,
    ) -> Response<AnswerBody> {
        let (head, body) = request.into_parts();
        if let Err(refusal) = judge(&head) {
            self.platform.telemetry().rejected(Rejection::Malformed);
            return self.refuse(&head, refusal, started);
        }
        let path = head.uri.path();
        if path == SPIN_HEALTH {
            return Response::new(AnswerBody::own("OK".into()));
        }
        let view = self.platform.view();
        let found = view.routes().find(path);
        // A route that begins with a literal says what it means; any other one gives way to the doors of other platforms.
        let is_literal = found
            .as_ref()
            .is_some_and(|(entry, _)| entry.route.first_literal().is_some());
        let gives_way = |door: &ForeignDoor| match door.platform() {
            _ if found.is_none() => true,
            KSERVE => false,
            AZURE => names_a_function(door, &view),
            _ => !is_literal,
        };
        if (!is_literal || head.headers.contains_key(&OF_AZURE))
            && let Some(door) = ForeignDoor::find(&head)
            && gives_way(&door)
        {
            return self.through(door, head, body, peer, started).await;
        }
        match found {
            Some((entry, matched)) => {
                let (entry, path_info) = (entry.clone(), matched.path_info.len());
                let named = matched
                    .named
                    .into_iter()
                    .map(|(name, taken)| (name, taken.to_owned()))
                    .collect();
                self.by_route(&entry, path_info, named, head, body, peer, started)
                    .await
            }
            None => match (path, &head.method) {
                (HEALTH, &Method::GET | &Method::HEAD) => {
                    Response::new(AnswerBody::own("OK".into()))
                }
                (READINESS, &Method::GET | &Method::HEAD) if !self.platform.is_draining() => {
                    Response::new(AnswerBody::own("OK".into()))
                }
                (READINESS, &Method::GET | &Method::HEAD) => {
                    let refusal = Refusal::new(Cause::Full, "this server is about to stop");
                    self.refuse(&head, refusal, started)
                }
                _ => {
                    self.platform.telemetry().rejected(Rejection::NotFound);
                    let refusal = self.nowhere(path);
                    self.refuse(&head, refusal, started)
                }
            },
        }
    }

    /// Answers a request that the route of a function takes.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a request, taken apart once"
    )]
    async fn by_route(
        &self,
        entry: &Arc<Entry<Arc<Served>>>,
        path_info: usize,
        named: Vec<(String, String)>,
        head: Parts,
        body: RequestBody,
        peer: Peer,
        started: Instant,
    ) -> Response<AnswerBody> {
        let live = &entry.target.live;
        let series = entry.target.series(self.platform.telemetry());
        let method = head.method.clone();
        let mut response = match &live.rules.cross_origin {
            None => {
                self.call(entry, path_info, named, head, body, peer, started)
                    .await
            }
            Some(cross_origin) => match cross_origin.preflight(&head.method, &head.headers) {
                Some((status, headers)) => {
                    let mut response = Response::new(AnswerBody::own(Bytes::new()));
                    *response.status_mut() = status;
                    *response.headers_mut() = headers;
                    response
                }
                None => {
                    let asked = head.headers.clone();
                    let mut response = self
                        .call(entry, path_info, named, head, body, peer, started)
                        .await;
                    cross_origin.write(&asked, response.headers_mut());
                    response
                }
            },
        };
        if method == Method::HEAD
            && response.headers().get(CONTENT_LENGTH).is_none()
            && let Some(length) = response.body().size_hint().exact()
        {
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        series.record(&method, response.status(), started.elapsed());
        response
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a request, taken apart once"
    )]
    async fn call(
        &self,
        entry: &Arc<Entry<Arc<Served>>>,
        path_info: usize,
        named: Vec<(String, String)>,
        mut head: Parts,
        body: RequestBody,
        peer: Peer,
        started: Instant,
    ) -> Response<AnswerBody> {
        let now = Timestamp::now();
        let id = RequestId::of(&head.headers, now);
        let live = &entry.target.live;
        let span = self
            .platform
            .telemetry()
            .span(TraceContext::from_headers(&head.headers));
        // Only what an exported span shows is kept.
        let shown = span
            .is_sampled()
            .then(|| (head.method.clone(), head.uri.path().to_owned()));
        let mut version = None;
        let mut cold = false;
        let outcome = async {
            let qualifier = qualifier(&head.headers)?;
            let admitted = self
                .admit(live, &head.headers, &qualifier, peer, now)
                .await?;
            version = Some(admitted.chosen.slot.version());
            cold = !admitted.chosen.slot.is_loaded();
            let path = head.uri.path().to_owned();
            let matched = Matched {
                path_info: &path[path.len() - path_info..],
                named: named
                    .iter()
                    .map(|(name, taken)| (name.clone(), taken.as_str()))
                    .collect(),
            };
            forward::set_headers(&mut head, &entry.headers, &matched, peer)?;
            admitted.caller.conceal_credential(&mut head.headers);
            head.headers.remove(&QUALIFIER);
            id.write(&mut head.headers);
            span.set_headers(&mut head.headers);
            let limit = live.rules.body_limit;
            let wait =
                std::time::Duration::from_millis(self.platform.document().connections.body_wait_ms);
            let mut body = body::read_within(body, limit, wait, self.platform.room())
                .await
                .inspect_err(|refusal| self.count(refusal))?;
            let slot = &admitted.chosen.slot;
            let with = |refusal| with_allowance(refusal, &admitted.allowance);
            // A mapping makes many times its length of a body: only what has a place is mapped.
            let seat = Seat::take(&self.platform, live, slot).await.map_err(with)?;
            if let Some(mapping) = live
                .rules
                .mappings
                .as_ref()
                .and_then(|all| all.request(&path))
            {
                let mapped = self.mapped(mapping, &body, limit).await;
                body = mapped.map_err(|error| match error.is_too_long() {
                    true => Refusal::new(Cause::TooLarge, error.to_string()),
                    false => Refusal::malformed(error.to_string()),
                })?;
                head.headers.remove(CONTENT_LENGTH);
            }
            let ticket = Ticket {
                caller: admitted.caller,
                id: id.clone(),
                trace: span.trace_id(),
                trigger: Trigger::Http,
                init: None,
                wants_log: false,
            };
            let request = Request::from_parts(head, body);
            let repeat = Repeat::wanted(&self.platform, live, &admitted.chosen, &ticket, &request);
            let meter = admitted.meter;
            let ran = seat
                .run(&self.platform, live, slot, meter, &ticket, request)
                .await;
            let mut answer = match Repeat::beside(repeat, ran).await {
                Err(refusal) => return Err(with(refusal)),
                Ok(ran) => self.finish(live, &path, ran).await?,
            };
            admitted.allowance.write(answer.headers_mut());
            Ok(answer)
        }
        .await;
        let mut response = match outcome {
            Ok(response) => response,
            Err(refusal) => refusal.into_response().map(AnswerBody::own),
        };
        let headers = response.headers_mut();
        id.write(headers);
        if let Some(version) = version {
            headers.insert(&VERSION, HeaderValue::from(version.get()));
        }
        if let Some((method, path)) = shown {
            let shown = Shown {
                live,
                version,
                cold,
                id: &id,
                method: &method,
                path: &path,
                route: entry.route.as_str(),
                peer,
                started,
            };
            shown.end(span, response.status());
        }
        response
    }

    /// What is done to an answer on its way out.
    async fn finish(
        &self,
        live: &Live,
        path: &str,
        ran: Ran,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let mapping = live
            .rules
            .mappings
            .as_ref()
            .and_then(|all| all.response(path));
        let Some(mapping) = mapping.filter(|_| ran.response.status().as_u16() == 200) else {
            return Ok(ran.response.map(AnswerBody::of_function));
        };
        let (mut head, body) = ran.response.into_parts();
        let body = whole(body).await?;
        let body = self
            .mapped(mapping, &body, LONGEST_MAPPED)
            .await
            .map_err(|error| Refusal::new(Cause::Unmappable, error.to_string()))?;
        head.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(head, AnswerBody::own(body)))
    }

    /// What a mapping makes of a body. An expression that goes through its body once for each of its items may take most
    /// of a second: whoever else waits for this thread is served by another one meanwhile, and no more bodies are mapped
    /// at once than there are processors.
    async fn mapped(
        &self,
        mapping: &Expression,
        body: &[u8],
        longest: usize,
    ) -> Result<Bytes, MappingRefusal> {
        let _turn = self.mapping.acquire().await;
        tokio::task::block_in_place(|| mapping.map(body, longest)).map(Bytes::from)
    }

    /// Lets a call in: enabled, allowed, within rates and budgets. Refusals are counted.
    pub(super) async fn admit(
        &self,
        live: &Arc<Live>,
        headers: &HeaderMap,
        qualifier: &Qualifier,
        peer: Peer,
        now: Timestamp,
    ) -> Result<Admitted, Refusal> {
        let caller = self.known(live, headers, now).await?;
        let chosen = live
            .choose(qualifier, |key| sticky_key(key, &caller, headers, peer))
            .ok_or_else(|| self.reject(Rejection::NotFound, no_version(live, qualifier)))?;
        let meter = self.unspent(&chosen.slot, &caller, now)?;
        let allowance = spend(live.rules.rate.as_deref(), &caller, now).map_err(|throttled| {
            let cause = match throttled.is_callers_limit() {
                true => ThrottleCause::CallerRate,
                false => ThrottleCause::FunctionRate,
            };
            let mut refusal = Refusal::new(Cause::Throttled(cause), throttled.to_string());
            throttled.write(refusal.headers_mut());
            self.reject(Rejection::Rate, refusal)
        })?;
        Ok(Admitted {
            caller,
            chosen,
            meter,
            allowance,
        })
    }

    /// Whether a call would be let in, as far as that can be said without one: enabled, allowed, within budgets. Takes
    /// nothing of rates and quotas and moves no split of traffic. Answers who asks, and every version that calls go to.
    pub(super) async fn allowed(
        &self,
        live: &Arc<Live>,
        headers: &HeaderMap,
        qualifier: &Qualifier,
        now: Timestamp,
    ) -> Result<(Caller, Vec<Arc<Slot>>), Refusal> {
        let caller = self.known(live, headers, now).await?;
        let slots = live.leads(qualifier);
        let Some(first) = slots.first() else {
            return Err(self.reject(Rejection::NotFound, no_version(live, qualifier)));
        };
        self.unspent(first, &caller, now)?;
        Ok((caller, slots))
    }

    /// Who calls a function that is enabled.
    async fn known(
        &self,
        live: &Live,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        let caller = self.caller(live, headers, now).await?;
        if !live.function().is_enabled() {
            let text = format!("the function `{}` is disabled", live.name());
            let refusal = Refusal::new(Cause::Disabled, text);
            return Err(self.reject(Rejection::Disabled, refusal));
        }
        Ok(caller)
    }

    /// What writes down the calls of a caller who may still spend.
    fn unspent(&self, slot: &Slot, caller: &Caller, now: Timestamp) -> Result<Meter, Refusal> {
        let platform = &self.platform;
        let meter = slot.meter(platform.ledger(), platform.telemetry(), caller.name());
        match meter.spent(now) {
            None => Ok(meter),
            Some(subject) => Err(self.reject(Rejection::Budget, out_of_budget(&subject))),
        }
    }

    fn reject(&self, cause: Rejection, refusal: Refusal) -> Refusal {
        self.platform.telemetry().rejected(cause);
        refusal
    }

    async fn caller(
        &self,
        live: &Live,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        let gate = &live.rules.gate;
        // An issuer may be named with two sources of keys, each of which may have to be read first.
        for _ in 0..3 {
            match gate.admit(self.platform.keys(), headers, live.name(), now) {
                Ok(caller) => return Ok(caller),
                Err(Refused::NeedsKeys(source)) => self.platform.read_issuer(source).await,
                Err(Refused::Denied(denied)) => {
                    let (cause, counted) = match denied.status().as_u16() {
                        400 => (Cause::Malformed, Rejection::Malformed),
                        401 => (Cause::Unauthenticated, Rejection::Unauthenticated),
                        403 => (Cause::Forbidden, Rejection::Forbidden),
                        _ => (Cause::Full, Rejection::Unauthenticated),
                    };
                    self.platform.telemetry().rejected(counted);
                    let mut refusal = Refusal::new(cause, denied.to_string());
                    denied.write(refusal.headers_mut());
                    return Err(refusal);
                }
            }
        }
        Err(Refusal::new(
            Cause::Full,
            "the keys of the token's issuer cannot be read at the moment",
        ))
    }

    pub(super) fn count(&self, refusal: &Refusal) {
        let counted = match refusal.cause {
            Cause::TooLarge => Rejection::BodyTooLarge,
            Cause::Slow => Rejection::SlowClient,
            Cause::Full => Rejection::QueueFull,
            _ => Rejection::Malformed,
        };
        self.platform.telemetry().rejected(counted);
    }

    /// Names the routes where they are few; a host of thousands looks through none of them for a mistyped path.
    fn nowhere(&self, path: &str) -> Refusal {
        const FEW: usize = 20;
        let view = self.platform.view();
        let mut routes: Vec<&str> = Vec::new();
        if view.len() <= FEW {
            let open = view
                .routes()
                .iter()
                .filter(|entry| !entry.target.live.settings().access.required);
            routes.extend(open.map(|entry| entry.route.as_str()));
            routes.sort_unstable();
        }
        let listed = match routes.is_empty() {
            true => String::new(),
            false => format!("; the routes are: {}", routes.join(", ")),
        };
        Refusal::new(
            Cause::Nowhere,
            format!("no function is served at `{path}`{listed}"),
        )
    }

    fn refuse(&self, head: &Parts, refusal: Refusal, started: Instant) -> Response<AnswerBody> {
        let response = refusal.into_response().map(AnswerBody::own);
        self.own
            .record(&head.method, response.status(), started.elapsed());
        response
    }
}

impl Door for Service {
    type Body = AnswerBody;

    async fn answer(&self, request: Request<RequestBody>, peer: Peer) -> Response<AnswerBody> {
        self.try_answer(request, peer, Instant::now()).await
    }
}

/// Bytes of the longest answer that is mapped, or compared with a shadow's.
pub(super) const LONGEST_MAPPED: usize = 64 << 20;

/// A whole answer in one piece.
pub(super) async fn whole(body: ResponseBody) -> Result<Bytes, Refusal> {
    let limited = http_body_util::Limited::new(body, LONGEST_MAPPED);
    limited.collect().await.map(|collected| collected.to_bytes()).map_err(|error| {
        match error.downcast::<hyaline_runtime::Failure>() {
            Ok(failure) => Refusal::from(*failure),
            Err(_too_long) => Refusal::new(
                Cause::Unmappable,
                format!("the function's answer is longer than the {LONGEST_MAPPED} bytes that are taken here"),
            ),
        }
    })
}

/// What no function should have to look at.
fn judge(head: &Parts) -> Result<(), Refusal> {
    if head.method == Method::CONNECT {
        return Err(Refusal::new(
            Cause::Method,
            "this server is not a proxy: CONNECT is not served",
        ));
    }
    let path = head.uri.path();
    if !path.starts_with('/') {
        return Err(Refusal::malformed(format!(
            "`{path}` is not a path: it does not start with `/`"
        )));
    }
    Ok(())
}

fn qualifier(headers: &HeaderMap) -> Result<Qualifier, Refusal> {
    let Some(value) = headers.get(&QUALIFIER) else {
        return Ok(Qualifier::Alias(AliasName::live()));
    };
    let text = value.to_str().unwrap_or("?");
    text.parse()
        .map_err(|error| Refusal::malformed(format!("{QUALIFIER}: {error}")))
}

/// Whether a request through `door` is for a function of this host by its name.
fn names_a_function(door: &ForeignDoor, view: &View) -> bool {
    let Ok(Wants::Function(Target {
        function: Wanted::Named(name),
        ..
    })) = door.wants()
    else {
        return false;
    };
    view.function(&name).is_some()
}

fn sticky_key(
    key: &StickyKey,
    caller: &Caller,
    headers: &HeaderMap,
    peer: Peer,
) -> Option<Vec<u8>> {
    match key {
        StickyKey::Caller => {
            Some(caller.name().as_bytes().to_vec()).filter(|name| !name.is_empty())
        }
        StickyKey::Address => Some(peer.client.ip().to_canonical().to_string().into_bytes()),
        StickyKey::Header(name) => Some(headers.get(name.as_str())?.as_bytes().to_vec()),
    }
}

pub(super) fn no_version(live: &Live, qualifier: &Qualifier) -> Refusal {
    let what = match qualifier {
        Qualifier::Alias(alias) if *alias == AliasName::live() => {
            "no version that calls go to yet; its operator leads `live` to one".to_owned()
        }
        Qualifier::Alias(alias) => format!("no alias `{alias}`"),
        Qualifier::Version(version) => format!("no version {version}"),
    };
    Refusal::new(
        Cause::Nowhere,
        format!("the function `{}` has {what}", live.name()),
    )
}

fn out_of_budget(subject: &Subject) -> Refusal {
    Refusal::new(
        Cause::OutOfBudget,
        format!(
            "the budget of the {subject} is spent; calls are taken again when its period ends or its operator resumes it"
        ),
    )
}

fn with_allowance(mut refusal: Refusal, allowance: &Allowance) -> Refusal {
    allowance.write(refusal.headers_mut());
    refusal
}

/// What a span shows of a call.
pub(super) struct Shown<'c> {
    pub(super) live: &'c Live,
    pub(super) version: Option<VersionNumber>,
    pub(super) cold: bool,
    pub(super) id: &'c RequestId,
    pub(super) method: &'c Method,
    pub(super) path: &'c str,
    pub(super) route: &'c str,
    pub(super) peer: Peer,
    pub(super) started: Instant,
}

impl Shown<'_> {
    pub(super) fn end(&self, span: Span, status: StatusCode) {
        let duration = self.started.elapsed();
        let status = status.as_u16();
        span.end(&SpanEnd {
            start: std::time::SystemTime::now() - duration,
            duration,
            function: self.live.name().as_str(),
            version: self.version.map_or(0, |version| version.get()),
            invocation_id: self.id.as_str(),
            trigger: Trigger::Http,
            cold: self.cold,
            method: self.method.as_str(),
            scheme: if self.peer.secure { "https" } else { "http" },
            path: self.path,
            route: self.route,
            status,
            error_type: (status >= 500).then_some("5xx"),
        });
    }
}
