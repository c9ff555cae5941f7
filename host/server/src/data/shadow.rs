//! Shadow traffic: a call repeated to another version, whose answer is compared and thrown away.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyaline_gateway::Caller;
use hyaline_runtime::ResponseBody;
use hyaline_telemetry::Trigger;
use hyper::body::Body as _;
use jiff::Timestamp;

use super::call::{Ran, Seat, Ticket};
use super::refusal::Refusal;
use super::service::whole;
use crate::platform::{Chosen, Live, Platform, Slot};

/// A call to be repeated.
pub(super) struct Repeat {
    platform: Arc<Platform>,
    live: Arc<Live>,
    slot: Arc<Slot>,
    ticket: Ticket,
    request: Request<Bytes>,
}

impl Repeat {
    /// The repetition of a call, where its traffic has a shadow.
    pub(super) fn wanted(
        platform: &Arc<Platform>,
        live: &Arc<Live>,
        chosen: &Chosen,
        ticket: &Ticket,
        request: &Request<Bytes>,
    ) -> Option<Self> {
        let slot = chosen.shadow.clone()?;
        let mut copy = Request::new(request.body().clone());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        Some(Repeat {
            platform: platform.clone(),
            live: live.clone(),
            slot,
            ticket: Ticket {
                caller: Caller::ANONYMOUS,
                trigger: Trigger::Other,
                init: None,
                wants_log: false,
                ..ticket.clone()
            },
            request: copy,
        })
    }

    /// Hands on the answer of the call, and repeats it on a task of its own, behind the caller's back. Only answers that
    /// the function has finished are compared. The caller does not pay for it, and no caller waits for it: a repetition
    /// that finds no place free is left out.
    pub(super) async fn beside(
        repeat: Option<Self>,
        ran: Result<Ran, Refusal>,
    ) -> Result<Ran, Refusal> {
        let Some(repeat) = repeat else {
            return ran;
        };
        let ran = ran?;
        if ran.response.body().size_hint().exact().is_none() {
            return Ok(ran);
        }
        let (head, body) = ran.response.into_parts();
        let body = whole(body).await?;
        let answered = (head.status, body.clone());
        let response = Response::from_parts(head, ResponseBody::from_bytes(body));
        let platform = repeat.platform.clone();
        platform.detached().spawn(repeat.compare(answered));
        Ok(Ran { response, ..ran })
    }

    async fn compare(self, answered: (http::StatusCode, Bytes)) {
        let Repeat {
            platform,
            live,
            slot,
            ticket,
            request,
        } = self;
        let meter = slot.meter(
            platform.ledger(),
            platform.telemetry(),
            ticket.caller.name(),
        );
        if meter.spent(Timestamp::now()).is_some() {
            return;
        }
        let Some(seat) = Seat::try_take(&platform, &live) else {
            return;
        };
        let ran = seat
            .run(&platform, &live, &slot, meter, &ticket, request)
            .await;
        let equal = match ran {
            Ok(ran) => {
                let status = ran.response.status();
                match whole(ran.response.into_body()).await {
                    Ok(body) => (status, body) == answered,
                    Err(_refusal) => false,
                }
            }
            // It did not run, so there is nothing to compare.
            Err(refusal) if refusal.is_overload() => return,
            Err(_refusal) => false,
        };
        slot.series(platform.ledger(), platform.telemetry())
            .shadow_compared(equal);
        if !equal {
            tracing::debug!(function = %slot.name(), version = %slot.version(), request_id = %ticket.id, "the shadow answered otherwise");
        }
    }
}
