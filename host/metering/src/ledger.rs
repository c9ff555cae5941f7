//! The ledger: what was used and spent, in memory and in one file.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use hyaline_control::{Budget, FunctionName, UsageFilter, UsageGroup, UsageRow, VersionNumber};
use jiff::Timestamp;

use crate::account::{Accounts, Subject, Verdict, locked, read, write};
use crate::budget::{Allowance, BudgetError, BudgetStatus};
use crate::calendar;
use crate::cell::{Version, VersionMeter, Written, make_room};
use crate::error::LedgerError;
use crate::money::Money;
use crate::price::PriceTable;
use crate::query;
use crate::record::Record;
use crate::store::{Batch, Pruned, Retention, RowKey, Store, kept_from};

/// What was used and spent. Cheap to clone; all clones are the same ledger.
///
/// Calls are written down in memory; [`Ledger::flush`] makes them durable, all or none of what it finds. A crash loses
/// what came after the last flush that succeeded, and nothing else. One process has the file at a time.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Shared>);

/// What an invocation cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Charge {
    /// By exact time and the memory really held, without a fee per request.
    pub exact: Money,
    /// As the ledger's price table bills.
    pub billed: Money,
    /// The thresholds of budgets that it reached: the function's before the caller's, a warning before the end.
    pub verdicts: Vec<Verdict>,
}

/// What meters share with their ledger.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) prices: PriceTable,
    pub(crate) accounts: Accounts,
    pub(crate) written: Written,
    versions: RwLock<HashMap<FunctionName, Vec<Arc<Version>>>>,
    store: Mutex<Store>,
}

impl Ledger {
    /// Opens the ledger in a file, which is made when it does not exist, with the prices that calls are billed by from
    /// now on. Costs of earlier calls stay as they were.
    ///
    /// # Errors
    /// [`LedgerError::Open`]: the file cannot be opened, or another process has it. [`LedgerError::Format`],
    /// [`LedgerError::Damaged`]: it is not a ledger that this host reads.
    pub fn open(path: &Path, prices: PriceTable) -> Result<Self, LedgerError> {
        let (store, accounts) = Store::open(path)?;
        Ok(Ledger(Arc::new(Shared {
            prices,
            accounts: Accounts::restored(accounts),
            written: Written::default(),
            versions: RwLock::default(),
            store: Mutex::new(store),
        })))
    }

    /// The prices that calls are billed by.
    pub fn prices(&self) -> &PriceTable {
        &self.0.prices
    }

    /// The meter of a version. Held by whoever has the version loaded; versions nobody asked for cost nothing.
    pub fn version(&self, function: &FunctionName, version: VersionNumber) -> VersionMeter {
        VersionMeter {
            version: self.0.version(function, version),
            ledger: self.0.clone(),
        }
    }

    /// Writes down one call: [`Meter::record`](crate::Meter::record) with its meter looked up by name.
    pub fn record(&self, record: &Record<'_>) -> Charge {
        self.version(record.function, record.version)
            .caller(record.caller)
            .record(&record.usage)
    }

    /// Makes everything durable that was written down before the call. Does nothing when there is nothing.
    ///
    /// # Errors
    /// [`LedgerError`] when the file cannot be written, by a full disk for instance. Calls are still counted, in memory,
    /// and the next flush that succeeds writes what this one could not, once.
    pub fn flush(&self) -> Result<(), LedgerError> {
        let mut store = locked(&self.0.store);
        self.0.collect(store.batch()?);
        store.commit()
    }

    /// Usage added up by groups, what was not flushed included; rows are sorted by function, version, caller, hour.
    /// Without a group the answer is one row, the total. Grouping by version groups by function, too. Takes time in
    /// proportion to the rows of the hours asked for.
    ///
    /// # Errors
    /// [`LedgerError`] when the file cannot be read.
    pub fn usage(
        &self,
        filter: &UsageFilter,
        groups: &[UsageGroup],
    ) -> Result<Vec<UsageRow>, LedgerError> {
        let mut store = locked(&self.0.store);
        self.0.collect(store.batch()?);
        query::rows(&mut store, filter, groups)
    }

    /// Applies the retention as of a time: hours become days, days are deleted. Sums of what is kept do not change.
    /// Works day by day, each at once or not at all, so it can be repeated after an error.
    ///
    /// What functions and callers have spent is dropped when they have no budget and made no call in this month and the
    /// last; a budget without end that they are given later counts from then on.
    ///
    /// # Errors
    /// [`LedgerError`] when the file cannot be read or written.
    pub fn prune(&self, now: Timestamp, retention: Retention) -> Result<Pruned, LedgerError> {
        let second = calendar::second(now);
        self.0.accounts.forget_idle(second);
        let (hourly_from, from) = kept_from(second, retention);
        let deleted = locked(&self.0.store).delete_before(from)?;
        let mut pruned = Pruned { merged: 0, deleted };
        let mut cursor = from;
        // The lock is let go between days, so that a flush does not wait for all of them.
        loop {
            let step = locked(&self.0.store).merge_a_day(cursor, hourly_from)?;
            let Some((merged, next)) = step else {
                return Ok(pruned);
            };
            pruned.merged += merged;
            cursor = next;
        }
    }

    /// Sets, changes or takes away a budget; durable with the next flush. What the subject has spent in the current
    /// period counts, also what it spent before. The budget it has already changes nothing, so a host sets all budgets
    /// whenever it starts. Returns the thresholds that are reached by the change.
    ///
    /// # Errors
    /// [`BudgetError`]: an amount that is negative, not a number or above 10¹⁵, or a threshold outside 0 to 1.
    pub fn set_budget(
        &self,
        subject: &Subject,
        budget: Option<Budget>,
        now: Timestamp,
    ) -> Result<Vec<Verdict>, BudgetError> {
        let allowance = budget.map(Allowance::new).transpose()?;
        let accounts = &self.0.accounts;
        let account = match allowance {
            Some(_) => accounts.of(subject),
            None => match accounts.find(subject) {
                Some(account) => account,
                None => return Ok(Vec::new()),
            },
        };
        Ok(account.set(allowance, calendar::second(now), accounts.changed()))
    }

    /// Whether a subject's budget is used up at that time. [`Meter::spent`](crate::Meter::spent) is the same for both
    /// subjects of a call, without looking up names.
    pub fn is_spent(&self, subject: &Subject, now: Timestamp) -> bool {
        let account = self.0.accounts.find(subject);
        account.is_some_and(|account| account.is_spent(calendar::second(now)))
    }

    /// Lets a subject spend its budget again from zero for the rest of the period; durable with the next flush. Returns
    /// how its budget stands then, `None` when it has none.
    pub fn resume(&self, subject: &Subject, now: Timestamp) -> Option<BudgetStatus> {
        let account = self.0.accounts.find(subject)?;
        let second = calendar::second(now);
        account.status(second)?;
        account.resume(second, self.0.accounts.changed());
        account.status(second)
    }

    /// How a subject's budget stands at a time; `None` when it has none.
    pub fn budget(&self, subject: &Subject, now: Timestamp) -> Option<BudgetStatus> {
        let account = self.0.accounts.find(subject)?;
        account.status(calendar::second(now))
    }

    /// How all budgets stand at a time: functions, then callers, each by name.
    pub fn budgets(&self, now: Timestamp) -> Vec<BudgetStatus> {
        let second = calendar::second(now);
        let accounts = self.0.accounts.all();
        let mut budgets: Vec<BudgetStatus> = accounts
            .iter()
            .filter_map(|account| account.status(second))
            .collect();
        budgets.sort_by(|a, b| a.subject.cmp(&b.subject));
        budgets
    }

    /// Forgets what a deleted subject spent and might spend, durably with the next flush, so that a later one of the same
    /// name begins at zero. Its usage stays. Meters that are held stay charged to what was forgotten.
    pub fn forget(&self, subject: &Subject) {
        self.0.accounts.forget(subject);
        match subject {
            Subject::Function(name) => drop(write(&self.0.versions).remove(name)),
            Subject::Caller(name) => {
                let versions = read(&self.0.versions);
                versions
                    .values()
                    .flatten()
                    .for_each(|version| version.forget(name));
            }
        }
    }
}

impl Shared {
    fn version(&self, function: &FunctionName, number: VersionNumber) -> Arc<Version> {
        let find = |versions: &[Arc<Version>]| {
            let found = versions.iter().find(|version| version.number() == number);
            found.cloned()
        };
        if let Some(version) = read(&self.versions).get(function).and_then(|v| find(v)) {
            return version;
        }
        let mut functions = write(&self.versions);
        make_room(&mut functions, |versions| {
            versions.retain(|version| Arc::strong_count(version) > 1 || version.is_in_use());
            !versions.is_empty()
        });
        let versions = functions.entry(function.clone()).or_default();
        if let Some(version) = find(versions) {
            return version;
        }
        // Under the lock, so that a function that is forgotten meanwhile does not keep its old account.
        let account = self.accounts.function(function);
        let version = Arc::new(Version::new(function.clone(), number, account));
        versions.push(version.clone());
        version
    }

    /// Moves what was written down since the last time into a batch.
    fn collect(&self, batch: &mut Batch) {
        let written = std::mem::take(&mut *locked(&self.written));
        for cell in written {
            cell.drain(|hour, totals| {
                let key = RowKey {
                    hour,
                    function: cell.function().clone(),
                    version: cell.version(),
                    caller: cell.caller().into(),
                };
                *batch.usage.entry(key).or_default() += totals;
            });
        }
        self.accounts.take_changes(|subject, spending| {
            batch.accounts.insert(subject, spending);
        });
    }
}
