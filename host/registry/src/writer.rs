//! The one thread that changes a registry.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use arc_swap::ArcSwap;
use hyaline_control::FunctionName;

use crate::catalog::Catalog;
use crate::database::{Database, WriteFailure};
use crate::directory::Directory;
use crate::error::{Cause, ChangeError, OpenError};
use crate::function::Function;
use crate::target::{Expected, Target};

/// Changes that share one transaction at most, so that the first of them does not wait for ever.
const AT_ONCE: usize = 256;

/// What one transaction changed.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Everything as it is now.
    pub catalog: Arc<Catalog>,
    /// The functions that were made, changed or deleted.
    pub functions: Vec<FunctionName>,
}

type Observer = Box<dyn Fn(&Committed) + Send + Sync>;

/// What the writer and the readers share.
#[derive(Default)]
pub(crate) struct Shared {
    pub catalog: ArcSwap<Catalog>,
    observers: Mutex<Vec<Observer>>,
}

impl Shared {
    pub fn observe(&self, observer: Observer) {
        self.observers().push(observer);
    }

    fn observers(&self) -> MutexGuard<'_, Vec<Observer>> {
        self.observers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, catalog: Catalog, functions: Vec<FunctionName>) {
        let catalog = Arc::new(catalog);
        self.catalog.store(Arc::clone(&catalog));
        let committed = Committed { catalog, functions };
        for observer in self.observers().iter() {
            if catch_unwind(AssertUnwindSafe(|| observer(&committed))).is_err() {
                tracing::error!("an observer of the registry panicked");
            }
        }
    }
}

/// Computes a change; what it returns is told whether the change is on disk, and tells whoever asked for it.
type Job = Box<dyn FnOnce(&mut Draft) -> Settle + Send>;
type Settle = Box<dyn FnOnce(Result<(), ChangeError>) + Send>;

/// Hands changes to the thread. Dropping it waits until the thread has closed the database.
pub(crate) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which holds the directory until it ends.
    pub fn start(
        directory: Directory,
        database: Database,
        shared: Arc<Shared>,
    ) -> Result<Self, OpenError> {
        let (jobs, queue) = mpsc::channel();
        let path = directory.path().to_owned();
        let mut scribe = Scribe {
            database: Some(database),
            directory,
            shared,
        };
        let thread = Builder::new()
            .name("registry".into())
            .spawn(move || scribe.run(&queue))
            .map_err(|source| OpenError::Access { path, source })?;
        Ok(Writer {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Makes a change, and waits until it is durable.
    pub fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Draft) -> Result<T, ChangeError> + Send + 'static,
    ) -> Result<T, ChangeError> {
        let (answer, outcome) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |draft| {
            let result = change(draft);
            Box::new(move |durable| {
                // Who asked waits for the answer below and cannot have gone.
                let _ = answer.send(durable.and(result));
            })
        });
        let jobs = self.jobs.as_ref().ok_or(ChangeError::Stopped)?;
        jobs.send(job).map_err(|_| ChangeError::Stopped)?;
        outcome.recv().map_err(|_| ChangeError::Stopped)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        // An observer may have owned the registry.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the thread that changes the registry panicked");
        }
    }
}

/// A catalog to be, while changes are made to it.
pub(crate) struct Draft {
    catalog: Catalog,
    changed: BTreeSet<FunctionName>,
}

impl Draft {
    /// The function as it is, if it is as expected.
    pub fn existing(&self, target: &Target) -> Result<Function, ChangeError> {
        self.find(target)?
            .ok_or_else(|| ChangeError::UnknownFunction {
                function: target.name.clone(),
            })
    }

    /// The function as it is, if it is as expected; it may be absent.
    pub fn find(&self, target: &Target) -> Result<Option<Function>, ChangeError> {
        let function = self.catalog.function(&target.name);
        let found = function.map(|function| function.generation);
        let (fits, expected) = match target.expected {
            Expected::Anything => (true, None),
            Expected::Absent => (found.is_none(), None),
            Expected::Generation(number) => (found == Some(number), Some(number)),
        };
        if fits {
            return Ok(function.map(|function| Function::clone(function)));
        }
        Err(ChangeError::Changed {
            function: target.name.clone(),
            expected,
            found,
        })
    }

    /// The function is like this from now on, unless it was already.
    pub fn put(&mut self, mut function: Function, now: jiff::Timestamp) {
        let before = self.catalog.function(&function.name);
        if before.is_some_and(|before| **before == function) {
            return;
        }
        function.changed = now;
        function.generation = self.catalog.advance();
        self.changed.insert(function.name.clone());
        self.catalog.insert(function);
    }

    /// The function is gone from now on.
    pub fn remove(&mut self, name: &FunctionName) {
        self.catalog.advance();
        self.changed.insert(name.clone());
        self.catalog.remove(name);
    }
}

/// What the thread owns. The fields are dropped in this order: the lock is held until the database is closed.
struct Scribe {
    /// `None` after a failure, until it could be opened anew.
    database: Option<Database>,
    directory: Directory,
    shared: Arc<Shared>,
}

impl Scribe {
    fn run(&mut self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let mut jobs = vec![first];
            jobs.extend(queue.try_iter().take(AT_ONCE - 1));
            self.commit(jobs);
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        let database = match self.database.take().map_or_else(|| self.reopen(), Ok) {
            Ok(database) => database,
            Err(error) => {
                let failed = Failed {
                    uncertain: false,
                    path: self.directory.database(),
                    kind: error.kind(),
                    source: Arc::new(error),
                };
                return self.refuse(jobs, &failed);
            }
        };
        let before = self.shared.catalog.load_full();
        let mut draft = Draft {
            catalog: Catalog::clone(&before),
            changed: BTreeSet::new(),
        };
        let settle: Vec<Settle> = jobs.into_iter().map(|job| job(&mut draft)).collect();
        let Draft { catalog, changed } = draft;
        let written = if changed.is_empty() {
            Ok(())
        } else {
            database.write(&before, &catalog, &changed)
        };
        let outcome = match written {
            Ok(()) => {
                self.database = Some(database);
                if !changed.is_empty() {
                    self.shared.publish(catalog, changed.into_iter().collect());
                }
                Ok(())
            }
            Err(failure) => {
                // After an error it neither reads nor writes, and another cannot be opened beside it.
                drop(database);
                Err(self.recover(failure, before.generation()))
            }
        };
        for settle in settle {
            settle(outcome.clone().map_err(Failed::into_error));
        }
    }

    /// Answers all with the failure. They are computed on an empty catalog, and what comes out is dropped.
    fn refuse(&self, jobs: Vec<Job>, failed: &Failed) {
        let mut nothing = Draft {
            catalog: Catalog::default(),
            changed: BTreeSet::new(),
        };
        for job in jobs {
            job(&mut nothing)(Err(failed.clone().into_error()));
        }
    }

    /// Opens the database after a write that failed, and finds out from it what became of the write.
    fn recover(&mut self, failure: WriteFailure, before: u64) -> Failed {
        tracing::error!(database = %self.directory.database().display(), error = %failure.source, "a change could not be written");
        let uncertain = match self.reopen() {
            Ok(database) => {
                self.database = Some(database);
                self.shared.catalog.load().generation() != before
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the database does not open; the next change tries again"
                );
                failure.may_be_there
            }
        };
        Failed {
            uncertain,
            path: self.directory.database(),
            kind: failure.kind,
            source: failure.source,
        }
    }

    /// Opens the database and, should it hold something else than the catalog says, publishes that.
    fn reopen(&self) -> Result<Database, OpenError> {
        let (database, catalog) = Database::open(&self.directory)?;
        let believed = self.shared.catalog.load_full();
        if catalog.generation() != believed.generation() {
            let names = catalog.functions().chain(believed.functions());
            let names: BTreeSet<&FunctionName> = names.map(|function| function.name()).collect();
            let differs = |name: &FunctionName| {
                let [now, then] = [&catalog, &*believed].map(|catalog| {
                    let function = catalog.function(name);
                    function.map(|function| function.generation())
                });
                now != then
            };
            let changed = names.into_iter().filter(|name| differs(name)).cloned();
            let changed = changed.collect();
            self.shared.publish(catalog, changed);
        }
        Ok(database)
    }
}

/// Why nothing of a batch is acknowledged.
#[derive(Clone)]
struct Failed {
    uncertain: bool,
    path: std::path::PathBuf,
    kind: Option<std::io::ErrorKind>,
    source: Cause,
}

impl Failed {
    fn into_error(self) -> ChangeError {
        let Failed {
            uncertain,
            path,
            kind,
            source,
        } = self;
        if uncertain {
            ChangeError::Uncertain { path, kind, source }
        } else {
            ChangeError::Refused { path, kind, source }
        }
    }
}
