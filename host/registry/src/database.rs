//! The database file: reads a catalog from it, and writes to it what one catalog has and the one before had not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use hyaline_control::FunctionName;
use redb::ReadableDatabase as _;

use crate::catalog::Catalog;
use crate::directory::{Directory, owners_file, sync_folder};
use crate::error::{Cause, OpenError};
use crate::load::{Unreadable, load};
use crate::record::{
    self, ALIASES, FORMAT, FUNCTIONS, META, META_FORMAT, META_GENERATION, SUMMARIES, VERSIONS,
};

/// Bytes of the file that are kept in memory. The catalog answers the questions, so this serves only writing.
const CACHE: usize = 1 << 20;

/// The open database.
pub(crate) struct Database {
    file: redb::Database,
}

/// A transaction that did not end well. The database must be opened anew.
pub(crate) struct WriteFailure {
    /// Whether the transaction may be in the file all the same.
    pub may_be_there: bool,
    pub kind: Option<io::ErrorKind>,
    pub source: Cause,
}

impl Database {
    /// Opens the database of the directory, or makes one when there is none, and reads it.
    pub fn open_or_make(directory: &Directory) -> Result<(Self, Catalog), OpenError> {
        let path = directory.database();
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => make(directory, &path)?,
            Err(source) => return Err(OpenError::Access { path, source }),
        }
        Self::open(directory)
    }

    /// Opens the database of the directory and reads it.
    ///
    /// The file is checked from end to end, so that one which was altered outside is refused rather than believed.
    pub fn open(directory: &Directory) -> Result<(Self, Catalog), OpenError> {
        let path = directory.database();
        // Every database this program made has content; to redb, an empty file is a new database.
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0) {
            return Err(OpenError::Damaged {
                path,
                reason: "the file is empty".into(),
            });
        }
        let file = redb::Builder::new()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(true)
            .open(&path)
            .map_err(|error| not_open(&path, error.into()))?;
        let read = file
            .begin_read()
            .map_err(|error| Unreadable::Database(error.into()))
            .and_then(|transaction| load(&transaction));
        match read {
            Ok(catalog) => Ok((Database { file }, catalog)),
            Err(Unreadable::Newer(found)) => Err(OpenError::Newer {
                path,
                found,
                known: FORMAT,
            }),
            Err(Unreadable::Wrong(reason)) => Err(OpenError::Damaged { path, reason }),
            Err(Unreadable::Database(error)) => Err(not_open(&path, error)),
        }
    }

    /// Makes the functions named in the file what they are in `after`, when they are what they are in `before`. One
    /// transaction, durable when this returns. O(records of those functions).
    pub fn write(
        &self,
        before: &Catalog,
        after: &Catalog,
        changed: &BTreeSet<FunctionName>,
    ) -> Result<(), WriteFailure> {
        let failed = |error: Box<redb::Error>| WriteFailure {
            may_be_there: false,
            kind: io_kind(&error),
            source: Arc::new(*error),
        };
        let transaction = self
            .file
            .begin_write()
            .map_err(|error| failed(Box::new(error.into())))?;
        record_changes(&transaction, before, after, changed).map_err(|error| match error {
            Unwritable::Database(error) => failed(error),
            Unwritable::Json(error) => WriteFailure {
                may_be_there: false,
                kind: None,
                source: Arc::new(error),
            },
        })?;
        transaction.commit().map_err(|error| WriteFailure {
            may_be_there: true,
            ..failed(Box::new(error.into()))
        })
    }
}

enum Unwritable {
    Database(Box<redb::Error>),
    Json(serde_json::Error),
}

impl<E: Into<redb::Error>> From<E> for Unwritable {
    fn from(error: E) -> Self {
        Unwritable::Database(Box::new(error.into()))
    }
}

fn record_changes(
    transaction: &redb::WriteTransaction,
    before: &Catalog,
    after: &Catalog,
    changed: &BTreeSet<FunctionName>,
) -> Result<(), Unwritable> {
    let json = Unwritable::Json;
    let mut functions = transaction.open_table(FUNCTIONS)?;
    let mut versions = transaction.open_table(VERSIONS)?;
    let mut summaries = transaction.open_table(SUMMARIES)?;
    let mut aliases = transaction.open_table(ALIASES)?;
    let nothing = (BTreeMap::new(), BTreeMap::new());
    for name in changed {
        let key = name.as_str();
        let (old_versions, old_aliases) = before
            .function(name)
            .map_or((&nothing.0, &nothing.1), |old| {
                (&old.versions, &old.aliases)
            });
        let new = after.function(name);
        let (new_versions, new_aliases) = new.map_or((&nothing.0, &nothing.1), |new| {
            (&new.versions, &new.aliases)
        });
        match new {
            Some(new) => functions.insert(key, &*record::function(new).map_err(json)?)?,
            None => functions.remove(key)?,
        };
        for (number, version) in new_versions {
            if !has(old_versions, number, version) {
                let key = (key, number.get());
                versions.insert(key, &*record::version(version).map_err(json)?)?;
                summaries.insert(key, &*version.summary)?;
            }
        }
        for number in old_versions.keys() {
            if !new_versions.contains_key(number) {
                versions.remove((key, number.get()))?;
                summaries.remove((key, number.get()))?;
            }
        }
        for (alias, leads) in new_aliases {
            if !has(old_aliases, alias, leads) {
                aliases.insert((key, alias.as_str()), &*record::alias(leads).map_err(json)?)?;
            }
        }
        for alias in old_aliases.keys() {
            if !new_aliases.contains_key(alias) {
                aliases.remove((key, alias.as_str()))?;
            }
        }
    }
    let mut meta = transaction.open_table(META)?;
    meta.insert(META_GENERATION, after.generation())?;
    Ok(())
}

/// Whether the map has this very value, so that it need not be written.
fn has<K: Ord, V>(map: &BTreeMap<K, Arc<V>>, key: &K, value: &Arc<V>) -> bool {
    map.get(key).is_some_and(|old| Arc::ptr_eq(old, value))
}

/// A database without functions, which appears under its name complete or not at all.
fn make(directory: &Directory, path: &Path) -> Result<(), OpenError> {
    let access = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Access { path, source }
    };
    let new = directory.partial().join("state.redb");
    owners_file(&new).map_err(access(&new))?;
    let fill = || -> Result<(), redb::Error> {
        let database = redb::Builder::new().set_cache_size(CACHE).create(&new)?;
        let transaction = database.begin_write()?;
        {
            transaction.open_table(FUNCTIONS)?;
            transaction.open_table(VERSIONS)?;
            transaction.open_table(SUMMARIES)?;
            transaction.open_table(ALIASES)?;
            let mut meta = transaction.open_table(META)?;
            meta.insert(META_FORMAT, FORMAT)?;
            meta.insert(META_GENERATION, 0)?;
        }
        transaction.commit()?;
        Ok(database.close()?)
    };
    fill().map_err(|error| not_open(&new, error))?;
    fs::rename(&new, path)
        .and_then(|()| sync_folder(directory.path()))
        .map_err(access(path))
}

fn not_open(path: &Path, error: redb::Error) -> OpenError {
    let kind = io_kind(&error);
    match error {
        redb::Error::Corrupted(reason) => OpenError::Damaged {
            path: path.into(),
            reason,
        },
        redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            OpenError::Damaged {
                path: path.into(),
                reason: error.to_string(),
            }
        }
        other => OpenError::Database {
            path: path.into(),
            kind,
            source: Arc::new(other),
        },
    }
}

fn io_kind(error: &redb::Error) -> Option<io::ErrorKind> {
    match error {
        redb::Error::Io(error) => Some(error.kind()),
        _ => None,
    }
}
