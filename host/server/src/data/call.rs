//! One invocation: places, function, record.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyaline_doors::{Log, ThrottleCause};
use hyaline_gateway::{Caller, RequestId};
use hyaline_metering::{Meter, Outcome as Ended, Record, Start, Usage, report_line};
use hyaline_runtime::{Failure, Invocation, Outcome, ResponseBody};
use hyaline_telemetry::{
    self as telemetry, Fault, InvocationRecord, Phase, Rejection, TraceId, Trigger,
};
use jiff::Timestamp;

use super::admission::{Claim, Full as NoPlace, Place};
use super::refusal::{Cause, Refusal};
use crate::configuration::LogInvocations;
use crate::platform::{Live, Platform, Slot};

/// Who calls, by which name the call goes, and what caused it.
#[derive(Clone)]
pub(crate) struct Ticket {
    pub(crate) caller: Caller,
    pub(crate) id: RequestId,
    pub(crate) trace: Option<TraceId>,
    pub(crate) trigger: Trigger,
    /// How long it took to load the function, where that was done for this call before it ran.
    pub(crate) init: Option<Duration>,
    /// Whether somebody wants the log of the invocation.
    pub(crate) wants_log: bool,
}

/// A function's answer.
pub(crate) struct Ran {
    pub(crate) response: Response<ResponseBody>,
    pub(crate) record: Arc<Book>,
}

/// Runs a version of a function. Every refusal is counted. The call's places are taken until its record is complete: a
/// function that works on after its answer still has an instance.
pub(crate) async fn run(
    platform: &Arc<Platform>,
    live: &Arc<Live>,
    slot: &Arc<Slot>,
    meter: Meter,
    ticket: &Ticket,
    request: Request<Bytes>,
) -> Result<Ran, Refusal> {
    let seat = Seat::take(platform, live, slot).await?;
    seat.run(platform, live, slot, meter, ticket, request).await
}

/// A place among the calls of the function, and one among those of the host.
pub(crate) struct Seat {
    places: [Place; 2],
    /// How long it was waited for.
    queued: Duration,
}

impl Seat {
    /// Places for a call, if they are free and nobody waits for them.
    pub(crate) fn try_take(platform: &Platform, live: &Live) -> Option<Seat> {
        let own = live.admission.try_enter()?;
        let host = platform.admission().try_enter_for(&live.admission)?;
        Some(Seat {
            places: [own, host],
            queued: Duration::ZERO,
        })
    }

    /// Places for a call, at once or after waiting in line. Every refusal is counted.
    pub(crate) async fn take(
        platform: &Platform,
        live: &Live,
        slot: &Slot,
    ) -> Result<Seat, Refusal> {
        if let Some(seat) = Seat::try_take(platform, live) {
            return Ok(seat);
        }
        let begun = Instant::now();
        let series = slot.series(platform.ledger(), platform.telemetry());
        let _waiting = series.wait();
        let own = live.admission.enter().await;
        let own = own.map_err(|full| function_full(platform, live, full))?;
        let host = platform.admission().enter_for(&live.admission).await;
        let host = host.map_err(|full| host_full(platform, full))?;
        Ok(Seat {
            places: [own, host],
            queued: begun.elapsed(),
        })
    }

    /// [`run`] for a call that has its places.
    pub(crate) async fn run(
        self,
        platform: &Arc<Platform>,
        live: &Arc<Live>,
        slot: &Arc<Slot>,
        meter: Meter,
        ticket: &Ticket,
        request: Request<Bytes>,
    ) -> Result<Ran, Refusal> {
        let Seat { places, queued } = self;
        let (function, init) = platform.load(slot).await?;
        let book = Arc::new(Book {
            platform: platform.clone(),
            slot: slot.clone(),
            meter,
            ticket: ticket.clone(),
            phase: phase(request.uri().path()),
            begun: Timestamp::now(),
            memory_limit: live.rules.policy.limits.memory,
            queued,
            init: init.or(ticket.init),
            page: Mutex::default(),
        });
        let receiver = book.clone();
        let handled = function
            .handle_metered(request.map(Full::new), move |invocation| {
                receiver.ran(invocation);
                drop(places);
            })
            .await;
        match handled {
            Ok(response) => {
                book.answered(response.status().as_u16());
                Ok(Ran {
                    response,
                    record: book,
                })
            }
            Err(failure) => {
                let refusal = Refusal::from(failure);
                book.answered(refusal.status().as_u16());
                Err(refusal.with_log(book.take_log()))
            }
        }
    }
}

/// What a call that nobody waits for holds until it runs: it was taken on, so neither a full line nor the time that
/// others wait can turn it away any more.
pub(crate) struct Queued {
    own: Claim,
    /// `None` while its own function has no place for it: whoever waits for one function takes no place in the host's line
    /// from others.
    host: Option<Claim>,
    begun: Instant,
}

impl Queued {
    /// Takes its places, or those in line, now or not at all. Every refusal is counted.
    pub(crate) fn claim(platform: &Platform, live: &Live) -> Result<Queued, Refusal> {
        let begun = Instant::now();
        let own = live.admission.claim();
        let own = own.ok_or_else(|| function_full(platform, live, NoPlace::Line))?;
        let host = match own.is_place() {
            false => None,
            true => {
                let host = platform.admission().claim_for(&live.admission);
                Some(host.ok_or_else(|| host_full(platform, NoPlace::Line))?)
            }
        };
        Ok(Queued { own, host, begun })
    }

    /// Its places, however long that takes.
    pub(crate) async fn seat(self, platform: &Platform, live: &Live, slot: &Slot) -> Seat {
        let series = slot.series(platform.ledger(), platform.telemetry());
        let _waiting = series.wait();
        let own = self.own.place(live.admission.enter_at_last()).await;
        let at_last = platform.admission().enter_at_last_for(&live.admission);
        let host = match self.host {
            Some(claim) => claim.place(at_last).await,
            None => at_last.await,
        };
        Seat {
            places: [own, host],
            queued: self.begun.elapsed(),
        }
    }
}

fn function_full(platform: &Platform, live: &Live, full: NoPlace) -> Refusal {
    reject(platform, full);
    let text = format!(
        "{} calls of the function `{}` run already, the most that may at once; try again in a second",
        live.admission.capacity().places,
        live.name()
    );
    Refusal::brief(Cause::Throttled(ThrottleCause::Concurrency), text)
}

fn host_full(platform: &Platform, full: NoPlace) -> Refusal {
    reject(platform, full);
    let places = platform.admission().capacity().places;
    let text = format!("all {places} places of this server are taken; try again in a second");
    Refusal::brief(Cause::Full, text)
}

fn reject(platform: &Platform, full: NoPlace) {
    platform.telemetry().rejected(match full {
        NoPlace::Line => Rejection::QueueFull,
        NoPlace::Waited => Rejection::QueueTimeout,
    });
}

fn phase(path: &str) -> Phase {
    let end = path
        .trim_end_matches('/')
        .rsplit(['/', ':'])
        .next()
        .unwrap_or_default();
    match end {
        "predict" | "infer" | "invocations" => Phase::Predict,
        "explain" | "counterfactual" | "anchor" => Phase::Explain,
        _ => Phase::Other,
    }
}

/// Where the two halves of an invocation's record come together: what the runtime measured, and the status of the answer.
pub(crate) struct Book {
    platform: Arc<Platform>,
    slot: Arc<Slot>,
    meter: Meter,
    ticket: Ticket,
    phase: Phase,
    begun: Timestamp,
    memory_limit: u64,
    queued: Duration,
    init: Option<Duration>,
    page: Mutex<Page>,
}

#[derive(Default)]
struct Page {
    invocation: Option<Invocation>,
    status: Option<u16>,
    log: Option<Log>,
}

impl Book {
    fn ran(&self, invocation: Invocation) {
        let mut page = self.page();
        page.invocation = Some(invocation);
        self.close(&mut page);
    }

    fn answered(&self, status: u16) {
        let mut page = self.page();
        page.status = Some(status);
        self.close(&mut page);
    }

    /// What the invocation left in the log, when the ticket wants it and the answer is complete.
    pub(crate) fn take_log(&self) -> Log {
        self.page().log.take().unwrap_or_default()
    }

    fn page(&self) -> std::sync::MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes everything down once both halves are there.
    fn close(&self, page: &mut Page) {
        let abandoned = matches!(
            &page.invocation,
            Some(Invocation {
                outcome: Outcome::Abandoned,
                ..
            })
        );
        if page.status.is_none() && !abandoned {
            return;
        }
        let Some(invocation) = page.invocation.take() else {
            return;
        };
        // Whoever went away is told nothing; 499 is what proxies write down for that.
        let status = page.status.unwrap_or(499);
        let platform = &self.platform;
        let usage = Usage {
            begun: self.begun,
            wall: invocation.wall,
            cpu: invocation.cpu,
            peak_memory: invocation.peak_memory,
            memory_limit: self.memory_limit,
            bytes_in: invocation.bytes_in,
            bytes_out: invocation.bytes_out,
            fuel: invocation.fuel,
            start: match self.init {
                Some(init) => Start::Cold { init },
                None => Start::Warm,
            },
            outcome: match &invocation.outcome {
                Outcome::Answered => Ended::Answered {
                    status: Some(status),
                },
                Outcome::Failed(failure) => Ended::Failed {
                    kind: fault(failure).as_str().into(),
                },
                Outcome::Abandoned => Ended::Abandoned,
            },
        };
        let charge = self.meter.record(&usage);
        charge
            .verdicts
            .iter()
            .for_each(|verdict| platform.announce(verdict));
        let outcome = match &invocation.outcome {
            Outcome::Answered => telemetry::Outcome::Answered(status),
            Outcome::Failed(failure) => telemetry::Outcome::Failed(fault(failure)),
            Outcome::Abandoned => telemetry::Outcome::Failed(Fault::Abandoned),
        };
        let series = self.slot.series(platform.ledger(), platform.telemetry());
        series.record(&telemetry::Call {
            trigger: self.ticket.trigger,
            phase: self.phase,
            queued: self.queued,
            wall: invocation.wall,
            init: self.init,
            cpu: Some(invocation.cpu),
            peak_memory: invocation.peak_memory,
            bytes_in: invocation.bytes_in,
            bytes_out: invocation.bytes_out,
            outcome,
        });
        self.write_log(&invocation, status, outcome);
        if self.ticket.wants_log {
            let record = Record {
                function: self.slot.name(),
                version: self.slot.version(),
                caller: self.ticket.caller.name(),
                usage,
            };
            let mut said = Vec::new();
            for written in [&invocation.stdout, &invocation.stderr]
                .into_iter()
                .flatten()
            {
                said.extend_from_slice(&written.tail);
            }
            page.log = Some(Log {
                said: said.into(),
                report: report_line(&record, self.ticket.id.as_str(), platform.ledger().prices()),
            });
        }
        platform.stir();
    }

    fn write_log(&self, invocation: &Invocation, status: u16, outcome: telemetry::Outcome) {
        let said = invocation.stdout.is_some() || invocation.stderr.is_some();
        let notable = said || !matches!(invocation.outcome, Outcome::Answered);
        let wanted = match self.platform.log_invocations() {
            LogInvocations::None => false,
            LogInvocations::Notable => notable,
            LogInvocations::All => true,
        };
        if !wanted || !InvocationRecord::enabled() {
            return;
        }
        let text = |written: &Option<hyaline_runtime::Written>| {
            written
                .as_ref()
                .map(|written| written.text())
                .unwrap_or_default()
        };
        InvocationRecord {
            function: self.slot.name().as_str(),
            version: self.slot.version().get(),
            caller: Some(self.ticket.caller.name()).filter(|name| !name.is_empty()),
            request_id: self.ticket.id.as_str(),
            trace_id: self.ticket.trace,
            status,
            wall: invocation.wall,
            cpu: Some(invocation.cpu),
            init: self.init,
            peak_memory: invocation.peak_memory,
            bytes_in: invocation.bytes_in,
            bytes_out: invocation.bytes_out,
            error_type: outcome.error_type(),
            stdout: &text(&invocation.stdout),
            stderr: &text(&invocation.stderr),
        }
        .log();
    }
}

fn fault(failure: &Failure) -> Fault {
    match failure {
        Failure::Deadline { .. } => Fault::Deadline,
        Failure::Memory { .. } => Fault::Memory,
        Failure::Table { .. } => Fault::Table,
        Failure::Fuel { .. } => Fault::Fuel,
        Failure::Trap(_) => Fault::Trap,
        Failure::NoResponse => Fault::NoResponse,
        Failure::ErrorCode(_) => Fault::ErrorCode,
        Failure::Capacity { .. } => Fault::Capacity,
        _ => Fault::Other,
    }
}
