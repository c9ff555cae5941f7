//! Closing a connection so that its client hears the last answer.
//!
//! A client that is refused before all of its request has been read is still sending. If its connection were closed at
//! once, its next byte would be answered by a reset, which takes the refusal away from it again. So it is read on for a
//! while, and what comes is thrown away (RFC 9112, 9.6).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a client is listened to that nobody hears.
struct Patience {
    /// One that sends nothing for so long does not listen either.
    still: Duration,
    /// One that goes on sending.
    longest: Duration,
}

const PATIENCE: Patience = Patience {
    still: Duration::from_secs(2),
    longest: Duration::from_secs(30),
};

/// Whether a part of a request was left unread on a connection. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    /// A request whose body's end is watched for.
    pub(super) fn watch(&self, request: Request<Incoming>) -> Request<RequestBody> {
        // Another request can only come when what was left of the one before has been read.
        self.0.store(false, Ordering::Relaxed);
        // HTTP/2 has a frame to say that the rest is not wanted.
        let is_read = request.version() >= Version::HTTP_2;
        request.map(|body| RequestBody {
            body,
            is_read,
            unread: self.clone(),
        })
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body of a request. It may be dropped before its end: then its connection is closed with patience.
pub(crate) struct RequestBody {
    body: Incoming,
    is_read: bool,
    unread: Unread,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.is_read |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.is_read && !self.body.is_end_stream() {
            self.unread.0.store(true, Ordering::Relaxed);
        }
    }
}

/// A stream that, shut down while a part of a request is unread, lingers.
pub(super) struct Lingering<S> {
    stream: S,
    unread: Unread,
    patience: &'static Patience,
    farewell: Option<Farewell>,
}

/// What is left to do once the other end has been told that no more answers come.
struct Farewell {
    silence: Pin<Box<Sleep>>,
    still: Duration,
    until: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lingering<S> {
    pub(super) fn new(stream: S, unread: Unread) -> Self {
        Lingering {
            stream,
            unread,
            patience: &PATIENCE,
            farewell: None,
        }
    }

    /// Says `last` to a client of whose request nothing has been read.
    pub(super) async fn leave(stream: S, last: &[u8]) -> io::Result<()> {
        let mut stream = Lingering::new(stream, Unread(Arc::new(AtomicBool::new(true))));
        stream.write_all(last).await?;
        stream.shutdown().await
    }
}

impl Farewell {
    fn new(patience: &Patience) -> Self {
        Farewell {
            silence: Box::pin(sleep(patience.still)),
            still: patience.still,
            until: Instant::now() + patience.longest,
        }
    }

    /// Reads until the other end stops, or has been waited for long enough.
    fn poll<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut thrown_away = [std::mem::MaybeUninit::uninit(); 8 << 10];
        loop {
            let mut buffer = ReadBuf::uninit(&mut thrown_away);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Pending => return self.silence.as_mut().poll(context),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let now = Instant::now();
                    if now >= self.until {
                        return Poll::Ready(());
                    }
                    self.silence
                        .as_mut()
                        .reset(self.until.min(now + self.still));
                }
                // It has ended, or is broken: either way nothing more comes.
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
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
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.farewell.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            if !this.unread.is_set() {
                return Poll::Ready(Ok(()));
            }
        }
        let farewell = this
            .farewell
            .get_or_insert_with(|| Farewell::new(this.patience));
        farewell.poll(&mut this.stream, context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex};
    use tokio::time::timeout;

    use super::*;

    const SHORT: Patience = Patience {
        still: Duration::from_millis(200),
        longest: Duration::from_millis(600),
    };

    fn lingering<S: AsyncRead + AsyncWrite + Unpin>(stream: S, is_unread: bool) -> Lingering<S> {
        let mut stream = Lingering::new(stream, Unread(Arc::new(AtomicBool::new(is_unread))));
        stream.patience = &SHORT;
        stream
    }

    #[tokio::test]
    async fn what_was_read_whole_is_closed_at_once() {
        let (near, _far) = duplex(16);
        let started = Instant::now();
        lingering(near, false).shutdown().await.unwrap();
        assert!(started.elapsed() < SHORT.still);
    }

    #[tokio::test]
    async fn a_client_that_still_sends_hears_the_answer() {
        let (near, mut far) = duplex(16);
        let leaving = tokio::spawn(Lingering::leave(near, b"no"));
        // More than fits anywhere, so that it is really read.
        far.write_all(&[b'x'; 100_000]).await.unwrap();
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"no");
        drop(far);
        timeout(PATIENCE.still / 2, leaving)
            .await
            .expect("nobody is waited for who has gone")
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn nobody_is_waited_for_for_long() {
        let (near, still) = duplex(16);
        let started = Instant::now();
        lingering(near, true).shutdown().await.unwrap();
        assert!(started.elapsed() >= SHORT.still);
        drop(still);

        let (near, mut talkative) = duplex(16);
        let talk = tokio::spawn(async move {
            while talkative.write_all(b"x").await.is_ok() {
                sleep(SHORT.still / 10).await;
            }
        });
        let started = Instant::now();
        lingering(near, true).shutdown().await.unwrap();
        assert!(started.elapsed() >= SHORT.longest);
        talk.await.unwrap();
    }
}
