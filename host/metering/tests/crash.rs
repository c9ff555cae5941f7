//! Processes that are killed while they write.

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{at, function, second, version};
use hyaline_control::UsageFilter;
use hyaline_metering::{Ledger, PriceTable};

/// Names the ledger to the process that is killed.
const LEDGER: &str = "HYALINE_TEST_LEDGER";

/// Calls between flushes.
const STEP: u64 = 10;

#[test]
fn killed_at_any_moment_a_ledger_has_what_was_flushed_and_whole_flushes_only() {
    if let Some(path) = std::env::var_os(LEDGER) {
        return count(Path::new(&path));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    let mut before = 0;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("killed_at_any_moment_a_ledger_has_what_was_flushed_and_whole_flushes_only")
            .env(LEDGER, &path)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        let flushed = said.lines().take(1 + 3 * round).last().unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let flushed: u64 = flushed.parse().unwrap_or_else(|_| panic!("{flushed}"));
        let ledger = Ledger::open(&path, PriceTable::aws_lambda_x86()).unwrap();
        let found = ledger.usage(&UsageFilter::default(), &[]).unwrap()[0].invocations;
        assert!(
            found >= before + flushed,
            "{found} of {before} and {flushed}"
        );
        assert_eq!(found % STEP, 0, "part of a flush");
        before = found;
    }
}

fn count(path: &Path) {
    let ledger = Ledger::open(path, PriceTable::aws_lambda_x86()).unwrap();
    let meter = ledger.version(&function("credit"), version(1));
    for flushed in (STEP..).step_by(STEP as usize) {
        for caller in 0..STEP {
            meter
                .caller(&format!("caller-{caller}"))
                .record(&second(at("2026-11-27T09:00:00Z")));
        }
        ledger.flush().unwrap();
        eprintln!("{flushed}");
    }
}
