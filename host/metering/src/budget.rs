//! Budgets that have been checked, and how they stand.

use hyaline_control::Budget;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Subject;
use crate::money::Money;

/// A budget that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BudgetError {
    /// Its amount is out of range.
    #[error("a budget of {usd} US dollars is impossible; it takes 0 to 1000000000000000")]
    Amount {
        /// What it says.
        usd: f64,
    },
    /// The part of it at which a warning is given is out of range.
    #[error("`warn_at` is {warn_at}; it takes a part of the budget, 0 to 1")]
    WarnAt {
        /// What it says.
        warn_at: f64,
    },
}

/// How a budget stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetStatus {
    /// Whose it is.
    pub subject: Subject,
    /// What may be spent.
    pub budget: Budget,
    /// US dollars spent in this period, since the last resume when there was one.
    pub spent_usd: f64,
    /// US dollars spent in this period before the last resume, which do not count any more.
    pub forgiven_usd: f64,
    /// When this period began; absent for budgets that never begin again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_start: Option<Timestamp>,
    /// When the next period begins; absent for budgets that never begin again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_end: Option<Timestamp>,
    /// How far it is used up.
    pub state: BudgetState,
}

/// How far a budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BudgetState {
    /// The warning threshold is not reached.
    Open,
    /// The warning threshold is reached.
    Warned,
    /// It is used up: calls are refused.
    Spent,
}

/// Judges a budget that nobody has yet.
///
/// # Errors
/// [`BudgetError`]: an amount that is negative, not a number or above 10¹⁵, or a threshold outside 0 to 1.
pub fn check_budget(budget: &Budget) -> Result<(), BudgetError> {
    Allowance::new(*budget).map(drop)
}

/// A budget that has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Budget", into = "Budget")]
pub(crate) struct Allowance {
    budget: Budget,
    limit: Money,
    warning: Money,
}

impl Allowance {
    /// # Errors
    /// [`BudgetError`]: a negative or too large amount, or a threshold that is not a part.
    pub(crate) fn new(budget: Budget) -> Result<Self, BudgetError> {
        let limit =
            Money::from_usd(budget.usd).map_err(|_| BudgetError::Amount { usd: budget.usd })?;
        let refused = BudgetError::WarnAt {
            warn_at: budget.warn_at,
        };
        if !(0.0..=1.0).contains(&budget.warn_at) {
            return Err(refused);
        }
        // A part in quintillionths has the digits of an amount of money in atto-dollars.
        let part = Money::from_usd(budget.warn_at)
            .ok()
            .and_then(|part| u64::try_from(part.attos()).ok())
            .ok_or(refused)?;
        Ok(Allowance {
            budget,
            limit,
            warning: limit.part(part),
        })
    }

    pub(crate) fn budget(&self) -> Budget {
        self.budget
    }

    /// Where calls are stopped.
    pub(crate) fn limit(&self) -> Money {
        self.limit
    }

    /// Where a warning is given.
    pub(crate) fn warning(&self) -> Money {
        self.warning
    }
}

impl TryFrom<Budget> for Allowance {
    type Error = BudgetError;
    fn try_from(budget: Budget) -> Result<Self, BudgetError> {
        Allowance::new(budget)
    }
}

impl From<Allowance> for Budget {
    fn from(allowance: Allowance) -> Budget {
        allowance.budget
    }
}
