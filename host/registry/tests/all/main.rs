//! The registry from outside: what it promises, held against real directories, processes and disks.

mod changes;
mod common;
mod concurrency;
mod crash;
mod damage;
mod disk;

/// Opens a registry that this process has just let go of. A child that another test is starting holds the files of the
/// whole process for the moment until it becomes another program, the lock among them.
fn opened(
    directory: &std::path::Path,
) -> Result<hyaline_registry::Registry, hyaline_registry::OpenError> {
    let started = std::time::Instant::now();
    loop {
        match hyaline_registry::Registry::open(directory) {
            Err(hyaline_registry::OpenError::InUse { holder, .. })
                if holder == Some(std::process::id())
                    && started.elapsed() < std::time::Duration::from_secs(1) =>
            {
                std::thread::yield_now();
            }
            opened => return opened,
        }
    }
}

/// As [`opened`], of a sound directory.
fn reopened(directory: &std::path::Path) -> hyaline_registry::Registry {
    opened(directory).unwrap()
}
