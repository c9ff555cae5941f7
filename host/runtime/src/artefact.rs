//! Compiled components on disk.
//!
//! An artefact's file name is a digest over the component and over everything in the engine that shapes machine code
//! (wasmtime's version, the target, the compiler's settings), so a changed component, engine or configuration looks
//! for another file and finds none. The file ends with a digest of its own content: what was cut short or damaged is
//! compiled again and replaced. Files appear by rename, complete or not at all, so any number of processes can share a
//! directory. A directory that cannot be written costs the compilation and nothing else.

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

/// Where a function's machine code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From an artefact on disk.
    Cached,
    /// From the compiler, in this process.
    Compiled,
}

/// Last bytes of an artefact file: this mark, then the SHA-256 of all bytes before the mark.
const MARK: [u8; 8] = *b"hyaline1";
const FOOTER: usize = MARK.len() + 32;

/// The machine code for `component`: from `directory` if it is there and sound, else compiled, and then left in
/// `directory` for the next time.
pub(crate) fn obtain(
    engine: &wasmtime::Engine,
    directory: Option<&Path>,
    component: &[u8],
) -> wasmtime::Result<(Component, Origin)> {
    let Some(directory) = directory else {
        return Ok((Component::from_binary(engine, component)?, Origin::Compiled));
    };
    let path = directory.join(file_name(engine, component));
    if let Some(component) = load(engine, directory, &path) {
        return Ok((component, Origin::Cached));
    }
    let artefact = engine.precompile_component(component)?;
    let loaded = match store(directory, &path, &artefact) {
        // The file is mapped, not copied: its pages are shared and can be dropped by the system.
        Ok(()) => load(engine, directory, &path),
        Err(error) => {
            tracing::warn!(directory = %directory.display(), %error, "cannot keep the compiled function; the next start compiles it again");
            None
        }
    };
    let component = match loaded {
        Some(component) => component,
        #[expect(
            unsafe_code,
            reason = "the artefact was made by this engine a moment ago and never left this process"
        )]
        None => unsafe { Component::deserialize(engine, &artefact)? },
    };
    Ok((component, Origin::Compiled))
}

fn file_name(engine: &wasmtime::Engine, component: &[u8]) -> String {
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
    feed.0.update(Sha256::digest(component));
    let hex: String = feed
        .0
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{hex}.cwasm")
}

fn load(engine: &wasmtime::Engine, directory: &Path, path: &Path) -> Option<Component> {
    let checked = only_owner_writes(directory).and_then(|()| check(path));
    match checked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "the compiled function on disk is not usable; compiling");
            return None;
        }
    }
    #[expect(
        unsafe_code,
        reason = "the bytes are an artefact as this program wrote it (digest checked) into a directory that no other \
                  user can write (mode checked); the engine checks that version and settings match"
    )]
    let loaded = unsafe { Component::deserialize_file(engine, path) };
    match loaded {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::warn!(file = %path.display(), error = %format!("{error:#}"), "the compiled function on disk does not load; compiling");
            None
        }
    }
}

/// Machine code is run as it is found, so whoever can write the directory can run code as this user.
#[cfg(unix)]
fn only_owner_writes(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(directory)?.permissions().mode();
    if mode & 0o022 != 0 {
        return Err(io::Error::other(format!(
            "its directory can be written by other users (mode {:o}); run `chmod go-w` on it",
            mode & 0o777
        )));
    }
    Ok(())
}

#[cfg(not(unix))]
fn only_owner_writes(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// That the file is whole and carries its own digest.
fn check(path: &Path) -> io::Result<()> {
    let damaged = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let Some(content) = length.checked_sub(FOOTER as u64) else {
        return damaged("the file is too short to be an artefact");
    };
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut rest = (&mut file).take(content);
    loop {
        match rest.read(&mut buffer)? {
            0 => break,
            count => digest.update(&buffer[..count]),
        }
    }
    let mut footer = [0; FOOTER];
    file.read_exact(&mut footer)?;
    if footer[..MARK.len()] != MARK {
        return damaged("the file was cut short or is no artefact");
    }
    if footer[MARK.len()..] != digest.finalize()[..] {
        return damaged("the file was changed after it was written");
    }
    Ok(())
}

fn store(directory: &Path, path: &Path, artefact: &[u8]) -> io::Result<()> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    make_private(directory)?;
    only_owner_writes(directory)?;
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    let partial: PathBuf = path.with_extension(format!("{}.{unique}.partial", std::process::id()));
    let written = (|| {
        let mut file = File::create_new(&partial)?;
        file.write_all(artefact)?;
        file.write_all(&MARK)?;
        file.write_all(&Sha256::digest(artefact))?;
        drop(file);
        fs::rename(&partial, path)
    })();
    if written.is_err() {
        // It may not even exist; the first error is the one to report.
        let _ = fs::remove_file(&partial);
    }
    written
}

fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}
