//! One connection: what it may take, and how long.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;

use super::beginning::Beginning;
use super::listener::{Bounds, Door, Place};
use super::tls::Certificate;

/// How long a client may take for its part of a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Said to a client for whom there is no place. Not a `Refusal`: no request was read.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
    content-length: 70\r\nconnection: close\r\n\r\n{\"error\":\"all connections of this server are taken; try again later\"}\n";

/// Tells a client that there is no place for it, as far as it can be told at once.
pub(super) async fn turn_away(mut stream: TcpStream) {
    // Nobody waits for a client that does not listen.
    let _ = tokio::time::timeout(Duration::from_secs(1), async {
        stream.write_all(FULL).await?;
        stream.shutdown().await
    })
    .await;
}

/// Serves a connection to its end.
pub(super) async fn converse<D: Door>(
    stream: TcpStream,
    peer: Peer,
    bounds: Bounds,
    certificate: Option<Arc<Certificate>>,
    door: Arc<D>,
    watcher: Watcher,
    place: Place,
) {
    // Answers are written whole; waiting to fill a packet would only delay them. If it cannot be set, they are late.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(bounds.write_wait));
    let stream = Box::pin(stream);
    let (client, builder) = (peer.client, bounds.builder);
    match certificate {
        None => {
            let stream = Beginning::new(stream, bounds.head_wait);
            serve(stream, peer, builder, door, watcher).await;
        }
        Some(certificate) => {
            let accepted = tokio::time::timeout(HANDSHAKE, certificate.acceptor().accept(stream));
            match accepted.await {
                Ok(Ok(stream)) => {
                    let stream = Beginning::new(stream, bounds.head_wait);
                    serve(stream, peer, builder, door, watcher).await;
                }
                Ok(Err(error)) => tracing::debug!(%client, %error, "no TLS connection"),
                Err(_elapsed) => tracing::debug!(%client, "the TLS handshake took too long"),
            }
        }
    }
    drop(place);
}

async fn serve<S, D>(
    stream: S,
    peer: Peer,
    builder: auto::Builder<TokioExecutor>,
    door: Arc<D>,
    watcher: Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    D: Door,
{
    let client = peer.client;
    let answer = service_fn(move |request: Request<Incoming>| {
        let door = door.clone();
        async move { Ok::<_, Infallible>(door.answer(request, peer).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(%client, %error, "a connection ended early");
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Its address.
    pub(crate) client: SocketAddr,
    /// Whether the connection is encrypted.
    pub(crate) secure: bool,
}
