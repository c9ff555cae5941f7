//! The beginning of a connection: the bytes by which HTTP/1 and HTTP/2 are told apart must come in time.
//!
//! What parses requests keeps its own time, but only from then on; a client that sends nothing, or one byte, would hold
//! its place for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The length of HTTP/2's preface (RFC 9113, 3.4). No request of HTTP/1.1 is shorter.
const ENOUGH: usize = 24;

/// A stream whose first bytes must come in time.
pub(super) struct Beginning<S> {
    stream: S,
    read: usize,
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S> Beginning<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Beginning {
            stream,
            read: 0,
            patience: Some(Box::pin(tokio::time::sleep(patience))),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Beginning<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some(patience) = &mut self.patience else {
            return polled;
        };
        if polled.is_pending() {
            return match patience.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            };
        }
        self.read += buffer.filled().len() - before;
        if self.read >= ENOUGH {
            self.patience = None;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Beginning<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
