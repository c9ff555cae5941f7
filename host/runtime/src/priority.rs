//! Threads that may wait give way to those that serve.

/// Steps below the priority of other threads: about a tenth of their share of a processor that both want.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Lowers the priority of the thread that calls this. Linux only: elsewhere priorities are of processes, and nothing
/// happens.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}
