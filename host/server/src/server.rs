//! Starting, serving, stopping.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyaline_gateway::ControlDoor;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::application::Application;
use crate::configuration::{Configuration, ControlAddress, Document};
use crate::control::Control;
use crate::data::Service;
use crate::error::StartError;
use crate::net::{self, Bounds, Certificate, Connections};
use crate::platform::{Applier, Platform};
use crate::startup::Startup;

/// How long telemetry may take to send what it still has.
const LAST_EXPORT: Duration = Duration::from_secs(3);
/// How long functions that were cut off may take to end, so that their calls are written down.
const LAST_RECORDS: Duration = Duration::from_secs(2);

/// A host that has its addresses and its state, and is ready to answer.
pub struct Server {
    platform: Arc<Platform>,
    data: (TcpListener, Bounds),
    control: Option<(TcpListener, Bounds, ControlDoor)>,
    connections: Arc<Connections>,
    certificate: Option<Arc<Certificate>>,
    startup: Startup,
}

/// How a server stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request in flight was answered, and every event that was taken on has run.
    Completely,
    /// Some took longer than they may and were cut off.
    CutOff,
}

impl Server {
    /// Takes the addresses, opens the state, and makes the functions of `application` part of it. Functions that were
    /// deployed before are served, too. Nothing is loaded before its first call.
    ///
    /// # Errors
    ///
    /// [`StartError`]: an address is not to be had, the state is in use or damaged, a component cannot be read or is
    /// refused, a certificate cannot be used, or the control plane would be open to everybody.
    pub async fn start(
        configuration: &Configuration,
        application: &Application,
    ) -> Result<Self, StartError> {
        let started = Instant::now();
        let document = configuration.document();
        let certificate = certificate(document)?;
        let (data, address) = listener(document.listen).await?;
        let platform = {
            let (document, application) = (document.clone(), application.clone());
            tokio::task::spawn_blocking(move || {
                let platform = Platform::open(&document)?;
                Applier::new(platform.clone()).apply(&application)?;
                Ok::<_, StartError>(platform)
            })
            .await
            .map_err(|_lost| StartError::Interrupted)??
        };
        let scheme = if certificate.is_some() {
            "https"
        } else {
            "http"
        };
        let connections = Arc::new(Connections::new());
        let bounds = || Bounds::new(&document.connections, document.concurrency, &connections);
        let control = match document.control {
            ControlAddress::Off => None,
            ControlAddress::At(wanted) => {
                // Asked before the address is bound, so that it is never open for a moment.
                let door = ControlDoor::at(wanted, platform.keys(), Timestamp::now())?;
                let (listener, address) = listener(wanted).await?;
                Some((listener, bounds(), door, address))
            }
        };
        let base_url = format!("{scheme}://{address}");
        platform.serves_at(&base_url);
        let control_url = control
            .as_ref()
            .map(|(_, _, _, address)| format!("{scheme}://{address}"));
        let view = platform.view();
        let routes = view
            .routes()
            .iter()
            .map(|entry| (&entry.route, &*entry.target.live));
        let startup = Startup::new(
            application.name(),
            base_url,
            control_url,
            routes,
            started.elapsed(),
        );
        Ok(Server {
            platform,
            data: (data, bounds()),
            control: control.map(|(listener, bounds, door, _)| (listener, bounds, door)),
            connections,
            certificate,
            startup,
        })
    }

    /// What to tell the one who started it.
    pub fn startup(&self) -> &Startup {
        &self.startup
    }

    /// What makes the functions of a changed application part of the running host.
    pub fn applier(&self) -> Applier {
        Applier::new(self.platform.clone())
    }

    /// Answers requests until `shutdown` resolves; then takes no new connection, and returns when the requests in
    /// flight are answered and the events that were taken on have run, or `drain_ms` later. What was counted is durable
    /// then, the calls that were cut off included.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Drained {
        let platform = self.platform;
        let patience = Duration::from_millis(platform.document().drain_ms);
        let maintenance = tokio::spawn(platform.clone().maintain());
        let connections = self.connections;
        let (stop, stopping) = watch::channel(false);
        let mut listeners = Vec::new();
        let (listener, bounds) = self.data;
        platform.count_connections(bounds.open_count());
        listeners.push(tokio::spawn(net::listen(
            listener,
            bounds,
            self.certificate.clone(),
            Arc::new(Service::new(platform.clone())),
            connections.clone(),
            stopping.clone(),
        )));
        if let Some((listener, bounds, door)) = self.control {
            platform.count_connections(bounds.open_count());
            listeners.push(tokio::spawn(net::listen(
                listener,
                bounds,
                self.certificate,
                Arc::new(Control::new(platform.clone(), door)),
                connections.clone(),
                stopping,
            )));
        }
        shutdown.await;
        let stopped = Instant::now();
        platform.drain();
        stop.send_replace(true);
        for listener in listeners {
            // It ends by itself; one that was lost takes no connections either.
            let _ = listener.await;
        }
        let answered = connections.drain(patience).await;
        let left = patience.saturating_sub(stopped.elapsed());
        let unfinished = platform.detached().finish(left).await;
        if unfinished > 0 {
            tracing::warn!(
                calls = unfinished,
                "events or repeated calls that had not ended in time are lost"
            );
        }
        // Also when every client has its answer, or has gone: a function may work on.
        ended(&platform).await;
        let drained = match answered && unfinished == 0 {
            true => Drained::Completely,
            false => Drained::CutOff,
        };
        maintenance.abort();
        platform.flush().await;
        platform.telemetry().shutdown(LAST_EXPORT).await;
        drained
    }
}

/// Waits until no function runs any more, for a while.
async fn ended(platform: &Platform) {
    let started = Instant::now();
    while platform.admission().running() > 0 && started.elapsed() < LAST_RECORDS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn listener(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    net::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })
}

fn certificate(document: &Document) -> Result<Option<Arc<Certificate>>, StartError> {
    let tls = &document.tls;
    if tls.certificate.as_os_str().is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Certificate::read(
        &tls.certificate,
        &tls.key,
    )?)))
}
