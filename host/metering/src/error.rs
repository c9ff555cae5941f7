//! Why a ledger cannot be opened, read or written.

use std::path::PathBuf;

/// A ledger cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Its file cannot be opened; another host may have it.
    #[error("cannot open the ledger `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
    /// Its file was written by a later Hyaline.
    #[error(
        "the ledger `{}` has format {found}, and this host reads format {known}: use the Hyaline that wrote it, or a later one",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The format this host reads.
        known: u64,
    },
    /// What a file holds is not what a ledger writes.
    #[error("the ledger `{}` is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It cannot be read.
    #[error("cannot read the ledger `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
    /// It cannot be written. What was to be written is kept in memory and written by the next flush that succeeds.
    #[error("cannot write the ledger `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
}
