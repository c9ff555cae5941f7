//! Why a registry does not open, why a component is not there, and why a change is refused.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use hyaline_control::{AliasName, Digest, FunctionName, VersionNumber};

/// Why something below failed, with its own chain of sources.
pub(crate) type Cause = Arc<dyn StdError + Send + Sync + 'static>;

/// A directory cannot be used as a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another host uses it, or this one already does.
    #[error(
        "`{}` is in use by another host{}; stop that one, or give this one a directory of its own",
        directory.display(), of_process(*holder)
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The process that holds it, if it says so.
        holder: Option<u32>,
    },
    /// A file or folder of it cannot be made, opened or removed.
    #[error("cannot use `{}`{}", path.display(), remedy(Some(source.kind())))]
    Access {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was written by a later version of this program.
    #[error(
        "`{}` is of format {found}, and this version reads format {known}; use the version of Hyaline that wrote it, or \
         a later one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format it is of.
        found: u64,
        /// The format this version reads and writes.
        known: u64,
    },
    /// The database is not as this program leaves it, whatever happens to it.
    #[error(
        "`{}` is damaged: {reason}; put back a copy of it, or move it away, open an empty registry and deploy again (the \
         components stay in `blobs`)",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The database does not open for another reason.
    #[error("cannot open the database `{}`{}", path.display(), remedy(*kind))]
    Database {
        /// The file.
        path: PathBuf,
        /// What kind of error of the operating system it is, if one.
        kind: Option<io::ErrorKind>,
        /// Why.
        source: Cause,
    },
}

impl OpenError {
    /// What kind of error of the operating system it is, if one.
    pub(crate) fn kind(&self) -> Option<io::ErrorKind> {
        match self {
            OpenError::Access { source, .. } => Some(source.kind()),
            OpenError::Database { kind, .. } => *kind,
            OpenError::InUse { .. } | OpenError::Newer { .. } | OpenError::Damaged { .. } => None,
        }
    }
}

/// A component cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be written.
    #[error("cannot keep the component in `{}`{}", path.display(), remedy(Some(source.kind())))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was to be kept cannot be read from where it comes.
    #[error("the component broke off before its end")]
    Source(#[source] io::Error),
    /// It is not there.
    #[error("there is no component {digest} here; deploy it again")]
    Missing {
        /// The component asked for.
        digest: Digest,
    },
    /// The file is there, but cannot be read.
    #[error("cannot read the component `{}`{}", path.display(), remedy(Some(source.kind())))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what its name says.
    #[error(
        "the component `{}` is damaged: its bytes have the digest {found}; deploy the same component again, which \
         replaces the file",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The digest of what is in it.
        found: Digest,
    },
}

/// A change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// There is no such function.
    #[error("there is no function `{function}`; `hyaline functions` lists them")]
    UnknownFunction {
        /// The name.
        function: FunctionName,
    },
    /// There is no such version.
    #[error("`{function}` has no version {version}; {}", has(known))]
    UnknownVersion {
        /// The function.
        function: FunctionName,
        /// The number.
        version: VersionNumber,
        /// The versions it has, the oldest first.
        known: Vec<VersionNumber>,
    },
    /// There is no such alias.
    #[error(
        "`{function}` has no alias `{alias}`; set it first, or deploy with promotion for `live`"
    )]
    UnknownAlias {
        /// The function.
        function: FunctionName,
        /// The alias.
        alias: AliasName,
    },
    /// A deployment names a component that was not put into the store, or is there no more.
    #[error("there is no component {digest} here; upload it, then deploy it")]
    UnknownComponent {
        /// The component.
        digest: Digest,
    },
    /// A version is to be deleted that calls go to.
    #[error(
        "version {version} of `{function}` gets the calls of its alias `{alias}`; lead `{alias}` to another version or \
         delete it first"
    )]
    InUse {
        /// The function.
        function: FunctionName,
        /// The version.
        version: VersionNumber,
        /// The first of the aliases that lead to it.
        alias: AliasName,
    },
    /// The alias `live` is to be deleted.
    #[error(
        "`live` of `{function}` cannot be deleted, since routes lead to it; disable or delete the function instead"
    )]
    Live {
        /// The function.
        function: FunctionName,
    },
    /// There is nothing to go back to.
    #[error(
        "the alias `{alias}` of `{function}` has led nowhere else before, or only to versions that are deleted"
    )]
    NothingEarlier {
        /// The function.
        function: FunctionName,
        /// The alias.
        alias: AliasName,
    },
    /// The function is not in the state that the change expects.
    #[error("`{function}` was changed by someone else: {}; read it again, then repeat the change", states(*expected, *found))]
    Changed {
        /// The function.
        function: FunctionName,
        /// The generation expected; `None` when it was to be absent.
        expected: Option<u64>,
        /// The generation it has; `None` when there is no such function.
        found: Option<u64>,
    },
    /// All numbers of versions are used up.
    #[error(
        "`{function}` has had all {} versions a function can have; deploy under another name",
        u32::MAX
    )]
    Exhausted {
        /// The function.
        function: FunctionName,
    },
    /// Settings or a traffic that would not come back as they are.
    #[error("the {what} of `{function}` cannot be kept: {reason}")]
    Unwritable {
        /// The function.
        function: FunctionName,
        /// What cannot be kept.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The component cannot be looked at.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk refused. Nothing has changed.
    #[error("cannot write the change to `{}`, so nothing has changed{}", path.display(), remedy(*kind))]
    Refused {
        /// The database.
        path: PathBuf,
        /// What kind of error of the operating system it is, if one.
        kind: Option<io::ErrorKind>,
        /// Why.
        source: Cause,
    },
    /// The disk failed while it made the change durable, so it may be there or not, now or after a restart.
    #[error(
        "the disk failed while the change was written to `{}`, which may have happened or not{}; look at the function \
         before repeating the change",
        path.display(), remedy(*kind)
    )]
    Uncertain {
        /// The database.
        path: PathBuf,
        /// What kind of error of the operating system it is, if one.
        kind: Option<io::ErrorKind>,
        /// Why.
        source: Cause,
    },
    /// The thread that writes was lost to a fault of this program.
    #[error("the registry no longer takes changes after an internal fault; restart the host")]
    Stopped,
}

fn of_process(holder: Option<u32>) -> String {
    holder.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

fn has(known: &[VersionNumber]) -> String {
    const SHOWN: usize = 10;
    if known.is_empty() {
        return "it has none".into();
    }
    let newest = known.iter().rev().take(SHOWN);
    let listed: Vec<_> = newest.map(VersionNumber::to_string).collect();
    let more = known.len().saturating_sub(SHOWN);
    let rest = if more > 0 {
        format!(" and {more} older ones")
    } else {
        String::new()
    };
    format!("it has {}{rest}", listed.join(", "))
}

fn states(expected: Option<u64>, found: Option<u64>) -> String {
    let say = |generation: Option<u64>| {
        generation.map_or_else(
            || "absent".into(),
            |number| format!("at generation {number}"),
        )
    };
    format!("expected {}, it is {}", say(expected), say(found))
}

/// What the operator can do about an error of the operating system.
pub(crate) fn remedy(kind: Option<io::ErrorKind>) -> &'static str {
    match kind {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            ": the disk is full; make room there, then try again"
        }
        Some(io::ErrorKind::FileTooLarge) => {
            ": a file may not grow further; raise the limit (`ulimit -f`), then try again"
        }
        Some(io::ErrorKind::ReadOnlyFilesystem) => {
            ": the file system is read-only; mount it for writing, or choose another directory"
        }
        Some(io::ErrorKind::PermissionDenied) => {
            ": this user may not; give the directory to the user that runs the host, or choose another"
        }
        Some(io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists) => {
            ": there is a file where a folder should be; choose another directory"
        }
        _ => "",
    }
}
