//! Where calls are written down: one cell per function, version and caller, in memory, until the next flush.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use hyaline_control::{FunctionName, VersionNumber};
use jiff::Timestamp;

use crate::account::{Account, Subject, locked, read, write};
use crate::calendar;
use crate::ledger::{Charge, Shared};
use crate::record::Usage;
use crate::totals::Totals;

/// Writes down the calls of one version of a function. Made by [`Ledger::version`](crate::Ledger::version); cheap to clone.
#[derive(Clone, Debug)]
pub struct VersionMeter {
    pub(crate) ledger: Arc<Shared>,
    pub(crate) version: Arc<Version>,
}

impl VersionMeter {
    /// The meter of a caller's calls of this version; empty for nobody in particular. Costs a look-up by name, and
    /// memory for each further caller until the caller has made no call for a while and no meter of it is held.
    pub fn caller(&self, caller: &str) -> Meter {
        Meter {
            cell: self.version.cell(caller, &self.ledger),
            ledger: self.ledger.clone(),
        }
    }
}

/// Writes down the calls of one version of a function by one caller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meter {
    ledger: Arc<Shared>,
    cell: Arc<Cell>,
}

impl Meter {
    /// Whose budget is used up at that time, the function's or the caller's; `None`: the call may run. Two atomic loads
    /// while neither is.
    ///
    /// A call is refused that asks after [`Meter::record`] of the call that used up the budget returned. Calls that had
    /// been admitted by then are not stopped.
    pub fn spent(&self, now: Timestamp) -> Option<Subject> {
        let second = calendar::second(now);
        let function = &self.cell.of.account;
        let accounts = std::iter::once(function).chain(&self.cell.account);
        accounts
            .filter(|account| account.is_spent(second))
            .map(|account| account.subject().clone())
            .next()
    }

    /// Writes down what an invocation used, charges it to the budgets of its function and its caller, and says what it
    /// cost. Never touches the disk. The charge belongs to the period in which the invocation ended.
    pub fn record(&self, usage: &Usage) -> Charge {
        let exact = self.ledger.prices.exact(usage);
        let billed = self.ledger.prices.billed(usage);
        let hour = calendar::hour(calendar::second(usage.begun));
        let totals = Totals::of(usage, exact, billed);
        self.cell.add(hour, &totals, &self.ledger.written);
        let now = end(usage);
        let changed = self.ledger.accounts.changed();
        let mut verdicts = Vec::new();
        for account in std::iter::once(&self.cell.of.account).chain(&self.cell.account) {
            account.charge(billed, now, changed, &mut verdicts);
        }
        Charge {
            exact,
            billed,
            verdicts,
        }
    }
}

/// The second in which an invocation ended.
fn end(usage: &Usage) -> i64 {
    let begun = usage.begun.subsec_nanosecond().rem_euclid(1_000_000_000);
    let carried = (i64::from(begun) + i64::from(usage.wall.subsec_nanos())) / 1_000_000_000;
    let whole = i64::try_from(usage.wall.as_secs()).unwrap_or(i64::MAX);
    calendar::second(usage.begun)
        .saturating_add(whole)
        .saturating_add(carried)
}

/// A version of a function, and its cells.
#[derive(Debug)]
pub(crate) struct Version {
    identity: Arc<Identity>,
    callers: RwLock<HashMap<Box<str>, Arc<Cell>>>,
}

#[derive(Debug)]
struct Identity {
    function: FunctionName,
    number: VersionNumber,
    account: Arc<Account>,
}

impl Version {
    pub(crate) fn new(
        function: FunctionName,
        number: VersionNumber,
        account: Arc<Account>,
    ) -> Self {
        Version {
            identity: Arc::new(Identity {
                function,
                number,
                account,
            }),
            callers: RwLock::default(),
        }
    }

    pub(crate) fn number(&self) -> VersionNumber {
        self.identity.number
    }

    /// Whether a meter of a caller is held, or something is written down that was not flushed.
    pub(crate) fn is_in_use(&self) -> bool {
        read(&self.callers).values().any(is_held)
    }

    /// Drops the cell of a caller whose account is gone.
    pub(crate) fn forget(&self, caller: &str) {
        write(&self.callers).remove(caller);
    }

    fn cell(&self, caller: &str, ledger: &Shared) -> Arc<Cell> {
        if let Some(cell) = read(&self.callers).get(caller) {
            return cell.clone();
        }
        let mut callers = write(&self.callers);
        make_room(&mut callers, |cell| is_held(cell));
        // Under the lock, so that a caller that is forgotten meanwhile does not keep its old account.
        let account = (!caller.is_empty()).then(|| ledger.accounts.caller(caller));
        let made = || {
            Arc::new(Cell {
                of: self.identity.clone(),
                caller: caller.into(),
                account,
                page: Mutex::default(),
            })
        };
        callers.entry(caller.into()).or_insert_with(made).clone()
    }
}

/// Before a full map grows: drops what is not in use, and lets it grow only if most is. So dropping is paid for by the
/// insertions since the last time.
pub(crate) fn make_room<K: Eq + std::hash::Hash, V>(
    map: &mut HashMap<K, V>,
    mut in_use: impl FnMut(&mut V) -> bool,
) {
    if map.len() == map.capacity() {
        map.retain(|_, value| in_use(value));
        map.reserve(map.len() + 1);
    }
}

/// Somebody besides the map of callers holds it: a meter, or the list of cells to be flushed.
fn is_held(cell: &Arc<Cell>) -> bool {
    Arc::strong_count(cell) > 1
}

/// What one caller used of one version since the last flush.
#[derive(Debug)]
pub(crate) struct Cell {
    of: Arc<Identity>,
    caller: Box<str>,
    /// The caller's; nobody has none.
    account: Option<Arc<Account>>,
    page: Mutex<Page>,
}

#[derive(Debug, Default)]
struct Page {
    /// By hour, the latest addition near the end; one or two as a rule.
    hours: Vec<(i64, Totals)>,
    /// Whether it waits for the next flush.
    queued: bool,
}

/// Cells that were written to since the last flush.
pub(crate) type Written = Mutex<Vec<Arc<Cell>>>;

impl Cell {
    pub(crate) fn function(&self) -> &FunctionName {
        &self.of.function
    }

    pub(crate) fn version(&self) -> VersionNumber {
        self.of.number
    }

    pub(crate) fn caller(&self) -> &str {
        &self.caller
    }

    /// Hands over what was written down and begins an empty page, which keeps its memory.
    pub(crate) fn drain(&self, mut take: impl FnMut(i64, &Totals)) {
        let mut page = locked(&self.page);
        page.queued = false;
        for (hour, totals) in page.hours.drain(..) {
            take(hour, &totals);
        }
    }

    fn add(self: &Arc<Self>, hour: i64, totals: &Totals, written: &Written) {
        let mut page = locked(&self.page);
        match page.hours.iter_mut().rev().find(|(at, _)| *at == hour) {
            Some((_, sum)) => *sum += totals,
            None => page.hours.push((hour, *totals)),
        }
        if !page.queued {
            page.queued = true;
            locked(written).push(self.clone());
        }
    }
}
