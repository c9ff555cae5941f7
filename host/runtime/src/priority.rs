//! What threads are for, told to the operating system: those that serve are prompt, those that may wait give way.
//!
//! A priority alone is not enough. Whoever runs keeps its processor for a slice of time, by default a few milliseconds,
//! even when somebody more important wakes up: longer than most requests take. So slices are short here. The price is more
//! switches between threads, on a machine that does nothing but serve, too.
//!
//! Linux only; elsewhere nothing happens. Slices can be chosen since Linux 6.12 (`sched_setattr(2)`, `sched_runtime`), and
//! are left alone by older ones.

/// Makes the thread that calls this prompt: for those that serve.
pub fn be_prompt() {
    #[cfg(target_os = "linux")]
    linux::be_prompt();
}

/// Lowers the priority of the thread that calls this.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    linux::give_way();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::time::Duration;

    use libc::{SCHED_OTHER, SYS_sched_getattr, SYS_sched_setattr, sched_attr};

    /// Steps below the priority of other threads: about a tenth of their share of a processor that both want.
    const NICENESS: i32 = 10;
    /// Of a thread that serves. One that wakes up takes the processor from whoever has a longer slice.
    const PROMPT_SLICE: Duration = Duration::from_micros(200);
    /// Of a thread that gives way: the shortest there is, because it is what others may have to wait for.
    const YIELDING_SLICE: Duration = Duration::from_micros(100);

    pub(super) fn be_prompt() {
        let slice = |attributes: &mut sched_attr| attributes.sched_runtime = nanos(PROMPT_SLICE);
        if let Err(error) = change(slice) {
            tracing::debug!(%error, "a thread keeps its slice");
        }
    }

    pub(super) fn give_way() {
        let changed = change(|attributes| {
            attributes.sched_nice = attributes.sched_nice.max(NICENESS);
            attributes.sched_runtime = nanos(YIELDING_SLICE);
        });
        // Sandboxes may know the older call only.
        let changed = changed.or_else(|_| {
            rustix::process::setpriority_process(None, NICENESS).map_err(io::Error::from)
        });
        if let Err(error) = changed {
            tracing::debug!(%error, "a thread keeps its priority");
        }
    }

    fn nanos(slice: Duration) -> u64 {
        slice.subsec_nanos().into()
    }

    /// Changes how this thread is scheduled, unless somebody has chosen another policy for it.
    fn change(alter: impl FnOnce(&mut sched_attr)) -> io::Result<()> {
        let mut attributes = current()?;
        if attributes.sched_policy != SCHED_OTHER as u32 {
            return Ok(());
        }
        alter(&mut attributes);
        #[expect(unsafe_code, reason = "there is no safe binding of this call")]
        // SAFETY: the kernel reads `size` bytes of a structure that is alive, and keeps no pointer to it.
        let changed = unsafe { libc::syscall(SYS_sched_setattr, 0, &raw const attributes, 0) };
        outcome(changed)
    }

    fn current() -> io::Result<sched_attr> {
        let size = size_of::<sched_attr>() as u32;
        let mut attributes = sched_attr {
            size,
            sched_policy: 0,
            sched_flags: 0,
            sched_nice: 0,
            sched_priority: 0,
            sched_runtime: 0,
            sched_deadline: 0,
            sched_period: 0,
        };
        #[expect(unsafe_code, reason = "there is no safe binding of this call")]
        // SAFETY: the kernel writes `size` bytes at most, which the structure has, and any bits are a value of its numbers.
        let found = unsafe { libc::syscall(SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
        outcome(found)?;
        Ok(attributes)
    }

    fn outcome(returned: libc::c_long) -> io::Result<()> {
        match returned {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// Niceness and slice of a thread that does `first`.
        fn after(first: fn()) -> (i32, u64) {
            let thread = std::thread::spawn(move || {
                first();
                let attributes = current().unwrap();
                (attributes.sched_nice, attributes.sched_runtime)
            });
            thread.join().unwrap()
        }

        #[test]
        fn threads_are_told_apart() {
            let (niceness, usual) = after(|| {});
            let (prompt, yielding) = (after(be_prompt), after(give_way));
            assert_eq!(
                (prompt.0, yielding.0),
                (niceness, niceness.max(NICENESS)),
                "only those that give way are nice"
            );
            // An older kernel keeps the slices, or tells none.
            let chosen = (nanos(PROMPT_SLICE), nanos(YIELDING_SLICE));
            assert!(
                (prompt.1, yielding.1) == chosen || prompt.1 == usual,
                "{prompt:?} {yielding:?} {usual}"
            );
        }
    }
}
