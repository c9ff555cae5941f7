//! The directory of a registry: its files, who may look at them, and that one host uses it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// A registry's directory, held by this process until the value is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// The lock goes when this is closed, in whatever way the process ends.
    _lock: File,
}

impl Directory {
    /// Makes what is missing, takes the lock, and removes what a crash left half-written.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        make_folder(path)?;
        let path = &path.canonicalize().map_err(|source| OpenError::Access {
            path: path.into(),
            source,
        })?;
        let lock = lock(path)?;
        for folder in [blobs(path), partial(path)] {
            make_folder(&folder)?;
        }
        empty(&partial(path))?;
        Ok(Directory {
            path: path.clone(),
            _lock: lock,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn database(&self) -> PathBuf {
        self.path.join("state.redb")
    }

    pub fn blobs(&self) -> PathBuf {
        blobs(&self.path)
    }

    pub fn partial(&self) -> PathBuf {
        partial(&self.path)
    }
}

fn blobs(directory: &Path) -> PathBuf {
    directory.join("blobs").join("sha256")
}

fn partial(directory: &Path) -> PathBuf {
    directory.join("partial")
}

/// Makes the folder and those above it for the owner alone; one that is there stays as it is. What was made is durable.
fn make_folder(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Access {
        path: path.into(),
        source,
    };
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path).map_err(failed)?;
    // The folder's name is kept by the one above it, and that one's by the next.
    for above in path.ancestors().skip(1).take(3) {
        let above = if above.as_os_str().is_empty() {
            Path::new(".")
        } else {
            above
        };
        sync_folder(above).map_err(failed)?;
    }
    Ok(())
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path).and_then(|folder| folder.sync_all()) {
        // Somebody else's folder above ours, which we need not be able to read.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// A new file or an existing one, for reading and writing by the owner alone.
pub(crate) fn owners_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join("lock");
    let failed = |source| OpenError::Access {
        path: path.clone(),
        source,
    };
    let mut file = owners_file(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Only a courtesy: the holder may not have written it yet.
            let _ = (&file).take(20).read_to_string(&mut text);
            return Err(OpenError::InUse {
                directory: directory.into(),
                holder: text.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    if let Err(error) = written {
        tracing::warn!(file = %path.display(), %error, "the lock does not say which process holds it");
    }
    Ok(file)
}

fn empty(folder: &Path) -> Result<(), OpenError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Access { path, source }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        fs::remove_file(&path).map_err(failed(&path))?;
        tracing::info!(file = %path.display(), "removed a component that was cut short");
    }
    Ok(())
}
