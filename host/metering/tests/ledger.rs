//! The ledger: sums, groups, filters, restarts, pruning.

mod common;

use std::path::Path;
use std::time::Duration;

use common::{at, function, second, version};
use hyaline_control::{UsageFilter, UsageGroup, UsageRow};
use hyaline_metering::{
    Ledger, LedgerError, Money, Outcome, PriceTable, Pruned, Record, Retention, Start, Usage, csv,
};

const GROUPS: [UsageGroup; 4] = [
    UsageGroup::Function,
    UsageGroup::Version,
    UsageGroup::Caller,
    UsageGroup::Hour,
];

fn open(path: &Path) -> Ledger {
    Ledger::open(path, PriceTable::aws_lambda_x86()).unwrap()
}

fn total(ledger: &Ledger) -> UsageRow {
    let rows = ledger.usage(&UsageFilter::default(), &[]).unwrap();
    assert_eq!(rows.len(), 1);
    rows.into_iter().next().unwrap()
}

/// Numbers that look random and are the same in every run (xorshift64*, Vigna 2016, doi:10.1145/2845077).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn drawn(draw: &mut Draw) -> Usage {
    let begun = at("2026-11-20T00:00:00Z").as_second() + draw.below(5 * 86400) as i64;
    Usage {
        begun: jiff::Timestamp::new(begun, draw.below(1_000_000_000) as i32).unwrap(),
        wall: Duration::from_nanos(draw.below(3_000_000_000)),
        cpu: Duration::from_nanos(draw.below(3_000_000_000)),
        peak_memory: draw.below(1 << 30),
        memory_limit: 1 << 30,
        bytes_in: draw.below(10_000),
        bytes_out: draw.below(10_000),
        fuel: (draw.below(2) == 0).then(|| draw.below(1 << 40)),
        start: match draw.below(5) {
            0 => Start::Cold {
                init: Duration::from_nanos(draw.below(10_000_000)),
            },
            _ => Start::Warm,
        },
        outcome: match draw.below(9) {
            0 => Outcome::Failed {
                kind: "deadline".into(),
            },
            1 => Outcome::Abandoned,
            _ => Outcome::Answered { status: Some(200) },
        },
    }
}

/// Sums of the calls themselves, in 128 bits.
#[derive(Default)]
struct Expected {
    calls: u64,
    failures: u64,
    cold: u64,
    wall_ns: u128,
    cpu_ns: u128,
    byte_ns: u128,
    bytes: u64,
    fuel: u64,
    exact: u128,
    billed: u128,
}

impl Expected {
    fn add(&mut self, usage: &Usage, exact: Money, billed: Money) {
        self.calls += 1;
        self.failures += u64::from(!matches!(usage.outcome, Outcome::Answered { .. }));
        self.cold += u64::from(matches!(usage.start, Start::Cold { .. }));
        self.wall_ns += usage.wall.as_nanos();
        self.cpu_ns += usage.cpu.as_nanos();
        self.byte_ns += usage.wall.as_nanos() * u128::from(usage.peak_memory);
        self.bytes += usage.bytes_in + usage.bytes_out;
        self.fuel += usage.fuel.unwrap_or(0);
        self.exact += exact.attos();
        self.billed += billed.attos();
    }

    fn check(&self, row: &UsageRow) {
        assert_eq!(row.invocations, self.calls);
        assert_eq!(row.failures, self.failures);
        assert_eq!(row.cold_starts, self.cold);
        assert_eq!(u128::from(row.wall_us), self.wall_ns / 1000);
        assert_eq!(u128::from(row.cpu_us), self.cpu_ns / 1000);
        assert_eq!(row.gb_seconds, self.byte_ns as f64 / 1e18);
        assert_eq!(row.bytes_in + row.bytes_out, self.bytes);
        assert_eq!(row.fuel, self.fuel);
        assert_eq!(row.exact_usd, Money::from_attos(self.exact).usd());
        assert_eq!(row.billed_usd, Money::from_attos(self.billed).usd());
    }
}

#[test]
fn prop_sums_are_the_same_by_any_grouping_flushed_or_not_restarted_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    let mut ledger = open(&path);
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    let names = ["credit", "fraud", "churn"].map(function);
    let callers = ["", "acme", "globex"];
    let mut expected = Expected::default();
    for round in 0..8 {
        for _ in 0..250 {
            let usage = drawn(&mut draw);
            let charge = ledger.record(&Record {
                function: &names[draw.below(3) as usize],
                version: version(1 + draw.below(2) as u32),
                caller: callers[draw.below(3) as usize],
                usage: usage.clone(),
            });
            assert!(charge.verdicts.is_empty());
            expected.add(&usage, charge.exact, charge.billed);
        }
        match round {
            1 | 4 => ledger.flush().unwrap(),
            2 | 6 => {
                ledger.flush().unwrap();
                drop(ledger);
                ledger = open(&path);
            }
            _ => {}
        }
        expected.check(&total(&ledger));
        for subset in 0..16_usize {
            let groups: Vec<UsageGroup> = (0..4)
                .filter(|bit| subset >> bit & 1 == 1)
                .map(|bit| GROUPS[bit])
                .collect();
            let rows = ledger.usage(&UsageFilter::default(), &groups).unwrap();
            let sum = |figure: fn(&UsageRow) -> u64| rows.iter().map(figure).sum::<u64>();
            assert_eq!(sum(|row| row.invocations), expected.calls, "{groups:?}");
            assert_eq!(sum(|row| row.failures), expected.failures);
            assert_eq!(sum(|row| row.bytes_in + row.bytes_out), expected.bytes);
            assert_eq!(sum(|row| row.fuel), expected.fuel);
            let billed: f64 = rows.iter().map(|row| row.billed_usd).sum();
            let whole = Money::from_attos(expected.billed).usd();
            assert!((billed / whole - 1.0).abs() < 1e-12, "{billed} {whole}");
        }
    }
    let rows = ledger.usage(&UsageFilter::default(), &GROUPS).unwrap();
    assert!(rows.len() > 1000, "{}", rows.len());
    assert!(rows.is_sorted_by_key(|row| (
        row.function.clone(),
        row.version,
        row.caller.clone(),
        row.hour
    )));
}

#[test]
fn a_filter_names_hours_a_function_and_a_caller() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&folder.path().join("usage.redb"));
    let (credit, fraud) = (function("credit"), function("fraud"));
    for (name, caller, begun) in [
        (&credit, "", "2026-11-27T09:59:59.999Z"),
        (&credit, "acme", "2026-11-27T10:00:00Z"),
        (&fraud, "acme", "2026-11-27T10:59:59.999Z"),
        (&fraud, "", "2026-11-27T11:00:00Z"),
    ] {
        ledger
            .version(name, version(1))
            .caller(caller)
            .record(&second(at(begun)));
    }
    let count = |filter: UsageFilter| ledger.usage(&filter, &[]).unwrap()[0].invocations;
    for flushed in [false, true] {
        if flushed {
            ledger.flush().unwrap();
        }
        let between = |from: &str, to: &str| UsageFilter {
            from: Some(at(from)),
            to: Some(at(to)),
            ..UsageFilter::default()
        };
        assert_eq!(count(UsageFilter::default()), 4);
        assert_eq!(
            count(between("2026-11-27T10:30:00Z", "2026-11-27T11:00:00Z")),
            2
        );
        assert_eq!(
            count(between(
                "2026-11-27T10:30:00Z",
                "2026-11-27T11:00:00.000000001Z"
            )),
            3
        );
        assert_eq!(
            count(between("2026-11-27T11:00:00Z", "2026-11-27T10:00:00Z")),
            0
        );
        let filter = UsageFilter {
            function: Some(credit.clone()),
            ..UsageFilter::default()
        };
        assert_eq!(count(filter), 2);
        let filter = UsageFilter {
            caller: Some(String::new()),
            ..UsageFilter::default()
        };
        assert_eq!(
            count(filter),
            2,
            "the empty caller is nobody, not everybody"
        );
        let filter = UsageFilter {
            function: Some(fraud.clone()),
            caller: Some("acme".into()),
            ..between("2026-11-27T10:00:00Z", "2026-11-27T11:00:00Z")
        };
        assert_eq!(count(filter), 1);
        let rows = ledger
            .usage(&UsageFilter::default(), &[UsageGroup::Hour])
            .unwrap();
        let hours: Vec<_> = rows
            .iter()
            .map(|row| row.hour.unwrap().to_string())
            .collect();
        let expected = [
            "2026-11-27T09:00:00Z",
            "2026-11-27T10:00:00Z",
            "2026-11-27T11:00:00Z",
        ];
        assert_eq!(hours, expected);
    }
    let none = UsageFilter {
        function: Some(function("nobody")),
        ..UsageFilter::default()
    };
    assert_eq!(ledger.usage(&none, &[UsageGroup::Caller]).unwrap(), []);
    assert_eq!(ledger.usage(&none, &[]).unwrap(), [UsageRow::default()]);
}

#[test]
fn csv_is_what_rfc_4180_says() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&folder.path().join("usage.redb"));
    let meter = ledger.version(&function("credit"), version(7));
    meter
        .caller("Smith, \"Jo\"\r\n")
        .record(&second(at("2026-11-27T09:59:59Z")));
    meter.caller("").record(&second(at("2026-11-27T10:00:00Z")));
    let groups = [UsageGroup::Caller, UsageGroup::Version, UsageGroup::Hour];
    let rows = ledger.usage(&UsageFilter::default(), &groups).unwrap();
    let figures = "1,0,0,1000000,900000,0.067108864,100,200,0,0.00000104166875,0.0000022833375";
    assert_eq!(
        csv(&rows, &groups),
        format!(
            "function,version,caller,hour,invocations,failures,cold_starts,wall_us,cpu_us,gb_seconds,bytes_in,bytes_out,fuel,exact_usd,billed_usd\r\n\
             credit,7,,2026-11-27T10:00:00Z,{figures}\r\n\
             credit,7,\"Smith, \"\"Jo\"\"\r\n\",2026-11-27T09:00:00Z,{figures}\r\n"
        )
    );
    assert_eq!(
        csv(&[], &[]),
        "invocations,failures,cold_starts,wall_us,cpu_us,gb_seconds,bytes_in,bytes_out,fuel,exact_usd,billed_usd\r\n"
    );
    let members = serde_json::to_value(&rows[0]).unwrap();
    for column in csv(&[], &groups).trim_end().split(',') {
        assert!(members.get(column).is_some(), "{column}");
    }
}

#[test]
fn a_crash_loses_what_came_after_the_last_flush_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    let copy = folder.path().join("copy.redb");
    let ledger = open(&path);
    let meter = ledger
        .version(&function("credit"), version(1))
        .caller("acme");
    for _ in 0..3 {
        meter.record(&second(at("2026-11-27T09:00:00Z")));
    }
    ledger.flush().unwrap();
    meter.record(&second(at("2026-11-27T09:00:00Z")));
    // What a killed process leaves is the file as it is while the process runs.
    std::fs::copy(&path, &copy).unwrap();
    assert_eq!(total(&open(&copy)).invocations, 3);
    assert_eq!(total(&ledger).invocations, 4);
}

#[test]
fn a_second_host_on_the_same_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    let _first = open(&path);
    let refused = Ledger::open(&path, PriceTable::per_microsecond()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("cannot open the ledger `{}`", path.display())
    );
    let LedgerError::Open { source, .. } = refused else {
        panic!("{refused:?}")
    };
    assert!(
        matches!(*source, redb::Error::DatabaseAlreadyOpen),
        "{source:?}"
    );
}

#[test]
fn a_file_that_is_no_ledger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    std::fs::write(&path, "this is not a database").unwrap();
    let refused = Ledger::open(&path, PriceTable::per_microsecond()).unwrap_err();
    assert!(matches!(refused, LedgerError::Open { .. }), "{refused:?}");
}

#[test]
fn pruning_turns_old_hours_into_days_and_deletes_old_days() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    let ledger = open(&path);
    let credit = ledger.version(&function("credit"), version(1));
    for begun in [
        "2025-01-01T12:00:00Z", // deleted
        "2026-10-01T00:30:00Z", // its day has three hours
        "2026-10-01T01:30:00Z",
        "2026-10-01T23:59:59Z",
        "2026-10-03T05:00:00Z", // its day has one
        "2026-11-26T08:00:00Z", // recent
    ] {
        for caller in ["", "acme"] {
            credit.caller(caller).record(&second(at(begun)));
        }
    }
    ledger.flush().unwrap();
    let now = at("2026-11-27T09:00:00Z");
    let pruned = ledger.prune(now, Retention::default()).unwrap();
    assert_eq!(
        pruned,
        Pruned {
            merged: 6,
            deleted: 2
        }
    );
    assert_eq!(
        ledger.prune(now, Retention::default()).unwrap(),
        Pruned::default()
    );
    // A call that is written down late joins its day by the next pruning.
    credit
        .caller("")
        .record(&second(at("2026-10-01T07:00:00Z")));
    ledger.flush().unwrap();
    let pruned = ledger.prune(now, Retention::default()).unwrap();
    assert_eq!(
        pruned,
        Pruned {
            merged: 1,
            deleted: 0
        }
    );
    drop((ledger, credit));
    let ledger = open(&path);
    let groups = [UsageGroup::Caller, UsageGroup::Hour];
    let rows = ledger.usage(&UsageFilter::default(), &groups).unwrap();
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.caller.clone().unwrap(),
                row.hour.unwrap().to_string(),
                row.invocations,
            )
        })
        .collect();
    let row = |caller: &str, hour: &str, calls| (caller.to_owned(), hour.to_owned(), calls);
    assert_eq!(
        found,
        [
            row("", "2026-10-01T00:00:00Z", 4),
            row("", "2026-10-03T00:00:00Z", 1),
            row("", "2026-11-26T08:00:00Z", 1),
            row("acme", "2026-10-01T00:00:00Z", 3),
            row("acme", "2026-10-03T00:00:00Z", 1),
            row("acme", "2026-11-26T08:00:00Z", 1),
        ]
    );
}

#[test]
fn prices_that_change_do_not_change_what_earlier_calls_cost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    let call = second(at("2026-11-27T09:00:00Z"));
    let ledger = open(&path);
    ledger
        .version(&function("credit"), version(1))
        .caller("")
        .record(&call);
    ledger.flush().unwrap();
    drop(ledger);
    let ledger = Ledger::open(&path, PriceTable::per_microsecond()).unwrap();
    ledger
        .version(&function("credit"), version(1))
        .caller("")
        .record(&call);
    let both =
        PriceTable::aws_lambda_x86().billed(&call) + PriceTable::per_microsecond().billed(&call);
    assert_eq!(total(&ledger).billed_usd, both.usd());
}

#[test]
fn times_at_the_ends_of_the_calendar_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&folder.path().join("usage.redb"));
    let meter = ledger
        .version(&function("credit"), version(1))
        .caller("acme");
    for begun in [
        jiff::Timestamp::MIN,
        jiff::Timestamp::MAX,
        jiff::Timestamp::UNIX_EPOCH,
    ] {
        meter.record(&second(begun));
    }
    ledger.flush().unwrap();
    let rows = ledger
        .usage(&UsageFilter::default(), &[UsageGroup::Hour])
        .unwrap();
    assert_eq!(rows.len(), 3);
    ledger
        .prune(jiff::Timestamp::MAX, Retention::default())
        .unwrap();
    assert_eq!(total(&ledger).invocations, 1);
    ledger
        .prune(jiff::Timestamp::MIN, Retention::default())
        .unwrap();
    assert_eq!(total(&ledger).invocations, 1);
}
