//! Carrying out a plan.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use crate::connection::{Answer, Connection, Fault};
use crate::pace::{Alarm, Schedule};
use crate::plan::Plan;
use crate::report::{Bytes, Report};
use crate::tally::{Tally, nanoseconds};

/// How long after the end requests are still sent that were due just before it.
const GRACE: Duration = Duration::from_millis(100);
/// How long a connection rests after the target did not take it, so that errors do not come by the million.
const REST: Duration = Duration::from_millis(10);

/// A run that could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The host of the URL has no address.
    #[error("`{host}` cannot be found")]
    Resolve {
        /// The host and port.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// Nobody takes connections there.
    #[error("cannot connect to {address}; is the server running?")]
    Connect {
        /// The last address tried.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The operating system gives no thread or timer.
    #[error("the operating system gives no thread or timer for the load")]
    Resources {
        /// Why.
        source: io::Error,
    },
}

struct Run {
    plan: Plan,
    address: SocketAddr,
    start: Instant,
    measured_from: Instant,
    end: Instant,
    /// The next request's number, from the beginning of the warm-up.
    next: AtomicU64,
    /// Requests of the measurement so far; only counted when it is limited.
    measured: AtomicU64,
    schedule: Option<Schedule>,
    /// The first number that is not due any more; of an open load.
    last: u64,
}

/// A request to be sent.
struct Turn {
    number: u64,
    /// What its latency counts from.
    due: Instant,
    measured: bool,
}

/// Loads the target as planned and reports what was seen; earlier, with what was seen until then, when `stop` becomes
/// ready. Must be called in a tokio runtime; takes [`Plan::threads`] threads of its own. After the end, requests on
/// the way are waited for up to [`Options::timeout`](crate::Options::timeout).
///
/// # Errors
/// [`LoadError`]: the host is unknown, nobody listens, or the operating system gives no thread or timer. What goes wrong
/// after the beginning is in the report.
pub async fn run(plan: Plan, stop: impl Future<Output = ()>) -> Result<Report, LoadError> {
    let address = reachable(&plan).await?;
    let start = Instant::now();
    let options = plan.options();
    let (warm_up, duration) = (options.warm_up, options.duration);
    let schedule = options.rate.map(Schedule::new);
    let last = schedule.map_or(u64::MAX, |schedule| {
        let limit = options.requests.unwrap_or(u64::MAX);
        let begun = schedule.before(warm_up);
        schedule
            .before(warm_up + duration)
            .min(begun.saturating_add(limit))
    });
    let run = Arc::new(Run {
        address,
        start,
        measured_from: start + warm_up,
        end: start + warm_up + duration,
        next: AtomicU64::new(0),
        measured: AtomicU64::new(0),
        schedule,
        last,
        plan,
    });
    // Dropped when this future is, which ends the threads.
    let (stopper, stopped) = watch::channel(false);
    let mut threads = JoinSet::new();
    let (count, connections) = (run.plan.threads(), run.plan.options().connections as usize);
    for thread in 0..count {
        let share = connections / count + usize::from(thread < connections % count);
        let (run, stopped) = (run.clone(), stopped.clone());
        threads.spawn_blocking(move || work(&run, share, stopped));
    }
    let mut tally = Tally::new();
    let mut cut_off = None;
    tokio::pin!(stop);
    loop {
        tokio::select! {
            done = threads.join_next() => match done {
                Some(Ok(part)) => tally.add(&part.map_err(|source| LoadError::Resources { source })?),
                Some(Err(lost)) => {
                    return Err(LoadError::Resources { source: io::Error::other(lost) });
                }
                None => break,
            },
            () = &mut stop, if cut_off.is_none() => {
                cut_off = Some(Instant::now().saturating_duration_since(run.measured_from));
                stopper.send_replace(true);
            }
        }
    }
    Ok(Report::new(&run.plan, &tally, cut_off))
}

/// The first address of the target that takes a connection.
async fn reachable(plan: &Plan) -> Result<SocketAddr, LoadError> {
    let resolve = |source| LoadError::Resolve {
        host: plan.target().authority().to_owned(),
        source,
    };
    let addresses = plan.target().addresses().await.map_err(resolve)?;
    let mut failure = resolve(io::Error::other("it has no address"));
    for address in addresses {
        let connected = tokio::time::timeout(plan.options().timeout, Connection::open(address));
        match connected.await.unwrap_or_else(|late| Err(late.into())) {
            Ok(_) => return Ok(address),
            Err(source) => failure = LoadError::Connect { address, source },
        }
    }
    Err(failure)
}

/// Drives some of the connections on this thread.
fn work(
    run: &Arc<Run>,
    connections: usize,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tally = Rc::new(RefCell::new(Tally::new()));
    LocalSet::new().block_on(&runtime, async {
        let mut drivers = JoinSet::new();
        for _ in 0..connections {
            drivers.spawn_local(drive(run.clone(), tally.clone()));
        }
        loop {
            tokio::select! {
                done = drivers.join_next() => match done {
                    Some(done) => done.map_err(io::Error::other)??,
                    None => return Ok(()),
                },
                // Also when the run itself was dropped.
                _ = stopped.wait_for(|stop| *stop) => {
                    drivers.shutdown().await;
                    return io::Result::Ok(());
                }
            }
        }
    })?;
    Ok(tally.replace(Tally::new()))
}

async fn drive(run: Arc<Run>, tally: Rc<RefCell<Tally>>) -> io::Result<()> {
    let options = run.plan.options();
    let requests = run.plan.requests();
    let bodiless = options.method == Method::HEAD;
    let alarm = run.schedule.map(|_| Alarm::new()).transpose()?;
    let mut connection = None;
    while let Some(turn) = run.turn(alarm.as_ref(), &tally).await? {
        let request = &requests[(turn.number % requests.len() as u64) as usize];
        let begun = Instant::now();
        let mut bytes = Bytes::default();
        let mut reconnected = false;
        let attempt = exchange(
            &mut connection,
            run.address,
            request,
            bodiless,
            &mut bytes,
            &mut reconnected,
        );
        let outcome = tokio::time::timeout(options.timeout, attempt).await;
        let now = Instant::now();
        if !matches!(outcome, Ok(Ok(Answer { reusable: true, .. }))) || !options.keep_alive {
            connection = None;
        }
        let refused = matches!(outcome, Ok(Err(Trouble::Connect(_))));
        if turn.measured {
            let mut tally = tally.borrow_mut();
            tally.bytes.read += bytes.read;
            tally.bytes.written += bytes.written;
            tally.reconnects += u64::from(reconnected);
            match outcome {
                Ok(Ok(answer)) => {
                    let at = now.saturating_duration_since(run.measured_from);
                    tally.answered(answer.status, now.saturating_duration_since(turn.due), at);
                }
                Ok(Err(trouble)) => trouble.count(&mut tally),
                Err(_) => {
                    tally.errors.timeout += 1;
                    let waited = nanoseconds(now.saturating_duration_since(turn.due));
                    tally.waited.saturating_record(waited);
                }
            }
        }
        if refused && run.schedule.is_none() {
            tokio::time::sleep_until((begun + REST).into()).await;
        }
    }
    Ok(())
}

/// A request without an answer.
enum Trouble {
    Connect(io::Error),
    Exchange(Fault),
}

impl Trouble {
    fn count(self, tally: &mut Tally) {
        let (count, example) = match self {
            Trouble::Connect(error) => (&mut tally.errors.connect, error.to_string()),
            Trouble::Exchange(Fault::Closed { source, .. }) => {
                (&mut tally.errors.closed, source.to_string())
            }
            Trouble::Exchange(Fault::Malformed(reason)) => (&mut tally.errors.malformed, reason),
        };
        *count += 1;
        tally.errors.example.get_or_insert(example);
    }
}

/// Asks on the open connection or on a new one. A kept-alive connection that the target closed while it was idle is no
/// error: the request is sent once more on a new one.
async fn exchange(
    connection: &mut Option<Connection>,
    address: SocketAddr,
    request: &[u8],
    bodiless: bool,
    bytes: &mut Bytes,
    reconnected: &mut bool,
) -> Result<Answer, Trouble> {
    if let Some(open) = connection {
        match open.exchange(request, bodiless, bytes).await {
            Err(Fault::Closed {
                untouched: true, ..
            }) => *reconnected = true,
            outcome => return outcome.map_err(Trouble::Exchange),
        }
    }
    let open = connection.insert(Connection::open(address).await.map_err(Trouble::Connect)?);
    open.exchange(request, bodiless, bytes)
        .await
        .map_err(Trouble::Exchange)
}

impl Run {
    /// Waits for the next request that this connection is to send; `None` at the end.
    async fn turn(
        &self,
        alarm: Option<&Alarm>,
        tally: &RefCell<Tally>,
    ) -> io::Result<Option<Turn>> {
        let free = Instant::now();
        let (Some(schedule), Some(alarm)) = (self.schedule, alarm) else {
            return Ok(self.turn_at_once(free));
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.last {
            return Ok(None);
        }
        if free >= self.end + GRACE {
            let next = self.next.swap(self.last, Ordering::Relaxed);
            let mut tally = tally.borrow_mut();
            self.give_up(schedule, number..number + 1, free, &mut tally);
            self.give_up(schedule, next..self.last, free, &mut tally);
            return Ok(None);
        }
        let due = self.start + schedule.due(number);
        let measured = due >= self.measured_from;
        if free < due {
            alarm.until(due).await?;
            if measured {
                let lag = Instant::now().saturating_duration_since(due);
                tally.borrow_mut().lag.saturating_record(nanoseconds(lag));
            }
        }
        Ok(Some(Turn {
            number,
            due,
            measured,
        }))
    }

    fn turn_at_once(&self, now: Instant) -> Option<Turn> {
        if now >= self.end {
            return None;
        }
        let measured = now >= self.measured_from;
        if measured
            && let Some(limit) = self.plan.options().requests
            && self.measured.fetch_add(1, Ordering::Relaxed) >= limit
        {
            return None;
        }
        Some(Turn {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            due: now,
            measured,
        })
    }

    /// Counts requests that were due and had no free connection until the end, with the time they had waited by then.
    /// Those of the warm-up do not count.
    fn give_up(&self, schedule: Schedule, numbers: Range<u64>, now: Instant, tally: &mut Tally) {
        /// Steps by which the waits of many requests are told apart.
        const STEPS: u64 = 1000;
        let begun = schedule.before(self.measured_from - self.start);
        let from = numbers.start.max(begun);
        let count = numbers.end.saturating_sub(from);
        tally.unsent += count;
        let mut done = 0;
        for step in 1..=STEPS.min(count) {
            let until =
                (u128::from(count) * u128::from(step) / u128::from(STEPS.min(count))) as u64;
            let due = self.start + schedule.due(from + done);
            let waited = nanoseconds(now.saturating_duration_since(due));
            tally.waited.saturating_record_n(waited, until - done);
            done = until;
        }
    }
}
