//! What invocations use and cost: records, a ledger by hour, price tables, budgets.

#![forbid(unsafe_code)]
