//! Compiled code on disk.
//!
//! A directory holds one file per artefact: the machine code as the engine writes it, ready to be mapped, and behind it a
//! *sheet* that says what a host must know of the function, so that it can be loaded without reading its component.
//!
//! A file's name is the digest of what was compiled and one over that and everything in the engine that shapes machine
//! code (wasmtime's version, the target, the compiler's settings), so a changed component, engine or configuration looks
//! for another file and finds none, and all files of a component that is gone can be told. Files appear by rename,
//! complete or not at all as long as the system runs, so any number of processes can share a directory; what a process
//! left that was killed meanwhile is removed by one that starts an hour later or more. A directory that cannot be written
//! costs the compilation and nothing else.
//!
//! # Damage
//!
//! What was cut short, torn by a crash of the machine or altered is noticed, compiled again and replaced. A file ends
//! with a mark and the 128-bit XXH3 checksum of everything before it, and the checksum is taken whenever the file is
//! opened; that reads a function's file (about the size of its model) at memory speed. A cryptographic digest would cost
//! ten times as much and protect no better: it would lie in the same file, and whoever may write the file could write
//! the digest, too. Against *that*, a directory or file that belongs to another user than this one or root, or that
//! others can write, is not used at all. Nothing is synchronised to the disk before the rename: a torn file is a damaged
//! file.
//!
//! Code that many functions share is large and would be read with every load, so a file of it that was sound is not read
//! again by this process while the system says that it is the same one: same inode, length and time of change.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wasmtime::Module;
use wasmtime::component::Component;
use xxhash_rust::xxh3::Xxh3;

use crate::digest::Digest;

/// Where a function's machine code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From an artefact on disk.
    Cached,
    /// From the compiler, in this process.
    Compiled,
}

/// What a host must know of a function besides its code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sheet {
    /// The core module that the code is for, when it is the shell of a function.
    pub(crate) engine: Option<Digest>,
    pub(crate) card: Option<String>,
    pub(crate) http_door: bool,
    pub(crate) typed_door: bool,
    /// Bytes of the component.
    pub(crate) size: u64,
}

/// What an artefact is the code of. Two kinds never share a file, whatever their bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A component whose code is shared as far as it can be.
    Function,
    /// A component that has all of its code.
    Whole,
    /// A core module that functions share.
    Engine,
}

/// The last bytes of a file: the length of the sheet (4 bytes, little endian), the checksum, this mark.
const MARK: [u8; 8] = *b"hyaline2";
const CHECKSUM: usize = 16;
const FOOTER: usize = 4 + CHECKSUM + MARK.len();

/// What files end in that are being written.
const PARTIAL: &str = "partial";
/// Nobody writes one file for so long.
const STALE: Duration = Duration::from_secs(3600);

/// Longer sheets are not believed; a card has kilobytes.
const LONGEST_SHEET: u64 = 64 << 20;

/// A directory of artefacts for one engine.
pub(crate) struct Cache {
    directory: PathBuf,
    /// Hash of everything in the engine that shapes machine code.
    compatibility: Sha256,
    /// Shared code that was found sound.
    sound: Mutex<HashMap<PathBuf, Stamp>>,
}

/// By what the system tells one state of a file from another.
type Stamp = (u64, u64, Option<SystemTime>);

impl Cache {
    pub(crate) fn new(engine: &wasmtime::Engine, directory: PathBuf) -> Self {
        /// Feeds what the engine hashes into SHA-256, because a 64-bit hash is not enough to name machine code by.
        struct Feed(Sha256);
        impl Hasher for Feed {
            fn write(&mut self, bytes: &[u8]) {
                self.0.update(bytes);
            }
            fn finish(&self) -> u64 {
                u64::from_le_bytes(
                    self.0.clone().finalize()[..8]
                        .try_into()
                        .expect("a digest has 32 bytes"),
                )
            }
        }
        let mut feed = Feed(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut feed);
        let cache = Cache {
            directory,
            compatibility: feed.0,
            sound: Mutex::default(),
        };
        cache.remove(|path| {
            let age = || fs::metadata(path).ok()?.modified().ok()?.elapsed().ok();
            path.extension().is_some_and(|end| end == PARTIAL)
                && age().is_some_and(|age| age >= STALE)
        });
        cache
    }

    /// The file for code compiled from what has this digest.
    pub(crate) fn file(&self, kind: Kind, digest: Digest) -> PathBuf {
        let mut name = self.compatibility.clone();
        name.update(match kind {
            Kind::Function => b"function",
            Kind::Whole => b"whole\0\0\0",
            Kind::Engine => b"engine\0\0",
        });
        name.update(digest.0);
        let name = Digest(name.finalize().into());
        self.directory.join(format!("{digest}.{name}.cwasm"))
    }

    /// Removes everything that was compiled from components with these digests, by whatever engine.
    pub(crate) fn forget(&self, digests: &HashSet<Digest>) {
        if !digests.is_empty() {
            self.remove(|path| compiled_from(path).is_some_and(|digest| digests.contains(&digest)));
        }
    }

    /// Removes the files that `is_waste` says so of, among those that a cache made.
    fn remove(&self, is_waste: impl Fn(&Path) -> bool) {
        // Where there is no directory yet, or none that can be read, there is nothing to remove.
        for entry in fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            if compiled_from(&path).is_some()
                && is_waste(&path)
                && let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(file = %path.display(), %error, "cannot remove a compiled function that nobody needs");
            }
        }
    }

    /// The function or shell in `file`, and its sheet; `None` when there is none that is sound.
    pub(crate) fn component(
        &self,
        engine: &wasmtime::Engine,
        file: &Path,
    ) -> Option<(Component, Sheet)> {
        let sheet = self.usable(file, self.checked(file))?;
        #[expect(
            unsafe_code,
            reason = "the bytes are an artefact as this program wrote it (checksum taken) in a directory that no other \
                      user can write (mode checked); the engine checks that version and settings match"
        )]
        let loaded = unsafe { Component::deserialize_file(engine, file) };
        let component = self.usable(file, loaded.map_err(io::Error::other))?;
        Some((component, sheet))
    }

    /// The shared code in `file`, and the length of the file; `None` when there is none that is sound.
    pub(crate) fn module(&self, engine: &wasmtime::Engine, file: &Path) -> Option<(Module, u64)> {
        let stamp = self.usable(file, self.stamp(file))?;
        let lock = || self.sound.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(file) == Some(&stamp);
        if !known {
            self.usable(file, self.checked(file))?;
        }
        #[expect(
            unsafe_code,
            reason = "as for a component; a file that this process has read once is the same as then, or its stamp would \
                      differ"
        )]
        let loaded = unsafe { Module::deserialize_file(engine, file) };
        let module = self.usable(file, loaded.map_err(io::Error::other))?;
        if !known {
            lock().insert(file.to_owned(), stamp);
        }
        Some((module, stamp.1))
    }

    /// Leaves `code` in `file` for the next time, and says whether it is there now.
    pub(crate) fn keep(&self, file: &Path, code: &[u8], sheet: &Sheet) -> bool {
        let written = self.store(file, code, sheet);
        if let Err(error) = &written {
            tracing::warn!(directory = %self.directory.display(), %error, "cannot keep the compiled function; the next start compiles it again");
        }
        written.is_ok()
    }

    fn usable<T>(&self, file: &Path, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(file = %file.display(), error = %format!("{error:#}"), "the compiled function on disk is not usable; compiling");
                None
            }
        }
    }

    fn checked(&self, file: &Path) -> io::Result<Sheet> {
        self.check_directory()?;
        check(file)
    }

    /// The stamp of a file that only this user can have written.
    fn stamp(&self, file: &Path) -> io::Result<Stamp> {
        self.check_directory()?;
        let metadata = fs::metadata(file)?;
        only_owner_writes("the file", &metadata)?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Ok((inode, metadata.len(), metadata.modified().ok()))
    }

    fn check_directory(&self) -> io::Result<()> {
        only_owner_writes("its directory", &fs::metadata(&self.directory)?)
    }

    fn store(&self, path: &Path, code: &[u8], sheet: &Sheet) -> io::Result<()> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        make_private(&self.directory)?;
        self.check_directory()?;
        let sheet = serde_json::to_vec(sheet)?;
        let length = u32::try_from(sheet.len()).map_err(io::Error::other)?;
        let mut checksum = Xxh3::new();
        for part in [code, &sheet, &length.to_le_bytes()] {
            checksum.update(part);
        }
        let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
        let partial: PathBuf =
            path.with_extension(format!("{}.{unique}.{PARTIAL}", std::process::id()));
        let written = (|| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&partial)?;
            file.write_all(code)?;
            let mut tail = sheet;
            tail.extend(length.to_le_bytes());
            tail.extend(checksum.digest128().to_le_bytes());
            tail.extend(MARK);
            file.write_all(&tail)?;
            drop(file);
            fs::rename(&partial, path)
        })();
        if written.is_err() {
            // It may not even exist; the first error is the one to report.
            let _ = fs::remove_file(&partial);
        }
        written
    }
}

/// That the file is whole and carries its own checksum; its sheet.
fn check(path: &Path) -> io::Result<Sheet> {
    let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let too_short = || damaged("the file is too short to be an artefact");
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    only_owner_writes("the file", &metadata)?;
    let length = metadata.len();
    let before_footer = length.checked_sub(FOOTER as u64).ok_or_else(too_short)?;

    let mut checksum = Xxh3::new();
    let mut rest = (&mut file).take(before_footer + 4);
    let mut buffer = vec![0; 128 << 10];
    loop {
        match rest.read(&mut buffer)? {
            0 => break,
            count => checksum.update(&buffer[..count]),
        }
    }
    let mut end = [0; CHECKSUM + MARK.len()];
    file.read_exact(&mut end)?;
    if end[CHECKSUM..] != MARK {
        return Err(damaged("the file was cut short or is no artefact"));
    }
    if end[..CHECKSUM] != checksum.digest128().to_le_bytes() {
        return Err(damaged("the file was changed after it was written"));
    }

    file.seek(SeekFrom::Start(before_footer))?;
    let mut sheet = [0; 4];
    file.read_exact(&mut sheet)?;
    let sheet = u64::from(u32::from_le_bytes(sheet));
    if sheet > before_footer.min(LONGEST_SHEET) {
        return Err(damaged("its sheet is longer than the file"));
    }
    file.seek(SeekFrom::Start(before_footer - sheet))?;
    let mut text = vec![0; sheet as usize];
    file.read_exact(&mut text)?;
    serde_json::from_slice(&text).map_err(|_| damaged("its sheet cannot be read"))
}

/// What a file that a cache made was compiled from; `None`: some other file.
fn compiled_from(path: &Path) -> Option<Digest> {
    let mut parts = path.file_name()?.to_str()?.split('.');
    let digest = parts.next()?.parse().ok()?;
    let _name: Digest = parts.next()?.parse().ok()?;
    Some(digest)
}

/// Machine code is run as it is found, so whoever can write it can run code as this user.
#[cfg(unix)]
fn only_owner_writes(what: &str, metadata: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let this_user = rustix::process::geteuid().as_raw();
    judge(what, metadata.uid(), metadata.mode(), this_user).map_err(io::Error::other)
}

#[cfg(not(unix))]
fn only_owner_writes(_what: &str, _metadata: &Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn judge(what: &str, owner: u32, mode: u32, this_user: u32) -> Result<(), String> {
    const ROOT: u32 = 0;
    if owner != this_user && owner != ROOT {
        return Err(format!(
            "{what} belongs to another user (number {owner}); give this host (user {this_user}) a cache of its own"
        ));
    }
    if mode & 0o022 != 0 {
        return Err(format!(
            "{what} can be written by other users (mode {:o}); run `chmod go-w` on it",
            mode & 0o777
        ));
    }
    Ok(())
}

fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn machine_code_is_taken_from_this_user_and_root_alone() {
        let judge = |owner, mode| judge("the file", owner, mode, 1000);
        assert_eq!(judge(1000, 0o100_600), Ok(()));
        assert_eq!(judge(0, 0o100_644), Ok(()));
        assert_eq!(
            judge(1001, 0o100_600).unwrap_err(),
            "the file belongs to another user (number 1001); give this host (user 1000) a cache of its own"
        );
        for mode in [0o100_620, 0o100_602] {
            assert_eq!(
                judge(1000, mode).unwrap_err(),
                format!(
                    "the file can be written by other users (mode {:o}); run `chmod go-w` on it",
                    mode & 0o777
                )
            );
        }
    }
}
