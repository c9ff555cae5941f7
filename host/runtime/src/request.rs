//! The body of a request, as the function takes it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body whose bytes are counted as they are taken.
pub(crate) struct Counted<B> {
    /// On the heap, where it does not move, because few bodies can be moved once they have been polled.
    body: Pin<Box<B>>,
    taken: Option<Arc<AtomicU64>>,
}

impl<B> Counted<B> {
    pub(crate) fn new(body: B, taken: Option<Arc<AtomicU64>>) -> Self {
        Counted {
            body: Box::pin(body),
            taken,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = self.body.as_mut().poll_frame(context);
        if let (Poll::Ready(Some(Ok(frame))), Some(taken)) = (&polled, &self.taken) {
            taken.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
