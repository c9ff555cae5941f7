//! What invocations use and cost: records, a ledger by hour, price tables, budgets.
//!
//! A host asks the [`Ledger`] once per version for a [`VersionMeter`], and that for a [`Meter`] per caller. Every call is
//! admitted by [`Meter::spent`] (two atomic loads) and written down by [`Meter::record`] (no allocation, no
//! disk). About once a second somebody calls [`Ledger::flush`], which makes what was written down durable.
//!
//! Nothing here reads a clock, starts a thread or opens a socket: times are passed in. Amounts of money are whole
//! [atto-dollars](Money), amounts of memory over time whole byte-nanoseconds, so sums do not depend on their order.

#![forbid(unsafe_code)]

mod account;
mod budget;
mod calendar;
mod cell;
mod csv;
mod error;
mod ledger;
mod log;
mod money;
mod price;
mod query;
mod record;
mod spending;
mod store;
mod totals;

pub use account::{Subject, Verdict, VerdictKind};
pub use budget::{BudgetError, BudgetState, BudgetStatus, check_budget};
pub use cell::{Meter, VersionMeter};
pub use csv::csv;
pub use error::LedgerError;
pub use ledger::{Charge, Ledger};
pub use log::{end_line, report_line, start_line, usage_line};
pub use money::{Money, MoneyError};
pub use price::{Gigabyte, MemoryBasis, PriceError, PriceTable};
pub use record::{Outcome, Record, Start, Usage};
pub use store::{Pruned, Retention};
