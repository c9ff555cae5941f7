//! Accepting connections, as many as there are places, until told to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::connection::{Peer, converse, turn_away};
use super::connections::{Connections, Requests};
use super::lingering::RequestBody;
use super::tls::Certificate;
use crate::configuration::ConnectionsDocument;

/// After the system had no descriptor for a new connection, this long passes before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Headers in a request when nothing is said: what hyper has room for without an allocation.
const HEADERS: u32 = 100;

/// Clients without a place that are told so at once; more of them are closed without a word.
const TURNED_AWAY_AT_ONCE: u32 = 64;

/// What answers the requests of a listener.
pub(crate) trait Door: Send + Sync + 'static {
    /// The body of its answers.
    type Body: Body<Data = bytes::Bytes, Error: std::error::Error + Send + Sync>
        + Unpin
        + Send
        + 'static;

    /// Answers one request.
    fn answer(
        &self,
        request: Request<RequestBody>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// What the clients of a listener may do.
#[derive(Clone)]
pub(crate) struct Bounds {
    pub(super) builder: auto::Builder<Requests>,
    most: u32,
    pub(super) write_wait: Duration,
    pub(super) head_wait: Duration,
    open: Arc<AtomicU32>,
}

impl Bounds {
    pub(crate) fn new(connections: &ConnectionsDocument, streams: u32, all: &Connections) -> Self {
        let mut builder = auto::Builder::new(Requests::new(all.signal()));
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(connections.head_wait_ms))
            .max_buf_size(connections.head_bytes as usize);
        // Any other number costs an allocation for each request.
        if connections.headers != HEADERS {
            builder.http1().max_headers(connections.headers as usize);
        }
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(connections.head_bytes)
            .max_concurrent_streams(streams)
            .keep_alive_interval(Duration::from_millis(connections.head_wait_ms))
            .keep_alive_timeout(Duration::from_millis(connections.head_wait_ms));
        Bounds {
            builder,
            most: connections.most,
            write_wait: Duration::from_millis(connections.write_wait_ms),
            head_wait: Duration::from_millis(connections.head_wait_ms),
            open: Arc::default(),
        }
    }

    /// The count of connections open now.
    pub(crate) fn open_count(&self) -> Arc<AtomicU32> {
        self.open.clone()
    }
}

/// A place among the open connections.
pub(super) struct Place(Arc<AtomicU32>);

impl Place {
    fn take(open: &Arc<AtomicU32>, most: u32) -> Option<Self> {
        let place = Place(open.clone());
        (open.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Accepts connections until `stop` says so, then takes no new ones. The connections that are open go on among `all`.
pub(crate) async fn listen<D: Door>(
    listener: TcpListener,
    bounds: Bounds,
    certificate: Option<Arc<Certificate>>,
    door: Arc<D>,
    all: Arc<Connections>,
    mut stop: watch::Receiver<bool>,
) {
    let turned_away = Arc::new(AtomicU32::new(0));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, client)) => match Place::take(&bounds.open, bounds.most) {
                Some(place) => {
                    tokio::spawn(converse(
                        stream,
                        Peer {
                            client,
                            secure: certificate.is_some(),
                        },
                        bounds.clone(),
                        certificate.clone(),
                        door.clone(),
                        all.signal(),
                        place,
                    ));
                }
                None => {
                    // In clear text it would only confuse a client that speaks TLS.
                    if certificate.is_none()
                        && let Some(told) = Place::take(&turned_away, TURNED_AWAY_AT_ONCE)
                    {
                        tokio::spawn(async move {
                            turn_away(stream).await;
                            drop(told);
                        });
                    }
                }
            },
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The address a listener has.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
