//! One connection: what it may take, and how long.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;

use super::connections::Signal;
use super::lingering::{Lingering, Unread};
use super::listener::{Bounds, Door, Place};
use super::tls::Certificate;
use super::traffic::{Traffic, Verdict};

/// How long a client may take for its part of a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client that has asked nothing for too long may take to hear that the connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Said to a client for whom there is no place. Not a `Refusal`: no request was read.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
    content-length: 70\r\nconnection: close\r\n\r\n{\"error\":\"all connections of this server are taken; try again later\"}\n";

/// Tells a client that there is no place for it, as far as it can be told at once.
pub(super) async fn turn_away(stream: TcpStream) {
    // Nobody waits for a client that does not listen.
    let _ = tokio::time::timeout(Duration::from_secs(1), Lingering::leave(stream, FULL)).await;
}

/// Serves a connection to its end.
pub(super) async fn converse<D: Door>(
    stream: TcpStream,
    peer: Peer,
    bounds: Bounds,
    certificate: Option<Arc<Certificate>>,
    door: Arc<D>,
    mut signal: Signal,
    place: Place,
) {
    // Answers are written whole; waiting to fill a packet would only delay them. If it cannot be set, they are late.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(bounds.write_wait));
    let unread = Unread::default();
    let stream = Lingering::new(Box::pin(stream), unread.clone());
    let client = peer.client;
    let told = signal.clone();
    let conversation = async {
        match certificate {
            None => serve(stream, unread, peer, bounds, door, told).await,
            Some(certificate) => {
                let accepted =
                    tokio::time::timeout(HANDSHAKE, certificate.acceptor().accept(stream));
                match accepted.await {
                    Ok(Ok(stream)) => serve(stream, unread, peer, bounds, door, told).await,
                    Ok(Err(error)) => tracing::debug!(%client, %error, "no TLS connection"),
                    Err(_elapsed) => tracing::debug!(%client, "the TLS handshake took too long"),
                }
            }
        }
    };
    tokio::select! {
        () = conversation => {}
        () = signal.cut() => tracing::debug!(%client, "a connection was cut off"),
    }
    drop(place);
}

async fn serve<S, D>(
    stream: S,
    unread: Unread,
    peer: Peer,
    bounds: Bounds,
    door: Arc<D>,
    mut signal: Signal,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    D: Door,
{
    let client = peer.client;
    let traffic = Traffic::new(bounds.write_wait, bounds.head_wait, Instant::now());
    let carried = traffic.clone();
    let answer = service_fn(move |request: Request<Incoming>| {
        let (door, asked) = (door.clone(), carried.ask());
        let request = unread.watch(request);
        async move {
            let response = door.answer(request, peer).await;
            Ok::<_, Infallible>(response.map(|body| asked.answer(body)))
        }
    });
    let connection = bounds
        .builder
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection.into_owned());
    let mut is_closing = false;
    loop {
        let patience = match traffic.verdict(Instant::now()) {
            Verdict::Goes(patience) => patience,
            Verdict::Idle if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
                FAREWELL
            }
            verdict => {
                tracing::debug!(%client, ?verdict, "a connection was closed");
                return;
            }
        };
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%client, %error, "a connection ended early");
                }
                return;
            }
            () = signal.closing(), if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep(patience) => {}
        }
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
