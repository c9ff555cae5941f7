//! Budgets: thresholds, periods, resuming, restarts, and many threads at once.

mod common;

use std::sync::Barrier;

use common::{at, function, second, version};
use hyaline_control::{Budget, Period, UsageFilter};
use hyaline_metering::{
    BudgetState, Ledger, Meter, Money, PriceTable, Retention, Subject, Usage, Verdict, VerdictKind,
};
use jiff::Timestamp;

/// What a call of [`second`] is billed: 0.125 GB-s and a fee.
const CALL: f64 = 0.000_002_283_337_5;

struct Bench {
    ledger: Ledger,
    meter: Meter,
    folder: tempfile::TempDir,
}

fn credit() -> Subject {
    Subject::Function(function("credit"))
}

fn acme() -> Subject {
    Subject::Caller("acme".into())
}

fn budget(calls: f64, period: Period) -> Option<Budget> {
    Some(Budget {
        usd: calls * CALL,
        period,
        warn_at: 0.8,
    })
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    reopened(folder)
}

fn reopened(folder: tempfile::TempDir) -> Bench {
    let ledger = Ledger::open(
        &folder.path().join("usage.redb"),
        PriceTable::aws_lambda_x86(),
    )
    .unwrap();
    let meter = ledger
        .version(&function("credit"), version(1))
        .caller("acme");
    Bench {
        ledger,
        meter,
        folder,
    }
}

impl Bench {
    fn restart(self) -> Bench {
        self.ledger.flush().unwrap();
        let Bench {
            ledger,
            meter,
            folder,
        } = self;
        drop((ledger, meter));
        reopened(folder)
    }

    fn call(&self, begun: &str) -> Vec<VerdictKind> {
        let charge = self.meter.record(&second(at(begun)));
        charge.verdicts.iter().map(|verdict| verdict.kind).collect()
    }

    fn calls(&self, begun: &str, count: usize) -> Vec<VerdictKind> {
        (0..count).flat_map(|_| self.call(begun)).collect()
    }

    fn state(&self, subject: &Subject, now: &str) -> BudgetState {
        self.ledger.budget(subject, at(now)).unwrap().state
    }
}

const MORNING: &str = "2026-11-27T09:00:00Z";
const TOMORROW: &str = "2026-11-28T00:00:00Z";

#[test]
fn a_budget_warns_once_stops_once_and_refuses_the_next_call() {
    let bench = bench();
    assert_eq!(
        bench
            .ledger
            .set_budget(&credit(), budget(10.0, Period::Day), at(MORNING)),
        Ok(vec![])
    );
    assert_eq!(bench.calls(MORNING, 7), []);
    assert_eq!(bench.call(MORNING), [VerdictKind::Warning]);
    assert_eq!(bench.state(&credit(), MORNING), BudgetState::Warned);
    assert_eq!(bench.call(MORNING), []);
    assert_eq!(bench.meter.spent(at(MORNING)), None);
    assert_eq!(bench.call(MORNING), [VerdictKind::Spent]);
    assert_eq!(bench.meter.spent(at(MORNING)), Some(credit()));
    assert!(bench.ledger.is_spent(&credit(), at(MORNING)));
    assert!(!bench.ledger.is_spent(&acme(), at(MORNING)));
    // Calls that were admitted before end after it, and cost all the same.
    assert_eq!(bench.calls(MORNING, 3), []);
    let status = bench.ledger.budget(&credit(), at(MORNING)).unwrap();
    assert_eq!(status.state, BudgetState::Spent);
    assert_eq!(
        status.spent_usd,
        Money::from_usd(13.0 * CALL).unwrap().usd()
    );
    assert_eq!(status.period_start, Some(at("2026-11-27T00:00:00Z")));
    assert_eq!(status.period_end, Some(at(TOMORROW)));
}

#[test]
fn verdicts_say_who_spent_what_and_what_happens_now() {
    let bench = bench();
    bench
        .ledger
        .set_budget(&acme(), budget(1.0, Period::Day), at(MORNING))
        .unwrap();
    bench
        .ledger
        .set_budget(&credit(), budget(1.0, Period::Total), at(MORNING))
        .unwrap();
    let verdicts: Vec<Verdict> = bench.meter.record(&second(at(MORNING))).verdicts;
    let words: Vec<String> = verdicts.iter().map(Verdict::to_string).collect();
    assert_eq!(
        words,
        [
            "function `credit` has spent $0.0000022833375 of its budget of $0.0000022833375, and a warning is due at 80 %",
            "function `credit` has spent $0.0000022833375, its budget of $0.0000022833375: calls are refused until the budget grows or it is resumed",
            "caller `acme` has spent $0.0000022833375 of its budget of $0.0000022833375, and a warning is due at 80 %",
            "caller `acme` has spent $0.0000022833375, its budget of $0.0000022833375: calls are refused until 2026-11-28T00:00:00Z, the budget grows or it is resumed",
        ]
    );
}

#[test]
fn a_period_begins_again_at_midnight_or_on_the_first() {
    for (period, last, next) in [
        (Period::Day, "2026-11-27T23:59:59.999Z", TOMORROW),
        (
            Period::Month,
            "2026-11-30T23:59:59.999Z",
            "2026-12-01T00:00:00Z",
        ),
    ] {
        let bench = bench();
        bench
            .ledger
            .set_budget(&credit(), budget(2.0, period), at(MORNING))
            .unwrap();
        let both = [VerdictKind::Warning, VerdictKind::Spent];
        assert_eq!(bench.calls(MORNING, 2), both);
        assert_eq!(bench.meter.spent(at(last)), Some(credit()), "{period:?}");
        assert_eq!(bench.meter.spent(at(next)), None, "{period:?}");
        assert_eq!(bench.state(&credit(), next), BudgetState::Open);
        assert_eq!(
            bench.calls(next, 2),
            both,
            "both are said again in the next period"
        );
    }
    let bench = bench();
    bench
        .ledger
        .set_budget(&credit(), budget(1.0, Period::Total), at(MORNING))
        .unwrap();
    bench.call(MORNING);
    assert_eq!(
        bench.meter.spent(at("9999-01-01T00:00:00Z")),
        Some(credit())
    );
}

#[test]
fn a_call_belongs_to_the_period_in_which_it_ends() {
    let bench = bench();
    bench
        .ledger
        .set_budget(&credit(), budget(1.0, Period::Day), at(MORNING))
        .unwrap();
    // It takes a second.
    bench.call("2026-11-27T23:59:59.000000001Z");
    let status = bench.ledger.budget(&credit(), at(TOMORROW)).unwrap();
    assert_eq!(status.state, BudgetState::Spent);
    assert_eq!(status.period_start, Some(at(TOMORROW)));
}

#[test]
fn a_budget_that_is_set_late_counts_what_was_spent_before() {
    let bench = bench();
    bench.calls("2026-11-26T10:00:00Z", 2);
    bench.calls(MORNING, 2);
    let set = |calls, period| {
        let reached = bench
            .ledger
            .set_budget(&credit(), budget(calls, period), at(MORNING));
        let kinds = reached
            .unwrap()
            .iter()
            .map(|verdict| verdict.kind)
            .collect::<Vec<_>>();
        (
            kinds,
            bench
                .ledger
                .budget(&credit(), at(MORNING))
                .unwrap()
                .spent_usd
                / CALL,
        )
    };
    let both = vec![VerdictKind::Warning, VerdictKind::Spent];
    assert_eq!(set(2.5, Period::Day), (vec![VerdictKind::Warning], 2.0));
    assert_eq!(set(4.0, Period::Month), (both.clone(), 4.0));
    assert_eq!(set(4.0, Period::Total), (both, 4.0));
    assert_eq!(
        set(4.0, Period::Total),
        (vec![], 4.0),
        "the same budget again says nothing"
    );
    assert_eq!(set(9.0, Period::Total), (vec![], 4.0));
    assert_eq!(bench.meter.spent(at(MORNING)), None, "it was raised");
    assert_eq!(set(3.0, Period::Total).0.len(), 2);
    assert_eq!(
        bench.meter.spent(at(MORNING)),
        Some(credit()),
        "it was lowered"
    );
    bench
        .ledger
        .set_budget(&credit(), None, at(MORNING))
        .unwrap();
    assert_eq!(bench.meter.spent(at(MORNING)), None, "it was taken away");
    assert_eq!(bench.ledger.budgets(at(MORNING)), []);
}

#[test]
fn resuming_allows_the_budget_again_for_the_rest_of_the_period() {
    let bench = bench();
    assert_eq!(
        bench.ledger.resume(&credit(), at(MORNING)),
        None,
        "there is no budget"
    );
    bench
        .ledger
        .set_budget(&credit(), budget(2.0, Period::Day), at(MORNING))
        .unwrap();
    bench.calls(MORNING, 3);
    let status = bench.ledger.resume(&credit(), at(MORNING)).unwrap();
    assert_eq!((status.state, status.spent_usd), (BudgetState::Open, 0.0));
    assert_eq!(
        status.forgiven_usd,
        Money::from_usd(3.0 * CALL).unwrap().usd()
    );
    assert_eq!(bench.meter.spent(at(MORNING)), None);
    let bench = bench.restart();
    assert_eq!(bench.call(MORNING), []);
    assert_eq!(
        bench.call(MORNING),
        [VerdictKind::Warning, VerdictKind::Spent]
    );
    assert_eq!(bench.meter.spent(at(MORNING)), Some(credit()));
    let tomorrow = bench.ledger.budget(&credit(), at(TOMORROW)).unwrap();
    assert_eq!((tomorrow.spent_usd, tomorrow.forgiven_usd), (0.0, 0.0));
}

#[test]
fn what_was_spent_and_said_survives_a_restart() {
    let bench = bench();
    bench
        .ledger
        .set_budget(&credit(), budget(2.0, Period::Month), at(MORNING))
        .unwrap();
    bench
        .ledger
        .set_budget(&acme(), budget(10.0, Period::Total), at(MORNING))
        .unwrap();
    assert_eq!(bench.calls(MORNING, 8).len(), 3);
    let before = bench.ledger.budgets(at(MORNING));
    let bench = bench.restart();
    assert_eq!(bench.ledger.budgets(at(MORNING)), before);
    assert_eq!(
        before
            .iter()
            .map(|status| &status.subject)
            .collect::<Vec<_>>(),
        [&credit(), &acme()]
    );
    assert_eq!(bench.meter.spent(at(MORNING)), Some(credit()));
    // A host sets every budget when it starts.
    assert_eq!(
        bench
            .ledger
            .set_budget(&credit(), budget(2.0, Period::Month), at(MORNING)),
        Ok(vec![])
    );
    assert_eq!(
        bench
            .ledger
            .set_budget(&acme(), budget(10.0, Period::Total), at(MORNING)),
        Ok(vec![])
    );
    assert_eq!(bench.call(MORNING), []);
    assert_eq!(bench.call(MORNING), [VerdictKind::Spent]);
    assert!(bench.ledger.is_spent(&acme(), at(MORNING)));
}

#[test]
fn a_clock_that_was_wrong_neither_gives_money_away_nor_locks_a_function_for_ever() {
    let bench = bench();
    bench
        .ledger
        .set_budget(&credit(), budget(2.0, Period::Day), at(MORNING))
        .unwrap();
    // Set back over midnight: written down late at most, it stays in its day.
    bench.calls("2026-11-28T00:00:10Z", 2);
    for now in ["2026-11-27T23:59:50Z", "2026-11-28T00:00:30Z"] {
        assert_eq!(bench.meter.spent(at(now)), Some(credit()), "{now}");
    }
    // Years ahead, and back again.
    bench.calls("2038-01-01T00:00:00Z", 2);
    assert_eq!(
        bench.meter.spent(at(MORNING)),
        Some(credit()),
        "spent is spent"
    );
    assert_eq!(bench.state(&credit(), MORNING), BudgetState::Spent);
    assert_eq!(
        bench.meter.spent(at(TOMORROW)),
        None,
        "and over at the next midnight"
    );
}

#[test]
fn a_forgotten_function_begins_at_zero() {
    let bench = bench();
    bench
        .ledger
        .set_budget(&credit(), budget(1.0, Period::Total), at(MORNING))
        .unwrap();
    bench.call(MORNING);
    bench.ledger.forget(&credit());
    assert_eq!(bench.ledger.budgets(at(MORNING)), []);
    // It is still running somewhere.
    bench.call(MORNING);
    let bench = bench.restart();
    assert_eq!(bench.ledger.budgets(at(MORNING)), []);
    bench
        .ledger
        .set_budget(&credit(), budget(1.0, Period::Total), at(MORNING))
        .unwrap();
    assert_eq!(bench.meter.spent(at(MORNING)), None);
    let rows = bench.ledger.usage(&UsageFilter::default(), &[]).unwrap();
    assert_eq!(rows[0].invocations, 2, "usage stays");
}

#[test]
fn a_forgotten_caller_begins_at_zero_with_the_next_meter() {
    let bench = bench();
    let version = bench.ledger.version(&function("credit"), version(1));
    bench
        .ledger
        .set_budget(&acme(), budget(1.0, Period::Total), at(MORNING))
        .unwrap();
    bench.call(MORNING);
    assert_eq!(version.caller("acme").spent(at(MORNING)), Some(acme()));
    bench.ledger.forget(&acme());
    bench
        .ledger
        .set_budget(&acme(), budget(1.0, Period::Total), at(MORNING))
        .unwrap();
    assert_eq!(version.caller("acme").spent(at(MORNING)), None);
    assert_eq!(
        version
            .caller("acme")
            .record(&second(at(MORNING)))
            .verdicts
            .len(),
        2
    );
    assert_eq!(version.caller("acme").spent(at(MORNING)), Some(acme()));
}

#[test]
fn accounts_without_a_budget_are_dropped_after_an_idle_month() {
    let bench = bench();
    bench
        .ledger
        .set_budget(&credit(), budget(9.0, Period::Total), at(MORNING))
        .unwrap();
    bench.call(MORNING);
    let bench = bench.restart();
    let spent = |bench: &Bench, subject: &Subject, now| {
        bench
            .ledger
            .set_budget(subject, budget(9.0, Period::Total), at(now))
            .unwrap();
        let spent = bench.ledger.budget(subject, at(now)).unwrap().spent_usd;
        spent / CALL
    };
    let Bench {
        ledger,
        meter,
        folder,
    } = bench;
    drop((meter, ledger));
    let path = folder.path().join("usage.redb");
    let prune = |now| {
        let ledger = Ledger::open(&path, PriceTable::aws_lambda_x86()).unwrap();
        ledger.prune(at(now), Retention::default()).unwrap();
        ledger.flush().unwrap();
    };
    prune("2026-12-31T00:00:00Z");
    let ledger = Ledger::open(&path, PriceTable::aws_lambda_x86()).unwrap();
    assert_eq!(
        ledger
            .set_budget(&acme(), budget(1.0, Period::Total), at(MORNING))
            .unwrap()
            .len(),
        2
    );
    drop(ledger);
    prune("2027-01-01T00:00:00Z");
    let bench = reopened(folder);
    assert_eq!(
        spent(&bench, &acme(), MORNING),
        0.0,
        "it had no budget that was flushed"
    );
    assert_eq!(spent(&bench, &credit(), MORNING), 1.0, "it had one");
}

#[test]
fn impossible_budgets_are_refused_in_these_words() {
    let bench = bench();
    let refusal = |usd, warn_at| {
        let budget = Budget {
            usd,
            period: Period::Day,
            warn_at,
        };
        let refused = bench
            .ledger
            .set_budget(&credit(), Some(budget), at(MORNING));
        refused.unwrap_err().to_string()
    };
    for usd in [-1.0, f64::NAN, f64::INFINITY] {
        let words =
            format!("a budget of {usd} US dollars is impossible; it takes 0 to 1000000000000000");
        assert_eq!(refusal(usd, 0.8), words);
    }
    for warn_at in [-0.1, 1.1, f64::NAN] {
        let words = format!("`warn_at` is {warn_at}; it takes a part of the budget, 0 to 1");
        assert_eq!(refusal(1.0, warn_at), words);
    }
}

#[test]
fn a_budget_of_nothing_stops_at_once_and_for_ever() {
    let bench = bench();
    let reached = bench
        .ledger
        .set_budget(&credit(), budget(0.0, Period::Day), at(MORNING));
    assert_eq!(reached.unwrap().len(), 2);
    assert_eq!(bench.meter.spent(at(MORNING)), Some(credit()));
    assert_eq!(
        bench.meter.spent(at(TOMORROW)),
        Some(credit()),
        "and in every period"
    );
    assert_eq!(bench.state(&credit(), TOMORROW), BudgetState::Spent);
    assert_eq!(bench.call(TOMORROW), []);
}

#[test]
fn many_threads_lose_no_money_and_say_nothing_twice() {
    const THREADS: usize = 8;
    const CALLS: usize = 2000;
    let bench = bench();
    bench
        .ledger
        .set_budget(&credit(), budget(5000.0, Period::Day), at(MORNING))
        .unwrap();
    bench
        .ledger
        .set_budget(&acme(), budget(9000.0, Period::Month), at(MORNING))
        .unwrap();
    let start = Barrier::new(THREADS + 1);
    let call: Usage = second(at(MORNING));
    let now: Timestamp = at(MORNING);
    let verdicts: Vec<Verdict> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let meter = bench
                        .ledger
                        .version(&function("credit"), version(1))
                        .caller("acme");
                    start.wait();
                    let mut verdicts = Vec::new();
                    for _ in 0..CALLS {
                        let charge = meter.record(&call);
                        let stopped = charge.verdicts.iter().any(|verdict| {
                            verdict.kind == VerdictKind::Spent && verdict.subject == credit()
                        });
                        assert!(!stopped || meter.spent(now) == Some(credit()));
                        verdicts.extend(charge.verdicts);
                    }
                    verdicts
                })
            })
            .collect();
        start.wait();
        for _ in 0..5 {
            bench.ledger.flush().unwrap();
            bench.ledger.usage(&UsageFilter::default(), &[]).unwrap();
        }
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    let mut said: Vec<_> = verdicts
        .iter()
        .map(|verdict| (verdict.subject.clone(), verdict.kind == VerdictKind::Spent))
        .collect();
    said.sort();
    assert_eq!(
        said,
        [
            (credit(), false),
            (credit(), true),
            (acme(), false),
            (acme(), true)
        ]
    );
    let bench = bench.restart();
    let calls = (THREADS * CALLS) as u64;
    let row = &bench.ledger.usage(&UsageFilter::default(), &[]).unwrap()[0];
    assert_eq!(row.invocations, calls);
    let one = PriceTable::aws_lambda_x86().billed(&call).attos();
    let billed = Money::from_attos(one * u128::from(calls));
    assert_eq!(row.billed_usd, billed.usd());
    for status in bench.ledger.budgets(now) {
        assert_eq!(status.spent_usd, billed.usd(), "{:?}", status.subject);
    }
}
