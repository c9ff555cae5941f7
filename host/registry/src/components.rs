//! The store of components: each file is named by the SHA-256 of its bytes.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyaline_control::Digest;
use sha2::{Digest as _, Sha256};

use crate::directory::{Directory, sync_folder};
use crate::error::StoreError;

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// How often each component is pinned.
type Pins = HashMap<Digest, usize>;

/// Reads and writes components.
#[derive(Debug)]
pub(crate) struct Components {
    blobs: PathBuf,
    partial: PathBuf,
    partials: AtomicU64,
    pins: Arc<Mutex<Pins>>,
}

/// A component in the store. It is not collected as garbage before this value is dropped, so that there is time to
/// deploy it.
pub struct Component {
    size: u64,
    pin: Pin,
}

impl Component {
    /// The SHA-256 of its bytes.
    pub fn digest(&self) -> &Digest {
        &self.pin.digest
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("digest", self.digest())
            .field("size", &self.size)
            .finish()
    }
}

/// Keeps a component from being collected while it lives.
pub(crate) struct Pin {
    digest: Digest,
    pins: Arc<Mutex<Pins>>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = lock(&self.pins);
        if let Some(count) = pins.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.digest);
            }
        }
    }
}

/// The components that are pinned; while it lives, no other can become so.
pub(crate) struct Pinned<'a>(MutexGuard<'a, Pins>);

impl Pinned<'_> {
    pub fn contains(&self, digest: &Digest) -> bool {
        self.0.contains_key(digest)
    }
}

fn lock(pins: &Mutex<Pins>) -> MutexGuard<'_, Pins> {
    // The map is whole between any two statements that change it.
    pins.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Components {
    pub fn new(directory: &Directory) -> Self {
        Components {
            blobs: directory.blobs(),
            partial: directory.partial(),
            partials: AtomicU64::new(0),
            pins: Arc::default(),
        }
    }

    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs.join(digest.to_hex())
    }

    pub fn pin(&self, digest: Digest) -> Pin {
        *lock(&self.pins).entry(digest).or_default() += 1;
        Pin {
            digest,
            pins: Arc::clone(&self.pins),
        }
    }

    pub fn pinned(&self) -> Pinned<'_> {
        Pinned(lock(&self.pins))
    }

    /// Writes a component unless it is there already. On disk when this returns.
    pub fn put(&self, bytes: &[u8]) -> Result<Component, StoreError> {
        let digest = Digest::from_bytes(Sha256::digest(bytes).into());
        let pin = self.pin(digest);
        let size = bytes.len() as u64;
        if self.holds(&digest, size)? {
            return Ok(Component { size, pin });
        }
        self.write(&mut &*bytes)?;
        Ok(Component { size, pin })
    }

    /// Writes a component of unknown size, without ever having it in memory.
    pub fn put_from(&self, source: &mut dyn Read) -> Result<Component, StoreError> {
        let (size, pin) = self.write(source)?;
        Ok(Component { size, pin })
    }

    /// The size of a component that is there.
    pub fn size(&self, digest: &Digest) -> Result<u64, StoreError> {
        let path = self.path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(source) => Err(unreadable(digest, path, source)),
        }
    }

    /// The bytes of a component, checked against its digest.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.path(digest);
        let bytes = fs::read(&path).map_err(|source| unreadable(digest, path.clone(), source))?;
        let found = Digest::from_bytes(Sha256::digest(&bytes).into());
        if found != *digest {
            return Err(StoreError::Damaged { path, found });
        }
        Ok(bytes)
    }

    /// Every component there is, and how many bytes it has. Files with other names are no components.
    pub fn list(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        let failed = |source| StoreError::Read {
            path: self.blobs.clone(),
            source,
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.blobs).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let digest = name
                .to_str()
                .and_then(|hex| format!("sha256:{hex}").parse().ok());
            let Some(digest) = digest else {
                continue;
            };
            match entry.metadata() {
                Ok(metadata) => found.push((digest, metadata.len())),
                // Somebody else has just collected it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(found)
    }

    /// Whether the component was there.
    pub fn remove(&self, digest: &Digest) -> Result<bool, StoreError> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(StoreError::Write { path, source }),
        }
    }

    /// Whether the component is there, whole. A damaged file does not count, so that putting the component mends it.
    fn holds(&self, digest: &Digest, size: u64) -> Result<bool, StoreError> {
        let path = self.path(digest);
        let whole = match File::open(&path) {
            Ok(mut file) => {
                let length = file.metadata().map(|metadata| metadata.len());
                length.is_ok_and(|length| length == size)
                    && digest_of(&mut file).is_ok_and(|found| found == *digest)
            }
            Err(_) => false,
        };
        if whole {
            // Who wrote it may have been killed before its name was durable.
            self.sync_names()?;
        } else if path.exists() {
            tracing::warn!(file = %path.display(), "a damaged component is replaced");
        }
        Ok(whole)
    }

    fn write(&self, source: &mut dyn Read) -> Result<(u64, Pin), StoreError> {
        let number = self.partials.fetch_add(1, Ordering::Relaxed);
        let partial = Partial(self.partial.join(number.to_string()));
        let (digest, size) = fill(&partial.0, source)?;
        let pin = self.pin(digest);
        let path = self.path(&digest);
        fs::rename(&partial.0, &path).map_err(|source| StoreError::Write { path, source })?;
        std::mem::forget(partial);
        self.sync_names()?;
        Ok((size, pin))
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        sync_folder(&self.blobs).map_err(|source| StoreError::Write {
            path: self.blobs.clone(),
            source,
        })
    }
}

/// A file that is not complete, removed unless it becomes a component.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(file = %self.0.display(), %error, "a component that was cut short stays until the next start");
        }
    }
}

/// Writes everything from `source` to a new file and to the disk.
fn fill(path: &Path, source: &mut dyn Read) -> Result<(Digest, u64), StoreError> {
    let failed = |source| StoreError::Write {
        path: path.into(),
        source,
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(StoreError::Source(error)),
        };
        file.write_all(&buffer[..count]).map_err(failed)?;
        hash.update(&buffer[..count]);
        size += count as u64;
    }
    file.sync_all().map_err(failed)?;
    Ok((Digest::from_bytes(hash.finalize().into()), size))
}

fn digest_of(file: &mut File) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest::from_bytes(hash.finalize().into())),
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn unreadable(digest: &Digest, path: PathBuf, source: io::Error) -> StoreError {
    if source.kind() == io::ErrorKind::NotFound {
        StoreError::Missing { digest: *digest }
    } else {
        StoreError::Read { path, source }
    }
}
