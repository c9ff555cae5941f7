//! In the steady state writing down a call and admitting it allocate nothing.

mod common;

use std::hint::black_box;

use common::{at, function, second, version};
use hyaline_control::{Budget, Period};
use hyaline_metering::{Ledger, PriceTable, Subject};

#[test]
fn recording_and_admitting_allocate_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    let ledger = Ledger::open(&path, PriceTable::aws_lambda_x86()).unwrap();
    let now = at("2026-11-27T09:00:00Z");
    let budget = Budget {
        usd: 100.0,
        period: Period::Month,
        warn_at: 0.5,
    };
    for subject in [
        Subject::Function(function("credit")),
        Subject::Caller("acme".into()),
    ] {
        ledger.set_budget(&subject, Some(budget), now).unwrap();
    }
    let loaded = ledger.version(&function("credit"), version(1));
    let call = second(now);
    let one = || {
        // A host that keeps the meter of a version looks up the caller's for every call.
        let meter = loaded.caller("acme");
        assert_eq!(meter.spent(now), None);
        assert!(
            black_box(meter.record(black_box(&call)))
                .verdicts
                .is_empty()
        );
    };
    one();
    let allocations = allocation_counter::measure(|| (0..1000).for_each(|_| one()));
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
    // After a flush the page of the caller keeps its memory; only the lists of what changed begin anew.
    ledger.flush().unwrap();
    let allocations = allocation_counter::measure(|| (0..1000).for_each(|_| one()));
    assert!(allocations.count_total <= 2, "{allocations:?}");
}

#[test]
fn callers_that_come_once_take_no_memory_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    let ledger = Ledger::open(&path, PriceTable::aws_lambda_x86()).unwrap();
    let loaded = ledger.version(&function("credit"), version(1));
    let now = at("2026-11-27T09:00:00Z");
    let next_year = at("2027-11-27T09:00:00Z");
    let mut number = 0;
    let mut batch = || {
        for _ in 0..2000 {
            number += 1;
            loaded
                .caller(&format!("caller-{number}"))
                .record(&second(now));
        }
        ledger.flush().unwrap();
        ledger
            .prune(next_year, hyaline_metering::Retention::default())
            .unwrap();
        ledger.flush().unwrap();
    };
    batch();
    batch();
    let grown = allocation_counter::measure(|| (0..5).for_each(|_| batch()));
    // Ten thousand callers would leave forty thousand; what grows is redb's cache of pages, which has a limit.
    assert!(grown.count_current < 3000, "{grown:?}");
}
