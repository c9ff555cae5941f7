//! All connections of a host: how they are told to end, and waited for.

use std::future::Future;
use std::time::Duration;

use hyper::rt::Executor;
use tokio::sync::watch;

/// How long what was cut off may take to let go of what it holds. It does so when it is polled next.
const LETTING_GO: Duration = Duration::from_secs(2);

/// What connections do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// They go on.
    Open,
    /// They answer what they were asked, and end.
    Closing,
    /// They end now.
    Cut,
}

/// The connections of a host.
pub(crate) struct Connections(watch::Sender<Phase>);

impl Connections {
    pub(crate) fn new() -> Self {
        Connections(watch::Sender::new(Phase::Open))
    }

    /// What a connection, or a part of it, listens to and holds until it has ended.
    pub(super) fn signal(&self) -> Signal {
        Signal(self.0.subscribe())
    }

    /// Lets the connections answer what they were asked. Those that take longer than `patience` are cut off; `false`: there
    /// were some.
    pub(crate) async fn drain(&self, patience: Duration) -> bool {
        self.0.send_replace(Phase::Closing);
        if tokio::time::timeout(patience, self.0.closed())
            .await
            .is_ok()
        {
            return true;
        }
        self.0.send_replace(Phase::Cut);
        if tokio::time::timeout(LETTING_GO, self.0.closed())
            .await
            .is_err()
        {
            tracing::warn!("connections that were cut off have not ended yet");
        }
        false
    }
}

/// Tells a connection when to end.
#[derive(Clone)]
pub(super) struct Signal(watch::Receiver<Phase>);

impl Signal {
    /// Returns when no other request is to be taken.
    pub(super) async fn closing(&mut self) {
        self.reached(Phase::Closing).await;
    }

    /// Returns when nothing is to be answered any more.
    pub(super) async fn cut(&mut self) {
        self.reached(Phase::Cut).await;
    }

    async fn reached(&mut self, wanted: Phase) {
        // Where nobody is left to tell, all is over.
        let _ = self.0.wait_for(|phase| *phase >= wanted).await;
    }
}

/// Runs the requests of an HTTP/2 connection, which are tasks of their own.
#[derive(Clone)]
pub(super) struct Requests(Signal);

impl Requests {
    pub(super) fn new(signal: Signal) -> Self {
        Requests(signal)
    }
}

impl<F> Executor<F> for Requests
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, request: F) {
        let mut signal = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = request => {}
                () = signal.cut() => {}
            }
        });
    }
}
