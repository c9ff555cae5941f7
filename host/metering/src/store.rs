//! The ledger's file: rows by hour, accounts, and the sequence number by which a commit of unknown outcome is settled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hyaline_control::{FunctionName, VersionNumber};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use crate::account::Subject;
use crate::calendar::{self, HOURS_OF_A_DAY};
use crate::error::LedgerError;
use crate::spending::Spending;
use crate::totals::{FIELDS, Totals};

/// Hour since 1970, function, version, caller.
type StoredKey = (i64, &'static str, u32, &'static str);

const USAGE: TableDefinition<'_, StoredKey, [u128; FIELDS]> = TableDefinition::new("usage");

/// Kind of the subject, its name.
const ACCOUNTS: TableDefinition<'_, (u8, &str), &[u8]> = TableDefinition::new("accounts");

const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

const FORMAT: &str = "format";
const SEQUENCE: &str = "sequence";

/// The format that this code reads and writes.
const KNOWN_FORMAT: u64 = 1;

/// Bytes of the file that are kept in memory; redb's own default is a gigabyte.
const CACHE: usize = 8 << 20;

/// What usage is kept under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey {
    pub(crate) hour: i64,
    pub(crate) function: FunctionName,
    pub(crate) version: VersionNumber,
    pub(crate) caller: Box<str>,
}

/// How long usage is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days for which every hour is kept, today not counted; then the hours of a day become one row, at its midnight.
    pub hourly_days: u32,
    /// Days for which days are kept, today not counted; then they are deleted. Not less than `hourly_days` in effect.
    pub daily_days: u32,
}

impl Default for Retention {
    /// Hours for 35 days, which is a month whatever its length; days for 400, which is a year to compare with.
    fn default() -> Self {
        Retention {
            hourly_days: 35,
            daily_days: 400,
        }
    }
}

/// What pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows of hours that became part of a row of a day.
    pub merged: u64,
    /// Rows that were deleted.
    pub deleted: u64,
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) usage: BTreeMap<RowKey, Totals>,
    /// `None`: to be deleted.
    pub(crate) accounts: BTreeMap<Subject, Option<Spending>>,
}

type Opener = Box<dyn Fn() -> Result<Database, redb::Error> + Send>;

/// The file and what waits to be written to it.
///
/// After an I/O error redb refuses everything until the file is opened again, and whether the commit that failed is in
/// the file is known only then. Every commit therefore writes the next sequence number: a batch whose number is found
/// in the file was written, and is dropped instead of being added a second time.
pub(crate) struct Store {
    path: PathBuf,
    opener: Opener,
    database: Option<Database>,
    /// Of the last commit known to be in the file.
    sequence: u64,
    /// Whether `batch` may be in the file, with the next sequence number.
    uncertain: bool,
    batch: Batch,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Store {
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<(Subject, Spending)>), LedgerError> {
        let file = path.to_owned();
        let opener = move || Ok(Database::builder().set_cache_size(CACHE).create(&file)?);
        Store::open_by(path, Box::new(opener))
    }

    /// As `open`, with a file opened in another way; `path` is what errors name.
    fn open_by(
        path: &Path,
        opener: Opener,
    ) -> Result<(Self, Vec<(Subject, Spending)>), LedgerError> {
        let mut store = Store {
            path: path.to_owned(),
            opener,
            database: None,
            sequence: 0,
            uncertain: false,
            batch: Batch::default(),
        };
        store.settle()?;
        let format = store.written(|transaction| {
            let mut numbers = transaction.open_table(NUMBERS)?;
            let format = numbers.get(FORMAT)?.map(|number| number.value());
            let sequence = numbers.get(SEQUENCE)?.map_or(0, |number| number.value());
            if format.is_none() {
                numbers.insert(FORMAT, KNOWN_FORMAT)?;
                transaction.open_table(USAGE)?;
                transaction.open_table(ACCOUNTS)?;
            }
            Ok((format.unwrap_or(KNOWN_FORMAT), sequence))
        });
        let (format, sequence) = format?;
        if format != KNOWN_FORMAT {
            return Err(LedgerError::Format {
                path: store.path,
                found: format,
                known: KNOWN_FORMAT,
            });
        }
        store.sequence = sequence;
        let accounts = store.accounts()?;
        Ok((store, accounts))
    }

    /// What waits to be written, once it is known what was. Opens the file again if it has to.
    pub(crate) fn batch(&mut self) -> Result<&mut Batch, LedgerError> {
        self.settle()?;
        Ok(&mut self.batch)
    }

    /// Writes what waits. After an error it still waits.
    pub(crate) fn commit(&mut self) -> Result<(), LedgerError> {
        self.settle()?;
        if self.batch.usage.is_empty() && self.batch.accounts.is_empty() {
            return Ok(());
        }
        let next = self.sequence + 1;
        let batch = std::mem::take(&mut self.batch);
        let outcome = self.written(|transaction| {
            write_batch(transaction, &batch)?;
            transaction.open_table(NUMBERS)?.insert(SEQUENCE, next)?;
            Ok(())
        });
        match outcome {
            Ok(()) => self.sequence = next,
            Err(_) => {
                self.batch = batch;
                self.uncertain = true;
            }
        }
        outcome
    }

    /// Hands over every row from an hour until before another: of the file first, then what waits.
    pub(crate) fn scan(
        &mut self,
        from: Option<i64>,
        to: Option<i64>,
        mut take: impl FnMut(i64, &str, u32, &str, &Totals),
    ) -> Result<(), LedgerError> {
        let (from, to) = (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
        if from >= to {
            return Ok(());
        }
        self.settle()?;
        self.read(|database| {
            let usage = database.begin_read()?.open_table(USAGE)?;
            for row in usage.range((from, "", 0, "")..(to, "", 0, ""))? {
                let (key, numbers) = row?;
                let (hour, function, version, caller) = key.value();
                let totals = Totals::from_numbers(numbers.value());
                take(hour, function, version, caller, &totals);
            }
            Ok(())
        })?;
        for (key, totals) in &self.batch.usage {
            if (from..to).contains(&key.hour) {
                let (function, version) = (key.function.as_str(), key.version.get());
                take(key.hour, function, version, &key.caller, totals);
            }
        }
        Ok(())
    }

    /// Merges the hours of one day before `hourly_before` into a row at its midnight, beginning at the first day that
    /// has some from `cursor` on. Returns how many, and where to go on; `None` at the end.
    pub(crate) fn merge_a_day(
        &mut self,
        cursor: i64,
        hourly_before: i64,
    ) -> Result<Option<(u64, i64)>, LedgerError> {
        self.settle()?;
        let before = (hourly_before, "", 0, "");
        let first = self.read(|database| {
            let usage = database.begin_read()?.open_table(USAGE)?;
            let first = usage
                .range((cursor, "", 0, "")..before)?
                .next()
                .transpose()?;
            Ok(first.map(|(key, _)| key.value().0))
        })?;
        let Some(first) = first else {
            return Ok(None);
        };
        let midnight = first - first.rem_euclid(HOURS_OF_A_DAY);
        let end = midnight + HOURS_OF_A_DAY;
        let hours = (midnight + 1, "", 0, "")..(end, "", 0, "");
        let is_merged = self.read(|database| {
            let usage = database.begin_read()?.open_table(USAGE)?;
            Ok(usage.range(hours.clone())?.next().transpose()?.is_none())
        })?;
        if is_merged {
            return Ok(Some((0, end)));
        }
        let merged = self.written(|transaction| {
            let mut usage = transaction.open_table(USAGE)?;
            let mut days: BTreeMap<(String, u32, String), Totals> = BTreeMap::new();
            let mut merged = 0;
            for row in usage.extract_from_if(hours.clone(), |_, _| true)? {
                let (key, numbers) = row?;
                let (_, function, version, caller) = key.value();
                *days
                    .entry((function.to_owned(), version, caller.to_owned()))
                    .or_default() += &Totals::from_numbers(numbers.value());
                merged += 1;
            }
            for ((function, version, caller), totals) in &days {
                add(&mut usage, (midnight, function, *version, caller), totals)?;
            }
            Ok(merged)
        })?;
        Ok(Some((merged, end)))
    }

    /// Deletes all rows before an hour; returns how many.
    pub(crate) fn delete_before(&mut self, hour: i64) -> Result<u64, LedgerError> {
        self.settle()?;
        let before = ..(hour, "", 0, "");
        let is_empty = self.read(|database| {
            let usage = database.begin_read()?.open_table(USAGE)?;
            Ok(usage.range(before)?.next().transpose()?.is_none())
        })?;
        if is_empty {
            return Ok(0);
        }
        self.written(|transaction| {
            let mut usage = transaction.open_table(USAGE)?;
            let mut deleted = 0;
            for row in usage.extract_from_if(before, |_, _| true)? {
                row?;
                deleted += 1;
            }
            Ok(deleted)
        })
    }

    fn accounts(&mut self) -> Result<Vec<(Subject, Spending)>, LedgerError> {
        let stored = self.read(|database| {
            let mut stored = Vec::new();
            for row in database.begin_read()?.open_table(ACCOUNTS)?.iter()? {
                let (key, books) = row?;
                let (kind, name) = key.value();
                stored.push((kind, name.to_owned(), books.value().to_vec()));
            }
            Ok(stored)
        })?;
        let read = |(kind, name, books): (u8, String, Vec<u8>)| {
            let damaged = |reason: String| LedgerError::Damaged {
                path: self.path.clone(),
                what: format!("the account `{name}` of kind {kind}: {reason}"),
            };
            let subject = match kind {
                0 => Subject::Function(
                    FunctionName::new(&name).map_err(|error| damaged(error.to_string()))?,
                ),
                1 => Subject::Caller(name.as_str().into()),
                _ => return Err(damaged("there is no such kind".into())),
            };
            let books = serde_json::from_slice(&books).map_err(|e| damaged(e.to_string()))?;
            Ok((subject, books))
        };
        stored.into_iter().map(read).collect()
    }

    /// Opens the file if it is not open, and finds out whether the last batch is in it.
    fn settle(&mut self) -> Result<(), LedgerError> {
        if self.database.is_none() {
            let opened = (self.opener)().map_err(|source| LedgerError::Open {
                path: self.path.clone(),
                source: Box::new(source),
            })?;
            self.database = Some(opened);
        }
        if self.uncertain {
            let found = self.read(|database| {
                let numbers = database.begin_read()?.open_table(NUMBERS)?;
                Ok(numbers.get(SEQUENCE)?.map_or(0, |number| number.value()))
            })?;
            if found > self.sequence {
                self.batch = Batch::default();
                self.sequence = found;
            }
            self.uncertain = false;
        }
        Ok(())
    }

    fn read<T>(
        &mut self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, LedgerError> {
        let outcome = self
            .database
            .as_ref()
            .map_or(Err(redb::Error::PreviousIo), work);
        outcome.map_err(|source| {
            self.database = None;
            LedgerError::Read {
                path: self.path.clone(),
                source: Box::new(source),
            }
        })
    }

    fn written<T>(
        &mut self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, LedgerError> {
        let write = |database: &Database| {
            let mut transaction = database.begin_write()?;
            // A host that was killed starts without reading the whole file.
            transaction.set_quick_repair(true);
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        let outcome = self
            .database
            .as_ref()
            .map_or(Err(redb::Error::PreviousIo), write);
        outcome.map_err(|source| {
            self.database = None;
            LedgerError::Write {
                path: self.path.clone(),
                source: Box::new(source),
            }
        })
    }
}

fn write_batch(transaction: &WriteTransaction, batch: &Batch) -> Result<(), redb::Error> {
    let mut usage = transaction.open_table(USAGE)?;
    for (key, totals) in &batch.usage {
        let (function, version) = (key.function.as_str(), key.version.get());
        add(
            &mut usage,
            (key.hour, function, version, &key.caller),
            totals,
        )?;
    }
    let mut accounts = transaction.open_table(ACCOUNTS)?;
    for (subject, spending) in &batch.accounts {
        let kind = match subject {
            Subject::Function(_) => 0,
            Subject::Caller(_) => 1,
        };
        let key = (kind, subject.name());
        match spending {
            Some(spending) => {
                let books = serde_json::to_vec(spending)
                    .map_err(|error| redb::Error::Io(std::io::Error::other(error)))?;
                accounts.insert(key, books.as_slice())?;
            }
            None => {
                accounts.remove(key)?;
            }
        }
    }
    Ok(())
}

fn add(
    usage: &mut redb::Table<'_, StoredKey, [u128; FIELDS]>,
    key: (i64, &str, u32, &str),
    more: &Totals,
) -> Result<(), redb::Error> {
    let stored = usage.get(key)?.map(|numbers| numbers.value());
    let mut totals = stored.map_or_else(Totals::default, Totals::from_numbers);
    totals += more;
    usage.insert(key, totals.to_numbers())?;
    Ok(())
}

/// The first hour that is kept as an hour, and the first that is kept at all.
pub(crate) fn kept_from(now: i64, retention: Retention) -> (i64, i64) {
    let midnight = |days: u32| {
        calendar::day(now)
            .saturating_sub(i64::from(days))
            .saturating_mul(HOURS_OF_A_DAY)
    };
    let hourly = midnight(retention.hourly_days);
    (hourly, midnight(retention.daily_days).min(hourly))
}

#[cfg(test)]
mod tests;
