//! Commits whose outcome is unknown: a disk that fails at any one operation, before or after doing it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::*;
use crate::account::VerdictKind;
use crate::budget::Allowance;
use crate::money::Money;

/// A disk that fails once.
#[derive(Clone, Debug)]
struct Fault {
    /// Operations until it fails; negative once it did.
    countdown: Arc<AtomicI64>,
    /// Whether the operation is done all the same.
    done: bool,
}

#[derive(Debug)]
struct FailingDisk {
    file: FileBackend,
    fault: Fault,
}

impl FailingDisk {
    fn change(&self, operation: impl FnOnce(&FileBackend) -> io::Result<()>) -> io::Result<()> {
        if self.fault.countdown.fetch_sub(1, Ordering::Relaxed) != 0 {
            return operation(&self.file);
        }
        if self.fault.done {
            operation(&self.file)?;
        }
        Err(io::ErrorKind::StorageFull.into())
    }
}

impl StorageBackend for FailingDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|file| file.set_len(len))
    }
    fn sync_data(&self) -> io::Result<()> {
        self.change(|file| file.sync_data())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|file| file.write(offset, data))
    }
}

fn file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn open(path: &Path, fault: &Fault) -> Store {
    let (path, fault) = (path.to_owned(), fault.clone());
    let name = path.clone();
    let opener = move || {
        let disk = FailingDisk {
            file: FileBackend::new(file(&path)?)?,
            fault: fault.clone(),
        };
        Ok(Database::builder().create_with_backend(disk)?)
    };
    Store::open_by(&name, Box::new(opener)).unwrap().0
}

fn key(hour: i64) -> RowKey {
    RowKey {
        hour,
        function: FunctionName::new("credit").unwrap(),
        version: VersionNumber::FIRST,
        caller: "acme".into(),
    }
}

fn wait(store: &mut Store, hour: i64, calls: u128) {
    let more = Totals {
        invocations: calls,
        ..Totals::default()
    };
    *store.batch().unwrap().usage.entry(key(hour)).or_default() += &more;
}

fn calls(store: &mut Store) -> u128 {
    let mut calls = 0;
    store
        .scan(None, None, |_, _, _, _, totals| calls += totals.invocations)
        .unwrap();
    calls
}

/// Commits 1 + 10 + 100 calls, the disk failing at the given operation of the second commit. Whether it failed at all.
fn survives(operation: i64, done: bool) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    let fault = Fault {
        countdown: Arc::new(AtomicI64::new(-1)),
        done,
    };
    let mut store = open(&path, &fault);
    wait(&mut store, 0, 1);
    store.commit().unwrap();

    wait(&mut store, 0, 10);
    fault.countdown.store(operation, Ordering::Relaxed);
    let failed = store.commit().is_err();
    assert_eq!(
        fault.countdown.load(Ordering::Relaxed) < 0,
        failed || operation < 0
    );
    fault.countdown.store(-1, Ordering::Relaxed);
    let context = format!("operation {operation}, done: {done}");
    assert_eq!(calls(&mut store), 11, "{context}: before the next commit");
    wait(&mut store, 1, 100);
    store.commit().unwrap();
    assert_eq!(calls(&mut store), 111, "{context}: after it");
    drop(store);
    assert_eq!(
        calls(&mut open(&path, &fault)),
        111,
        "{context}: in the file"
    );
    failed
}

#[test]
fn a_commit_that_failed_is_counted_once_wherever_it_failed() {
    for done in [false, true] {
        let failing = (0..200)
            .take_while(|operation| survives(*operation, done))
            .count();
        assert!(
            (5..200).contains(&failing),
            "a commit has {failing} operations"
        );
    }
}

#[test]
fn a_day_that_could_not_be_merged_is_merged_the_next_time() {
    for operation in 0..200 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usage.redb");
        let fault = Fault {
            countdown: Arc::new(AtomicI64::new(-1)),
            done: operation % 2 == 0,
        };
        let mut store = open(&path, &fault);
        for hour in 0..24 {
            wait(&mut store, hour, 1 << hour);
        }
        store.commit().unwrap();
        wait(&mut store, 5, 1 << 24);
        fault.countdown.store(operation, Ordering::Relaxed);
        let failed = store.merge_a_day(0, 24).is_err();
        fault.countdown.store(-1, Ordering::Relaxed);
        assert_eq!(calls(&mut store), (1 << 25) - 1, "operation {operation}");
        store.merge_a_day(0, 24).unwrap();
        store.commit().unwrap();
        assert_eq!(calls(&mut store), (1 << 25) - 1, "operation {operation}");
        if !failed {
            assert!(operation > 5, "merging has {operation} operations");
            return;
        }
    }
    panic!("merging never succeeds");
}

#[test]
fn a_file_of_a_later_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    drop(Store::open(&path).unwrap());
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(NUMBERS)
        .unwrap()
        .insert(FORMAT, 2)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_eq!(
        Store::open(&path).unwrap_err().to_string(),
        format!(
            "the ledger `{}` has format 2, and this host reads format 1: use the Hyaline that wrote it, or a later one",
            path.display()
        )
    );
}

#[test]
fn accounts_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.redb");
    let (mut store, none) = Store::open(&path).unwrap();
    assert!(none.is_empty());
    let budget = hyaline_control::Budget {
        usd: 0.1,
        period: hyaline_control::Period::Month,
        warn_at: 0.3,
    };
    let mut spending = Spending::default();
    spending.set(Some(Allowance::new(budget).unwrap()), 1_800_000_000);
    // Amounts need more than 64 bits, and more than the 53 of a float.
    let amount = Money::from_attos(123_456_789_012_345_678_901_234_567);
    let reached = spending.charge(amount, 1_800_000_000);
    assert_eq!(
        reached,
        [Some(VerdictKind::Warning), Some(VerdictKind::Spent)]
    );
    let subject = Subject::Caller("Müller\0, \"Jo\"".into());
    let accounts = &mut store.batch().unwrap().accounts;
    accounts.insert(subject.clone(), Some(spending.clone()));
    let gone = Subject::Function(FunctionName::new("credit").unwrap());
    accounts.insert(gone.clone(), Some(Spending::default()));
    store.commit().unwrap();
    store.batch().unwrap().accounts.insert(gone, None);
    store.commit().unwrap();
    drop(store);
    assert_eq!(Store::open(&path).unwrap().1, [(subject, spending)]);
}
