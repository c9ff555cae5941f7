//! What one subject has spent, period by period, and what its budget says about it. No locks, no clock.

use hyaline_control::Period;
use serde::{Deserialize, Serialize};

use crate::account::VerdictKind;
use crate::budget::{Allowance, BudgetState};
use crate::calendar::{self, HOUR};
use crate::money::Money;

/// What one subject has spent. Kept for every period, whether there is a budget or not, so that a budget counts what was
/// spent in its period before it was set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spending {
    /// Of UTC; `i64::MIN` before the first time is known.
    day: i64,
    month: i64,
    this_day: Money,
    this_month: Money,
    ever: Money,
    allowance: Option<Allowance>,
    /// Spent in the allowance's period before the last resume.
    forgiven: Money,
    warned: bool,
    stopped: bool,
}

/// What was reached by the latest change.
pub(crate) type Reached = [Option<VerdictKind>; 2];

impl Default for Spending {
    fn default() -> Self {
        Spending {
            day: i64::MIN,
            month: i64::MIN,
            this_day: Money::ZERO,
            this_month: Money::ZERO,
            ever: Money::ZERO,
            allowance: None,
            forgiven: Money::ZERO,
            warned: false,
            stopped: false,
        }
    }
}

impl Spending {
    /// Goes to the periods that a second lies in.
    ///
    /// A call that ended up to an hour before the current day counts into the current day: it was only written down
    /// late. When time lies further back, the clock had been wrong or was set back; then what was spent is kept, because
    /// the same period must not be paid for twice.
    pub(crate) fn roll(&mut self, now: i64) {
        let day = calendar::day(now);
        if day == self.day {
            return;
        }
        if day < self.day && calendar::day_begin(self.day).saturating_sub(now) <= HOUR {
            return;
        }
        let month = calendar::month(now);
        let (next_day, next_month) = (day > self.day, month > self.month);
        if next_day {
            self.this_day = Money::ZERO;
        }
        if next_month {
            self.this_month = Money::ZERO;
        }
        (self.day, self.month) = (day, month);
        let begins_again = match self.allowance.map(|allowance| allowance.budget().period) {
            Some(Period::Day) => next_day,
            Some(Period::Month) => next_month,
            Some(Period::Total) | None => false,
        };
        if begins_again {
            self.forgiven = Money::ZERO;
            self.warned = self.allows_nothing();
            self.stopped = self.allows_nothing();
        }
    }

    /// A budget of nothing is used up in every period, which is said when it is set and not again.
    fn allows_nothing(&self) -> bool {
        self.allowance
            .is_some_and(|allowance| allowance.limit() == Money::ZERO)
    }

    /// The second before which calls are refused; `None` when they are not.
    pub(crate) fn refused_until(&self) -> Option<i64> {
        let end = match self.allows_nothing() {
            true => None,
            false => self.bounds().1,
        };
        self.stopped.then_some(end.unwrap_or(i64::MAX))
    }

    /// Whether it has no budget and the last change lies before the month that was before this one.
    pub(crate) fn is_idle(&self, now: i64) -> bool {
        self.allowance.is_none() && self.month < calendar::month(now) - 1
    }

    /// Adds an amount.
    pub(crate) fn charge(&mut self, amount: Money, now: i64) -> Reached {
        self.roll(now);
        self.this_day += amount;
        self.this_month += amount;
        self.ever += amount;
        self.judge()
    }

    /// Replaces the budget. The same budget again changes nothing; another one for the same kind of period keeps what
    /// was forgiven.
    pub(crate) fn set(&mut self, allowance: Option<Allowance>, now: i64) -> Reached {
        self.roll(now);
        if allowance == self.allowance {
            return [None; 2];
        }
        let period = |allowance: Option<Allowance>| allowance.map(|a| a.budget().period);
        if period(allowance) != period(self.allowance) {
            self.forgiven = Money::ZERO;
            self.warned = false;
            self.stopped = false;
        }
        self.allowance = allowance;
        let spent = self.spent();
        if let Some(allowance) = allowance {
            self.warned &= spent >= allowance.warning();
            self.stopped &= spent >= allowance.limit();
        }
        self.judge()
    }

    /// Counts from zero for the rest of the period.
    pub(crate) fn resume(&mut self, now: i64) {
        self.roll(now);
        self.forgiven = self.in_period();
        self.warned = false;
        self.stopped = false;
    }

    /// What there is of the allowance's period since the last resume.
    pub(crate) fn spent(&self) -> Money {
        self.in_period().saturating_sub(self.forgiven)
    }

    pub(crate) fn forgiven(&self) -> Money {
        self.forgiven
    }

    pub(crate) fn allowance(&self) -> Option<Allowance> {
        self.allowance
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub(crate) fn state(&self) -> BudgetState {
        match (self.stopped, self.warned) {
            (true, _) => BudgetState::Spent,
            (false, true) => BudgetState::Warned,
            (false, false) => BudgetState::Open,
        }
    }

    /// The first second of the allowance's period, and the first one after it.
    pub(crate) fn bounds(&self) -> (Option<i64>, Option<i64>) {
        self.allowance.map_or((None, None), |allowance| {
            calendar::bounds(allowance.budget().period, self.day, self.month)
        })
    }

    fn in_period(&self) -> Money {
        match self.allowance.map(|allowance| allowance.budget().period) {
            Some(Period::Day) => self.this_day,
            Some(Period::Month) => self.this_month,
            Some(Period::Total) => self.ever,
            None => Money::ZERO,
        }
    }

    fn judge(&mut self) -> Reached {
        let Some(allowance) = self.allowance else {
            return [None; 2];
        };
        let spent = self.spent();
        let warns = !self.warned && spent >= allowance.warning();
        let stops = !self.stopped && spent >= allowance.limit();
        self.warned |= warns;
        self.stopped |= stops;
        [
            warns.then_some(VerdictKind::Warning),
            stops.then_some(VerdictKind::Spent),
        ]
    }
}
