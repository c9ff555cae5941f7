//! Money that may be spent: set from functions' settings and from keys, announced when it runs out.

use hyaline_control::{Budget, CallerName, EventKind, FunctionName};
use hyaline_metering::{BudgetError, BudgetStatus, Subject, Verdict, VerdictKind};
use jiff::Timestamp;

use super::Platform;

impl Platform {
    /// Gives every function and every key the budget that it is said to have.
    pub(super) fn restore_budgets(&self) {
        for function in self.registry.catalog().functions() {
            let subject = Subject::Function(function.name().clone());
            if let Err(error) = self.set_budget(&subject, function.settings().budget) {
                tracing::error!(function = %function.name(), %error, "a budget cannot be used");
            }
        }
        for key in self.keys.list() {
            let subject = Subject::Caller(key.grant.name.as_str().into());
            if let Err(error) = self.set_budget(&subject, key.grant.budget) {
                tracing::error!(key = %key.grant.name, %error, "a budget cannot be used");
            }
        }
    }

    /// Sets or takes away a budget. What was spent in its period counts.
    pub(crate) fn set_budget(
        &self,
        subject: &Subject,
        budget: Option<Budget>,
    ) -> Result<(), BudgetError> {
        let verdicts = self.ledger.set_budget(subject, budget, Timestamp::now())?;
        verdicts.iter().for_each(|verdict| self.announce(verdict));
        Ok(())
    }

    /// Tells about a threshold that was reached.
    pub(crate) fn announce(&self, verdict: &Verdict) {
        let kind = match verdict.kind {
            VerdictKind::Warning => EventKind::BudgetWarning,
            VerdictKind::Spent => EventKind::BudgetSpent,
        };
        self.events
            .add(kind, verdict.subject.name(), verdict.to_string());
    }

    /// Lets a function spend its budget again from zero; `None` when it has none.
    pub(crate) fn resume_function(&self, name: &FunctionName) -> Option<BudgetStatus> {
        self.resume(&Subject::Function(name.clone()))
    }

    /// Lets a caller spend its budget again from zero; `None` when it has none.
    pub(crate) fn resume_caller(&self, name: &CallerName) -> Option<BudgetStatus> {
        self.resume(&Subject::Caller(name.as_str().into()))
    }

    fn resume(&self, subject: &Subject) -> Option<BudgetStatus> {
        let status = self.ledger.resume(subject, Timestamp::now())?;
        if let Err(error) = self.ledger.flush() {
            tracing::warn!(%error, "a budget that was resumed is not on disk yet");
        }
        let message = format!("{subject} spends from zero again");
        self.events
            .add(EventKind::BudgetResumed, subject.name(), message);
        Some(status)
    }
}
