//! What a guest writes to its standard output and standard error.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes that are kept of what a guest writes to one of its outputs; older ones are counted and forgotten.
const KEPT: usize = 4 << 10;
/// The most a guest can hand over at once.
const CHUNK: usize = 64 << 10;

/// What an invocation wrote to standard output or standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its last 4096 bytes, or all of it.
    pub tail: Vec<u8>,
    /// Bytes in all.
    pub total: u64,
}

impl Written {
    /// The tail as text; what is not UTF-8, as a character cut at its start may be, becomes U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.tail).into_owned()
    }
}

/// An output that remembers its end. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Console(Arc<Mutex<Tail>>);

#[derive(Debug, Default)]
struct Tail {
    bytes: VecDeque<u8>,
    total: u64,
}

impl Console {
    /// What was written since the last time this was asked; `None`: nothing.
    pub(crate) fn take(&self) -> Option<Written> {
        let mut tail = self.lock();
        (tail.total > 0).then(|| {
            let tail = std::mem::take(&mut *tail);
            Written {
                tail: tail.bytes.into(),
                total: tail.total,
            }
        })
    }

    /// The last line that is not blank.
    pub(crate) fn last_line(&self) -> Option<String> {
        let mut tail = self.lock();
        let said = String::from_utf8_lossy(tail.bytes.make_contiguous());
        said.lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .map(str::to_owned)
    }

    fn append(&self, bytes: &[u8]) {
        let mut tail = self.lock();
        tail.total += bytes.len() as u64;
        let kept = &bytes[bytes.len().saturating_sub(KEPT)..];
        let excess = (tail.bytes.len() + kept.len()).saturating_sub(KEPT);
        tail.bytes.drain(..excess);
        tail.bytes.extend(kept);
    }

    fn lock(&self) -> MutexGuard<'_, Tail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsTerminal for Console {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Console {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Console {
    async fn ready(&mut self) {}
}

impl OutputStream for Console {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

impl AsyncWrite for Console {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_end_and_counts_the_rest() {
        let console = Console::default();
        assert_eq!(console.take(), None);
        console.append(b"first\nsecond\n \n");
        assert_eq!(console.last_line().as_deref(), Some("second"));
        for _ in 0..3000 {
            console.append(b"abc");
        }
        console.append(&[b'x'; 2 * KEPT]);
        console.append(b"end");
        let written = console.take().unwrap();
        assert_eq!(written.total, 15 + 9000 + 8192 + 3);
        assert_eq!(written.tail.len(), KEPT);
        assert!(written.text().ends_with("xxxend"));
        assert!(written.text().starts_with("xxx"));
        assert_eq!(console.take(), None);
    }
}
