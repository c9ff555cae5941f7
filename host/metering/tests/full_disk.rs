//! A disk that is full for a while: calls go on being counted, and are written once when there is room.
//!
//! The process that counts has a limit on the size of its files, which its parent lifts.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{at, function, second, version};
use hyaline_control::{Budget, Period, UsageFilter};
use hyaline_metering::{Ledger, LedgerError, PriceTable, Subject};

/// Names the ledger to the process that counts.
const LEDGER: &str = "HYALINE_TEST_LEDGER";

#[test]
fn a_full_disk_loses_and_doubles_nothing() {
    if let Some(path) = std::env::var_os(LEDGER) {
        return count(Path::new(&path));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    // The shell ignores the signal that would end the process at the limit (in blocks of 512 bytes) and hands that on.
    let script = "trap '' XFSZ; ulimit -S -f 4096; exec \"$0\" --exact a_full_disk_loses_and_doubles_nothing --nocapture";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(LEDGER, &path)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut report = String::new();
    while !report.ends_with("full\n") {
        assert_ne!(said.read_line(&mut report).unwrap(), 0, "{report}");
    }
    let lifted = Command::new("prlimit")
        .args(["--pid", &child.id().to_string(), "--fsize=unlimited:"])
        .status()
        .expect("this test needs `prlimit`, which is in Debian's util-linux");
    assert!(lifted.success());
    writeln!(child.stdin.take().unwrap(), "room").unwrap();
    said.read_to_string(&mut report).unwrap();
    assert!(child.wait().unwrap().success(), "{report}");

    let counted: u64 = report
        .lines()
        .find_map(|line| line.strip_prefix("counted ")?.parse().ok())
        .unwrap();
    let ledger = Ledger::open(&path, PriceTable::aws_lambda_x86()).unwrap();
    let row = &ledger.usage(&UsageFilter::default(), &[]).unwrap()[0];
    assert_eq!(row.invocations, counted);
    let subject = Subject::Function(function("credit"));
    let status = ledger.budget(&subject, at("2026-11-27T09:00:00Z")).unwrap();
    assert_eq!(status.spent_usd, row.billed_usd);
}

/// Counts calls of ever new callers until the disk is full, goes on counting, waits for room, and counts some more.
fn count(path: &Path) {
    let ledger = Ledger::open(path, PriceTable::aws_lambda_x86()).unwrap();
    let now = at("2026-11-27T09:00:00Z");
    let budget = Budget {
        usd: 1e6,
        period: Period::Total,
        warn_at: 1.0,
    };
    let subject = Subject::Function(function("credit"));
    ledger.set_budget(&subject, Some(budget), now).unwrap();
    let meter = ledger.version(&function("credit"), version(1));
    let mut counted = 0_u64;
    let mut calls = |round: usize| {
        for caller in 0..500 {
            meter
                .caller(&format!("caller-{round}-{caller}"))
                .record(&second(now));
            counted += 1;
        }
    };
    let mut rounds = 0..;
    let refused = loop {
        calls(rounds.next().unwrap());
        if let Err(refused) = ledger.flush() {
            break refused;
        }
    };
    assert!(
        rounds.start > 3,
        "the disk was full after {} rounds",
        rounds.start
    );
    assert!(matches!(refused, LedgerError::Write { .. }), "{refused:?}");
    for round in rounds.by_ref().take(3) {
        calls(round);
        assert!(ledger.flush().is_err());
    }
    eprintln!("full");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    ledger.flush().unwrap();
    calls(rounds.next().unwrap());
    ledger.flush().unwrap();
    eprintln!("counted {counted}");
}
