//! The registry: what a host knows of its functions.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyaline_control::{AliasName, Digest, Settings, Traffic, VersionNumber};
use jiff::Timestamp;

use crate::catalog::Catalog;
use crate::change::{Deployed, Deployment, Prepared};
use crate::components::{Component, Components};
use crate::database::Database;
use crate::directory::Directory;
use crate::error::{ChangeError, OpenError, StoreError};
use crate::function::Function;
use crate::garbage::{self, Collected};
use crate::record;
use crate::target::Target;
use crate::writer::{Committed, Draft, Shared, Writer};

/// Functions, versions, aliases and components in one directory, which this process alone uses. A clone is the same
/// registry; the directory is free for others when the last clone is dropped.
///
/// [`catalog`](Self::catalog) never waits. Everything else does file operations, or waits for the disk until its change
/// is durable, and belongs on a thread that may block. All changes are durable when they return `Ok`; each is one
/// transaction, made entirely or not at all. A change that changes nothing, such as setting an alias to what it is,
/// succeeds without one.
///
/// Changes name a [`Target`]: a `&FunctionName`, or a function in a certain state. All of them fail with
/// [`ChangeError::Changed`] when the function is in another state, with [`ChangeError::Refused`] when the disk refuses
/// (a full one, say; nothing has changed, and the change can be repeated as soon as there is room), with
/// [`ChangeError::Uncertain`] when the disk failed at the last moment, and with [`ChangeError::Stopped`] after an
/// internal fault; all but [`deploy`](Self::deploy) with [`ChangeError::UnknownFunction`].
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    components: Components,
    shared: Arc<Shared>,
    writer: Writer,
    /// Dropped last, if the directory is the registry's own.
    _own: Option<tempfile::TempDir>,
}

impl Registry {
    /// Opens the registry in the directory, or makes an empty one, with folders and files for this user alone. What a
    /// crash left half-written is removed. O(functions).
    /// # Errors
    /// [`OpenError`]: the directory is in use, cannot be written, is damaged or of a later format.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        Self::open_in(Directory::open(directory)?, None)
    }

    /// An empty registry in a new temporary directory, which is removed when the last clone is dropped.
    /// # Errors
    /// [`OpenError`], above all when there is no room for temporary files.
    pub fn in_directory_of_its_own() -> Result<Self, OpenError> {
        let own = tempfile::Builder::new().prefix("hyaline-").tempdir();
        let own = own.map_err(|source| OpenError::Access {
            path: std::env::temp_dir(),
            source,
        })?;
        Self::open_in(Directory::open(own.path())?, Some(own))
    }

    fn open_in(directory: Directory, own: Option<tempfile::TempDir>) -> Result<Self, OpenError> {
        let (database, catalog) = Database::open_or_make(&directory)?;
        let shared = Arc::new(Shared::default());
        shared.catalog.store(Arc::new(catalog));
        Ok(Registry {
            inner: Arc::new(Inner {
                path: directory.path().to_owned(),
                components: Components::new(&directory),
                shared: Arc::clone(&shared),
                writer: Writer::start(directory, database, shared)?,
                _own: own,
            }),
        })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.inner.path
    }

    /// Everything as it is now. Takes no lock and copies nothing.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner.shared.catalog.load_full()
    }

    /// Calls `observer` after each transaction, before its changes are acknowledged, in their order, from the thread
    /// that makes all changes.
    ///
    /// It should be quick, cannot make changes itself (it would wait for itself), and should not own the registry (which
    /// would then never be dropped).
    pub fn observe(&self, observer: impl Fn(&Committed) + Send + Sync + 'static) {
        self.inner.shared.observe(Box::new(observer));
    }

    /// Keeps a component. One that is there already is only checked, and mended if it is damaged.
    /// # Errors
    /// [`StoreError::Write`].
    pub fn put_component(&self, bytes: &[u8]) -> Result<Component, StoreError> {
        self.inner.components.put(bytes)
    }

    /// Keeps a component as it comes, in constant memory. Whoever calls bounds its size ([`Read::take`]) and, where a
    /// digest is promised, compares.
    /// # Errors
    /// [`StoreError::Source`] when `source` fails, [`StoreError::Write`].
    pub fn put_component_from(&self, mut source: impl Read) -> Result<Component, StoreError> {
        self.inner.components.put_from(&mut source)
    }

    /// The bytes of a component, which have this digest.
    /// # Errors
    /// [`StoreError`]: it is not there, cannot be read, or is damaged.
    pub fn component(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        self.inner.components.get(digest)
    }

    /// The file of a component, which is there if a version has it. Its bytes are not checked.
    pub fn component_path(&self, digest: &Digest) -> PathBuf {
        self.inner.components.path(digest)
    }

    /// Makes a version of a function, and the function if there is none. When the function's newest version has the same
    /// component, that one is the answer; settings and promotion take place all the same.
    /// # Errors
    /// [`ChangeError`], for its own part: the component is not there, the settings cannot be kept, or the function has
    /// had 2³² − 1 versions.
    pub fn deploy(
        &self,
        target: impl Into<Target>,
        deployment: Deployment,
        now: Timestamp,
    ) -> Result<Deployed, ChangeError> {
        let target = target.into();
        let digest = deployment.component;
        let pin = self.inner.components.pin(digest);
        let size = match self.inner.components.size(&digest) {
            Err(StoreError::Missing { digest }) => {
                return Err(ChangeError::UnknownComponent { digest });
            }
            other => other?,
        };
        let settings = deployment
            .settings
            .map(|settings| keep(&target, &settings))
            .transpose()?;
        let prepared = Prepared {
            digest,
            size,
            description: deployment.description.map(String::into_boxed_str),
            summary: deployment.summary.to_string().into(),
            settings,
            promote: deployment.promote,
        };
        let outcome = self.inner.writer.change(move |draft| {
            let found = draft.find(&target)?;
            let mut function = found.unwrap_or_else(|| Function::new(target.name, now));
            let deployed = function.deploy(prepared, now)?;
            draft.put(function, now);
            Ok(deployed)
        });
        if matches!(outcome, Err(ChangeError::Uncertain { .. })) {
            // The database may name the component, and the catalog not know it yet.
            std::mem::forget(pin);
        }
        outcome
    }

    /// Replaces a function's settings.
    /// # Errors
    /// [`ChangeError`], for its own part: the settings cannot be kept.
    pub fn set_settings(
        &self,
        target: impl Into<Target>,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        let target = target.into();
        let settings = keep(&target, settings)?;
        self.change(target, now, move |function| {
            function.settings = settings;
            Ok(())
        })
    }

    /// Lets a function answer calls.
    /// # Errors
    /// [`ChangeError`].
    pub fn enable(&self, target: impl Into<Target>, now: Timestamp) -> Result<(), ChangeError> {
        self.change(target, now, |function| {
            function.enabled = true;
            Ok(())
        })
    }

    /// Lets a function answer no calls.
    /// # Errors
    /// [`ChangeError`].
    pub fn disable(&self, target: impl Into<Target>, now: Timestamp) -> Result<(), ChangeError> {
        self.change(target, now, |function| {
            function.enabled = false;
            Ok(())
        })
    }

    /// Leads an alias, which is made if there is none, and remembers the last [`EARLIER`](crate::EARLIER) places where
    /// it led.
    /// # Errors
    /// [`ChangeError`], for its own part: a version is not there.
    pub fn set_alias(
        &self,
        target: impl Into<Target>,
        alias: &AliasName,
        traffic: Traffic,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        let alias = alias.clone();
        self.change(target, now, move |function| {
            function.set_alias(&alias, traffic)
        })
    }

    /// Leads an alias to where it led before, as far as the versions are still there; once more, and it leads to where
    /// it led before that. Answers where it leads now.
    /// # Errors
    /// [`ChangeError`], for its own part: there is no such alias, or nothing to go back to.
    pub fn rollback(
        &self,
        target: impl Into<Target>,
        alias: &AliasName,
        now: Timestamp,
    ) -> Result<Traffic, ChangeError> {
        let alias = alias.clone();
        self.change(target, now, move |function| function.rollback(&alias))
    }

    /// Deletes an alias.
    /// # Errors
    /// [`ChangeError`], for its own part: there is no such alias, or it is `live`.
    pub fn delete_alias(
        &self,
        target: impl Into<Target>,
        alias: &AliasName,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        let alias = alias.clone();
        self.change(target, now, move |function| function.delete_alias(&alias))
    }

    /// Deletes a version, and with it the places an alias might go back to that involve it. Its component stays until
    /// garbage is collected.
    /// # Errors
    /// [`ChangeError`], for its own part: there is no such version, or an alias leads to it.
    pub fn delete_version(
        &self,
        target: impl Into<Target>,
        version: VersionNumber,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        self.change(target, now, move |function| {
            function.delete_version(version)
        })
    }

    /// Deletes a function with everything that belongs to it. One of the same name would begin anew, with version 1.
    /// # Errors
    /// [`ChangeError`].
    pub fn delete_function(&self, target: impl Into<Target>) -> Result<(), ChangeError> {
        let target = target.into();
        self.inner.writer.change(move |draft: &mut Draft| {
            draft.existing(&target)?;
            draft.remove(&target.name);
            Ok(())
        })
    }

    /// Removes the components that no version has, except those that a [`Component`] or a deployment in progress needs.
    /// O(components + versions).
    /// # Errors
    /// [`ChangeError::Refused`] when the disk has failed and the database cannot be opened, so that nobody knows what
    /// is needed; [`ChangeError::Store`] when a file cannot be removed.
    pub fn collect_garbage(&self) -> Result<Collected, ChangeError> {
        // Afterwards the catalog is what the database says.
        self.inner.writer.change(|_| Ok(()))?;
        Ok(garbage::collect(
            &self.inner.components,
            &self.inner.shared.catalog,
        )?)
    }

    fn change<T: Send + 'static>(
        &self,
        target: impl Into<Target>,
        now: Timestamp,
        change: impl FnOnce(&mut Function) -> Result<T, ChangeError> + Send + 'static,
    ) -> Result<T, ChangeError> {
        let target = target.into();
        self.inner.writer.change(move |draft| {
            let mut function = draft.existing(&target)?;
            let outcome = change(&mut function)?;
            draft.put(function, now);
            Ok(outcome)
        })
    }
}

fn keep(target: &Target, settings: &Settings) -> Result<Arc<Settings>, ChangeError> {
    record::kept(settings).map_err(|error| ChangeError::Unwritable {
        function: target.name.clone(),
        what: "settings",
        reason: error.to_string(),
    })
}
