//! Where invocations go on that compute for long, so that short ones need not wait for them.
//!
//! The threads here have a lower priority than those that serve: the operating system takes the processor from them as
//! soon as a short request wants it, and they share what is left. A priority is no limit: on a machine that is busy
//! throughout they go on, more slowly.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::priority;

/// What the threads are called.
const NAME: &str = "hyaline-long";

/// Threads for invocations that compute for long: as many as there are processors.
pub(crate) struct Lane {
    handle: Handle,
    _threads: Threads,
}

struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // The last invocation may itself be what drops the engine, on one of these threads.
            runtime.shutdown_background();
        }
    }
}

impl Lane {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name(NAME)
            .enable_all()
            // A turn is long here: whoever waits for a socket or a timer is looked after between any two of them.
            .event_interval(1)
            // A call that comes must not wait until those before it have had dozens of turns.
            .global_queue_interval(1)
            .on_thread_start(priority::give_way)
            .build()?;
        Ok(Lane {
            handle: runtime.handle().clone(),
            _threads: Threads(Some(runtime)),
        })
    }

    /// Does `work` here, also when nobody waits for it.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.handle.spawn(in_turns(work))
    }

    /// Does `work` here; it is dropped when what this gives is.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let mut task = Aborted(self.spawn(work));
        match (&mut task.0).await {
            Ok(output) => output,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Nobody else aborts it, and its engine, which it holds, keeps the threads.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// Offers the processor to others after each turn. The operating system looks who else wants it only now and then, every
/// four milliseconds as a rule, and would give a thread that is due its tenth all of that time at once.
async fn in_turns<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            std::thread::yield_now();
        }
        polled
    })
    .await
}

/// A task that ends when this is dropped.
struct Aborted<T>(JoinHandle<T>);

impl<T> Drop for Aborted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
