//! The account of a function or a caller: what it spent, behind a gate that is one atomic load while it is open.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use hyaline_control::{Budget, FunctionName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::budget::{Allowance, BudgetStatus};
use crate::calendar;
use crate::money::Money;
use crate::spending::{Reached, Spending};

/// Whose money is spent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A function's, whoever calls it.
    Function(FunctionName),
    /// A caller's, whatever it calls.
    Caller(Box<str>),
}

impl Subject {
    /// Its name, without its kind.
    pub fn name(&self) -> &str {
        match self {
            Subject::Function(name) => name.as_str(),
            Subject::Caller(name) => name,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Function(name) => write!(f, "function `{name}`"),
            Subject::Caller(name) => write!(f, "caller `{name}`"),
        }
    }
}

/// A threshold of a budget was reached. Given once per threshold, subject and period.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Which threshold.
    pub kind: VerdictKind,
    /// Whose budget.
    pub subject: Subject,
    /// The budget.
    pub budget: Budget,
    /// What was spent of it.
    pub spent: Money,
    /// When the next period begins; `None` when it never does.
    pub period_end: Option<Timestamp>,
}

/// A threshold of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictKind {
    /// The part at which a warning is given.
    Warning,
    /// All of it: calls are refused from now on.
    Spent,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, spent, usd) = (&self.subject, self.spent, self.budget.usd);
        match self.kind {
            VerdictKind::Warning => {
                let part = self.budget.warn_at * 100.0;
                write!(
                    f,
                    "{subject} has spent {spent} of its budget of ${usd}, and a warning is due at {part:.0} %"
                )
            }
            VerdictKind::Spent => {
                write!(
                    f,
                    "{subject} has spent {spent}, its budget of ${usd}: calls are refused until "
                )?;
                if let Some(end) = self.period_end {
                    write!(f, "{end}, ")?;
                }
                f.write_str("the budget grows or it is resumed")
            }
        }
    }
}

/// What a subject spent and may spend.
#[derive(Debug)]
pub(crate) struct Account {
    subject: Subject,
    /// The second before which calls are refused; `OPEN` when they are not.
    refused_until: AtomicI64,
    books: Mutex<Books>,
}

/// No call is refused.
const OPEN: i64 = i64::MIN;

#[derive(Debug)]
struct Books {
    spending: Spending,
    /// Whether it waits for the next flush.
    queued: bool,
    /// Whether its subject is gone, so that nothing of it is kept.
    forgotten: bool,
}

/// Accounts that changed since the last flush.
pub(crate) type Changed = Mutex<Vec<Arc<Account>>>;

impl Account {
    fn new(subject: Subject, spending: Spending) -> Self {
        let account = Account {
            subject,
            refused_until: AtomicI64::new(OPEN),
            books: Mutex::new(Books {
                spending,
                queued: false,
                forgotten: false,
            }),
        };
        account.set_gate(&locked(&account.books).spending);
        account
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Whether its budget is used up at that second: one atomic load while it is not.
    pub(crate) fn is_spent(&self, now: i64) -> bool {
        if now >= self.refused_until.load(Ordering::Acquire) {
            return false;
        }
        let mut books = locked(&self.books);
        books.spending.roll(now);
        self.set_gate(&books.spending);
        books.spending.is_stopped()
    }

    /// Adds an amount; appends a verdict for each threshold this reached.
    pub(crate) fn charge(
        self: &Arc<Self>,
        amount: Money,
        now: i64,
        changed: &Changed,
        verdicts: &mut Vec<Verdict>,
    ) {
        self.change(changed, verdicts, |spending| spending.charge(amount, now));
    }

    /// Replaces the budget.
    pub(crate) fn set(
        self: &Arc<Self>,
        allowance: Option<Allowance>,
        now: i64,
        changed: &Changed,
    ) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        self.change(changed, &mut verdicts, |spending| {
            spending.set(allowance, now)
        });
        verdicts
    }

    /// Counts from zero for the rest of the period.
    pub(crate) fn resume(self: &Arc<Self>, now: i64, changed: &Changed) {
        self.change(changed, &mut Vec::new(), |spending| {
            spending.resume(now);
            [None; 2]
        });
    }

    /// How its budget stands; `None` without one.
    pub(crate) fn status(&self, now: i64) -> Option<BudgetStatus> {
        let mut books = locked(&self.books);
        books.spending.roll(now);
        self.set_gate(&books.spending);
        let spending = &books.spending;
        let (begin, end) = spending.bounds();
        Some(BudgetStatus {
            subject: self.subject.clone(),
            budget: spending.allowance()?.budget(),
            spent_usd: spending.spent().usd(),
            forgiven_usd: spending.forgiven().usd(),
            period_start: begin.map(calendar::timestamp),
            period_end: end.map(calendar::timestamp),
            state: spending.state(),
        })
    }

    /// Takes it off the queue of the next flush: what is to be kept, `None` when nothing is.
    fn take_change(&self) -> Option<Spending> {
        let mut books = locked(&self.books);
        books.queued = false;
        (!books.forgotten).then(|| books.spending.clone())
    }

    fn change(
        self: &Arc<Self>,
        changed: &Changed,
        verdicts: &mut Vec<Verdict>,
        change: impl FnOnce(&mut Spending) -> Reached,
    ) {
        let mut books = locked(&self.books);
        let reached = change(&mut books.spending);
        self.set_gate(&books.spending);
        if !books.queued {
            books.queued = true;
            locked(changed).push(self.clone());
        }
        for kind in reached.into_iter().flatten() {
            let Some(allowance) = books.spending.allowance() else {
                continue;
            };
            verdicts.push(Verdict {
                kind,
                subject: self.subject.clone(),
                budget: allowance.budget(),
                spent: books.spending.spent(),
                period_end: books.spending.bounds().1.map(calendar::timestamp),
            });
        }
    }

    /// Called with the books locked, so that the gate never lags behind them.
    fn set_gate(&self, spending: &Spending) {
        let until = spending.refused_until().unwrap_or(OPEN);
        if self.refused_until.load(Ordering::Relaxed) != until {
            self.refused_until.store(until, Ordering::Release);
        }
    }
}

/// All accounts.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    functions: RwLock<HashMap<FunctionName, Arc<Account>>>,
    callers: RwLock<HashMap<Box<str>, Arc<Account>>>,
    changed: Changed,
    forgotten: Mutex<Vec<Subject>>,
}

impl Accounts {
    /// Those that were kept.
    pub(crate) fn restored(kept: impl IntoIterator<Item = (Subject, Spending)>) -> Self {
        let mut accounts = Accounts::default();
        for (subject, spending) in kept {
            let account = Arc::new(Account::new(subject.clone(), spending));
            match subject {
                Subject::Function(name) => owned(&mut accounts.functions).insert(name, account),
                Subject::Caller(name) => owned(&mut accounts.callers).insert(name, account),
            };
        }
        accounts
    }

    /// Those that wait for the next flush.
    pub(crate) fn changed(&self) -> &Changed {
        &self.changed
    }

    /// Hands over what changed since the last time: what is to be kept, `None` for subjects that are gone.
    pub(crate) fn take_changes(&self, mut take: impl FnMut(Subject, Option<Spending>)) {
        // In this order, so that a subject that is forgotten and comes back meanwhile is kept, now or by the next call.
        let changed = std::mem::take(&mut *locked(&self.changed));
        let forgotten = std::mem::take(&mut *locked(&self.forgotten));
        for subject in forgotten {
            take(subject, None);
        }
        for account in changed {
            if let Some(spending) = account.take_change() {
                take(account.subject.clone(), Some(spending));
            }
        }
    }

    pub(crate) fn function(&self, name: &FunctionName) -> Arc<Account> {
        if let Some(account) = read(&self.functions).get(name) {
            return account.clone();
        }
        let mut functions = write(&self.functions);
        let made = || {
            Arc::new(Account::new(
                Subject::Function(name.clone()),
                Spending::default(),
            ))
        };
        functions.entry(name.clone()).or_insert_with(made).clone()
    }

    pub(crate) fn caller(&self, name: &str) -> Arc<Account> {
        if let Some(account) = read(&self.callers).get(name) {
            return account.clone();
        }
        let mut callers = write(&self.callers);
        let made = || {
            Arc::new(Account::new(
                Subject::Caller(name.into()),
                Spending::default(),
            ))
        };
        callers.entry(name.into()).or_insert_with(made).clone()
    }

    pub(crate) fn of(&self, subject: &Subject) -> Arc<Account> {
        match subject {
            Subject::Function(name) => self.function(name),
            Subject::Caller(name) => self.caller(name),
        }
    }

    /// The account of a subject that has one.
    pub(crate) fn find(&self, subject: &Subject) -> Option<Arc<Account>> {
        match subject {
            Subject::Function(name) => read(&self.functions).get(name).cloned(),
            Subject::Caller(name) => read(&self.callers).get(name).cloned(),
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        let functions = read(&self.functions);
        let callers = read(&self.callers);
        functions
            .values()
            .chain(callers.values())
            .cloned()
            .collect()
    }

    /// Drops the account of a subject, so that a later one of that name begins at zero.
    pub(crate) fn forget(&self, subject: &Subject) {
        let account = match subject {
            Subject::Function(name) => write(&self.functions).remove(name),
            Subject::Caller(name) => write(&self.callers).remove(name),
        };
        if let Some(account) = account {
            locked(&account.books).forgotten = true;
            locked(&self.forgotten).push(subject.clone());
        }
    }

    /// Drops the accounts that nobody holds and that have been idle for long.
    pub(crate) fn forget_idle(&self, now: i64) {
        let keeps = |account: &Arc<Account>| {
            let is_held = Arc::strong_count(account) > 1;
            if is_held || !locked(&account.books).spending.is_idle(now) {
                return true;
            }
            locked(&self.forgotten).push(account.subject.clone());
            false
        };
        write(&self.functions).retain(|_, account| keeps(account));
        write(&self.callers).retain(|_, account| keeps(account));
    }
}

/// Locks; nothing panics while a lock of this crate is held, so what a panic elsewhere left behind is whole.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for reading.
pub(crate) fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for writing.
pub(crate) fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn owned<T>(lock: &mut RwLock<T>) -> &mut T {
    lock.get_mut().unwrap_or_else(PoisonError::into_inner)
}
