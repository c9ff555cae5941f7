//! Calls that nobody waits for: events and shadow traffic. The host does, when it stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Tasks that nobody waits for while the host serves.
pub(crate) struct Detached {
    running: Arc<watch::Sender<usize>>,
}

impl Detached {
    pub(super) fn new() -> Self {
        Detached {
            running: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Runs a task that counts until it ends.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let counted = Counted::new(&self.running);
        tokio::spawn(async move {
            let _counted = counted;
            task.await;
        });
    }

    /// Waits until every task has ended. Answers how many have not when `patience` is over.
    pub(crate) async fn finish(&self, patience: Duration) -> usize {
        let mut running = self.running.subscribe();
        let finished = running.wait_for(|running| *running == 0);
        match tokio::time::timeout(patience, finished).await {
            Ok(_none) => 0,
            Err(_elapsed) => *self.running.borrow(),
        }
    }
}

struct Counted(Arc<watch::Sender<usize>>);

impl Counted {
    fn new(running: &Arc<watch::Sender<usize>>) -> Self {
        running.send_modify(|running| *running += 1);
        Counted(running.clone())
    }
}

/// Also when the task panics.
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_are_waited_for_however_they_end_and_not_longer_than_may_be() {
        let detached = Detached::new();
        assert_eq!(detached.finish(Duration::ZERO).await, 0);
        detached.spawn(tokio::time::sleep(Duration::from_millis(20)));
        detached.spawn(async { panic!("a task of the test panics") });
        assert_eq!(detached.finish(Duration::from_secs(20)).await, 0);
        detached.spawn(std::future::pending());
        assert_eq!(detached.finish(Duration::from_millis(20)).await, 1);
    }
}
