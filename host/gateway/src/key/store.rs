//! The API keys of a host: in memory for calls, in one redb file for good.
//!
//! Memory holds what was acknowledged and is what calls see. Each change is written and synced before it is
//! acknowledged. When the disk fails, the file is closed, opened again at the next change, and made equal to memory.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use hyaline_control::{ApiKey, CallerName, IssuedKey, KeyRequest, NameError};
use jiff::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use subtle::ConstantTimeEq;

use crate::key::record::{Key, Record};
use crate::key::secret::{digest, secret, shown};
use crate::limit::{QuotaError, RateError};

/// Names to [`Record`]s in JSON.
const KEYS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("keys");
/// Names and periods to the states of quota counters.
const COUNTS: TableDefinition<'_, (&str, &str), u64> = TableDefinition::new("counts");
/// What this file is: one row.
const FORMAT: TableDefinition<'_, &str, u64> = TableDefinition::new("format");
const VERSION: u64 = 1;

/// A change of the API keys that was not made, or a file of them that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is a key of that name.
    #[error(
        "there is an API key `{name}` already (made {created}); revoke it first, or choose another name"
    )]
    Exists {
        /// The name.
        name: CallerName,
        /// When that key was made.
        created: Timestamp,
    },
    /// There is no key of that name.
    #[error("there is no API key `{name}`")]
    Unknown {
        /// The name.
        name: CallerName,
    },
    /// It would never work.
    #[error("the API key `{name}` would have expired at {expires} already; it is {now}")]
    Expired {
        /// The name.
        name: CallerName,
        /// When it would expire.
        expires: Timestamp,
        /// The time of the host.
        now: Timestamp,
    },
    /// What is asked for contradicts itself.
    #[error("the API key `{name}` cannot be: {rule}")]
    Contradiction {
        /// The name.
        name: CallerName,
        /// What it contradicts.
        rule: &'static str,
    },
    /// Its rate cannot be.
    #[error(transparent)]
    Rate(#[from] RateError),
    /// Its quotas cannot be.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers for a secret")]
    Random(#[source] getrandom::Error),
    /// Another host has the file.
    #[error("`{path}` is in use by another host; a directory of state serves one host at a time")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A newer version wrote the file.
    #[error(
        "`{path}` has format {found}; this version of hyaline reads format {VERSION}, so it takes a newer one"
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// What the file holds is no key.
    #[error(
        "`{path}` is damaged: its key `{name}` cannot be read; restore the file from a backup, or move it away and issue new keys"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The name of the key.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file cannot be read or written.
    #[error("`{path}` cannot be {doing}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What was to be done with it.
        doing: &'static str,
        /// Why it cannot.
        #[source]
        source: Box<redb::Error>,
    },
    /// A key was revoked in memory only.
    #[error(
        "the API key `{name}` is revoked until the host restarts, but `{path}` cannot be written: free space or repair the \
         disk, then revoke it again"
    )]
    RevokedInMemory {
        /// The name.
        name: CallerName,
        /// The file.
        path: PathBuf,
        /// Why it cannot.
        #[source]
        source: Box<KeyError>,
    },
}

/// Hashes a number that is uniform already: the first 8 bytes of a SHA-256.
#[derive(Default)]
struct Uniform(u64);

impl Hasher for Uniform {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Keys by the first 8 bytes of their digests. No two keys share them: [`Keys::issue`] sees to it.
type Index = HashMap<u64, Arc<Key>, BuildHasherDefault<Uniform>>;

fn place(digest: &[u8; 32]) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|index| digest[index]))
}

/// The API keys of a host. All methods may be called from any thread.
///
/// A call's [`find`](Keys::find) takes no lock and sees every change that was acknowledged before it began.
pub struct Keys {
    index: ArcSwap<Index>,
    ledger: Mutex<Ledger>,
}

struct Ledger {
    path: PathBuf,
    /// `None` after the disk failed, until it is opened again.
    database: Option<Database>,
    keys: BTreeMap<CallerName, Arc<Key>>,
    /// Names revoked in memory whose rows could not be deleted.
    unwritten: Vec<CallerName>,
}

impl Keys {
    /// Opens the file, or makes it (readable by its owner only).
    ///
    /// # Errors
    /// [`KeyError::InUse`], [`KeyError::Format`], [`KeyError::Damaged`] or [`KeyError::Disk`].
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let database = open(path)?;
        let keys = read(&database, path)?;
        let ledger = Ledger {
            path: path.to_owned(),
            database: Some(database),
            keys,
            unwritten: Vec::new(),
        };
        Ok(Keys {
            index: ArcSwap::from_pointee(ledger.index()),
            ledger: Mutex::new(ledger),
        })
    }

    /// Makes a key. It is on disk, synced, when this returns, and works for every later call. The secret is in the
    /// answer and nowhere else.
    ///
    /// # Errors
    /// [`KeyError`]: a name in use, a request that contradicts itself, or a disk that fails; then there is no such key.
    pub fn issue(&self, request: KeyRequest, now: Timestamp) -> Result<IssuedKey, KeyError> {
        let mut ledger = self.ledger();
        let name = request.name.clone();
        if let Some(other) = ledger.keys.get(&name)
            && !other.has_expired(now)
        {
            return Err(KeyError::Exists {
                name,
                created: other.api().created,
            });
        }
        if let Some(expires) = request.expires
            && expires <= now
        {
            return Err(KeyError::Expired { name, expires, now });
        }
        let (secret, digest) = loop {
            let mut random = [0; 32];
            getrandom::fill(&mut random).map_err(KeyError::Random)?;
            let secret = secret(random);
            let digest = digest(&secret);
            if !self.index.load().contains_key(&place(&digest)) {
                break (secret, digest);
            }
        };
        let api = ApiKey {
            grant: request,
            prefix: shown(&secret).into(),
            created: now,
        };
        let key = Arc::new(Key::new(api.clone(), digest)?);
        let row = serde_json::to_vec(&key.record()).expect("a record is JSON");
        ledger.write("written", |transaction| {
            transaction.open_table(KEYS)?.insert(name.as_str(), &*row)?;
            forget_counts(transaction, &name)
        })?;
        ledger.keys.insert(name, key);
        self.index.store(Arc::new(ledger.index()));
        Ok(IssuedKey { key: api, secret })
    }

    /// Revokes a key: no later call is let in by it. Its name is free again, and what its quotas counted is forgotten.
    ///
    /// # Errors
    /// [`KeyError::Unknown`]; or [`KeyError::RevokedInMemory`] when the disk fails: the key is dead, but would come back
    /// with the next start. Revoking it again tries the disk again.
    pub fn revoke(&self, name: &CallerName) -> Result<(), KeyError> {
        let mut ledger = self.ledger();
        let known = ledger.keys.remove(name).is_some();
        if !known && !ledger.unwritten.contains(name) {
            return Err(KeyError::Unknown { name: name.clone() });
        }
        // Calls stop before the disk is asked: a disk that fails must not keep a stolen key alive.
        self.index.store(Arc::new(ledger.index()));
        let written = ledger.write("written", |transaction| {
            transaction.open_table(KEYS)?.remove(name.as_str())?;
            forget_counts(transaction, name)
        });
        match written {
            Ok(()) => {
                ledger.unwritten.retain(|other| other != name);
                Ok(())
            }
            Err(source) => {
                if !ledger.unwritten.contains(name) {
                    ledger.unwritten.push(name.clone());
                }
                Err(KeyError::RevokedInMemory {
                    name: name.clone(),
                    path: ledger.path.clone(),
                    source: Box::new(source),
                })
            }
        }
    }

    /// The keys that are not revoked, by name. Expired ones are among them.
    pub fn list(&self) -> Vec<ApiKey> {
        let ledger = self.ledger();
        ledger.keys.values().map(|key| key.api().clone()).collect()
    }

    /// A key by its name.
    ///
    /// # Errors
    /// [`KeyError::Unknown`].
    pub fn get(&self, name: &CallerName) -> Result<Arc<Key>, KeyError> {
        let found = self.ledger().keys.get(name).cloned();
        found.ok_or_else(|| KeyError::Unknown { name: name.clone() })
    }

    /// The key of a secret, expired or not. One SHA-256 block, one look-up, one comparison in constant time; no lock.
    pub fn find(&self, secret: &str) -> Option<Arc<Key>> {
        let digest = digest(secret);
        let index = self.index.load();
        let key = index.get(&place(&digest))?;
        bool::from(key.digest().ct_eq(&digest)).then(|| key.clone())
    }

    /// Whether there is a key that opens the control plane now.
    pub fn has_control_key(&self, now: Timestamp) -> bool {
        let index = self.index.load();
        index
            .values()
            .any(|key| key.api().grant.control && !key.has_expired(now))
    }

    /// Whether there is a key that opens the control plane, or did until it expired.
    pub fn has_any_control_key(&self) -> bool {
        let index = self.index.load();
        index.values().any(|key| key.api().grant.control)
    }

    /// Writes what quotas have counted since the last time, synced. Meant to be called about once a second and at the
    /// end; costs nothing when nothing was counted. A crash forgets the calls since the last flush, in the callers'
    /// favour. Blocks for the time of an fsync.
    ///
    /// # Errors
    /// [`KeyError::Disk`]: nothing is lost, and the next flush tries again.
    pub fn flush(&self) -> Result<(), KeyError> {
        let mut ledger = self.ledger();
        let mut changed = Vec::new();
        for key in ledger.keys.values() {
            for (place, counter) in key.counters().iter().enumerate() {
                if let Some(state) = counter.unflushed() {
                    changed.push((key.clone(), place, state));
                }
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        ledger.write("written", |transaction| {
            let mut counts = transaction.open_table(COUNTS)?;
            for (key, place, state) in &changed {
                let period = crate::limit::word(key.counters()[*place].period());
                counts.insert((key.name().as_str(), period), *state)?;
            }
            Ok(())
        })?;
        for (key, place, state) in changed {
            key.counters()[place].flushed(state);
        }
        Ok(())
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A panic leaves the ledger whole: memory changes only after the disk has.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn index(&self) -> Index {
        self.keys
            .values()
            .map(|key| (place(key.digest()), key.clone()))
            .collect()
    }

    /// Makes a change in one synced transaction. Opens the file again if the disk failed before.
    fn write(
        &mut self,
        doing: &'static str,
        change: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), KeyError> {
        let reopened = self.database.is_none();
        let database = match self.database.take() {
            Some(database) => database,
            None => open(&self.path)?,
        };
        let written = (|| {
            let transaction = database.begin_write()?;
            if reopened {
                self.rewrite(&transaction)?;
            }
            change(&transaction)?;
            transaction.commit()?;
            Ok::<_, redb::Error>(())
        })();
        match written {
            Ok(()) => {
                self.database = Some(database);
                if reopened {
                    self.unwritten.clear();
                }
                Ok(())
            }
            Err(source) => Err(KeyError::Disk {
                path: self.path.clone(),
                doing,
                source: Box::new(source),
            }),
        }
    }

    /// Makes the file's keys those in memory: a change whose commit failed may have reached the disk all the same.
    fn rewrite(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        let mut table = transaction.open_table(KEYS)?;
        table.retain(|name, _| self.keys.contains_key(name))?;
        for (name, key) in &self.keys {
            let row = serde_json::to_vec(&key.record()).expect("a record is JSON");
            // Rows that are right stay: a disk that is nearly full may have room for the others.
            let kept = table
                .get(name.as_str())?
                .is_some_and(|kept| kept.value() == row);
            if !kept {
                table.insert(name.as_str(), &*row)?;
            }
        }
        Ok(())
    }
}

fn forget_counts(transaction: &WriteTransaction, name: &CallerName) -> Result<(), redb::Error> {
    let mut counts = transaction.open_table(COUNTS)?;
    for period in ["day", "month", "total"] {
        counts.remove((name.as_str(), period))?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<Database, KeyError> {
    let disk = |doing, source: redb::Error| match source {
        redb::Error::DatabaseAlreadyOpen => KeyError::InUse {
            path: path.to_owned(),
        },
        source => KeyError::Disk {
            path: path.to_owned(),
            doing,
            source: Box::new(source),
        },
    };
    create_private(path).map_err(|source| disk("made", source.into()))?;
    let database = Database::create(path).map_err(|source| disk("opened", source.into()))?;
    let found = (|| {
        let transaction = database.begin_write()?;
        transaction.open_table(KEYS)?;
        transaction.open_table(COUNTS)?;
        let found = {
            let mut format = transaction.open_table(FORMAT)?;
            let found = format.get("version")?.map(|version| version.value());
            if found.is_none() {
                format.insert("version", VERSION)?;
            }
            found.unwrap_or(VERSION)
        };
        match found {
            VERSION => transaction.commit()?,
            _ => transaction.abort()?,
        }
        Ok::<_, redb::Error>(found)
    })()
    .map_err(|source| disk("opened", source))?;
    match found {
        VERSION => Ok(database),
        found => Err(KeyError::Format {
            path: path.to_owned(),
            found,
        }),
    }
}

/// Makes an empty file that only its owner can read, and its name durable. Does nothing to one that exists.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => {
            file.sync_all()?;
            match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => {
                    std::fs::File::open(parent)?.sync_all()
                }
                _ => std::fs::File::open(".")?.sync_all(),
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn read(database: &Database, path: &Path) -> Result<BTreeMap<CallerName, Arc<Key>>, KeyError> {
    let (rows, counts) = rows(database).map_err(|source| KeyError::Disk {
        path: path.to_owned(),
        doing: "read",
        source: Box::new(source),
    })?;
    let mut keys = BTreeMap::new();
    for (name, row) in rows {
        let key = key(&row).map_err(|source| KeyError::Damaged {
            path: path.to_owned(),
            name: name.clone(),
            source,
        })?;
        for counter in key.counters() {
            let period = crate::limit::word(counter.period());
            if let Some(state) = counts.get(&(name.clone(), period.to_owned())) {
                counter.resume(*state);
            }
        }
        keys.insert(key.name().clone(), Arc::new(key));
    }
    Ok(keys)
}

type Rows = (Vec<(String, Vec<u8>)>, HashMap<(String, String), u64>);

fn rows(database: &Database) -> Result<Rows, redb::Error> {
    let transaction = database.begin_read()?;
    let mut keys = Vec::new();
    for row in transaction.open_table(KEYS)?.iter()? {
        let (name, row) = row?;
        keys.push((name.value().to_owned(), row.value().to_owned()));
    }
    let mut counts = HashMap::new();
    for row in transaction.open_table(COUNTS)?.iter()? {
        let (place, state) = row?;
        let (name, period) = place.value();
        counts.insert((name.to_owned(), period.to_owned()), state.value());
    }
    Ok((keys, counts))
}

fn key(row: &[u8]) -> Result<Key, Box<dyn std::error::Error + Send + Sync>> {
    let record: Record = serde_json::from_slice(row)?;
    let digest: hyaline_control::Digest = format!("sha256:{}", record.digest)
        .parse()
        .map_err(|error: NameError| error)?;
    let api = ApiKey {
        grant: record.grant,
        prefix: record.prefix,
        created: record.created,
    };
    Ok(Key::new(api, *digest.as_bytes())?)
}
