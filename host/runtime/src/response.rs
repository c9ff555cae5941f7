//! The body of a function's answer, as it comes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::failure::Failure;
use crate::http_door::body_failure;
use crate::invocation::Ledger;

/// The body of a function's answer: whole when the function had finished, else a stream. A stream whose function fails
/// ends with an error, so that a cut answer never looks complete.
pub struct ResponseBody(Kind);

enum Kind {
    Whole(VecDeque<Frame<Bytes>>),
    Stream {
        taken: VecDeque<Frame<Bytes>>,
        rest: HyperOutgoingBody,
        guest: Option<StreamingGuest>,
        /// Held until the answer has been read or dropped.
        ledger: Option<Arc<Ledger>>,
    },
}

/// A guest that goes on while its answer is read.
pub(crate) struct StreamingGuest {
    task: JoinHandle<Result<(), Failure>>,
    fault: Arc<OnceLock<Failure>>,
    /// It has ended its body by itself and may finish its work.
    released: bool,
}

impl StreamingGuest {
    /// A guest that runs as `task` and leaves its failure in `fault`.
    pub(crate) fn new(
        task: JoinHandle<Result<(), Failure>>,
        fault: Arc<OnceLock<Failure>>,
    ) -> Self {
        StreamingGuest {
            task,
            fault,
            released: false,
        }
    }
}

impl ResponseBody {
    /// A body of these bytes.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        ResponseBody(Kind::Whole([Frame::data(bytes.into())].into()))
    }

    /// All frames of a finished body; its data become one frame.
    pub(crate) fn whole(frames: VecDeque<Frame<Bytes>>) -> Self {
        if frames.len() <= 1 {
            return ResponseBody(Kind::Whole(frames));
        }
        let mut data = BytesMut::with_capacity(
            frames
                .iter()
                .filter_map(Frame::data_ref)
                .map(Bytes::len)
                .sum(),
        );
        let mut trailers = None;
        for frame in frames {
            match frame.into_data() {
                Ok(bytes) => data.extend_from_slice(&bytes),
                Err(frame) => trailers = Some(frame),
            }
        }
        ResponseBody(Kind::Whole(
            [Frame::data(data.freeze())]
                .into_iter()
                .chain(trailers)
                .collect(),
        ))
    }

    pub(crate) fn stream(
        taken: VecDeque<Frame<Bytes>>,
        rest: HyperOutgoingBody,
        guest: Option<StreamingGuest>,
        ledger: Option<Arc<Ledger>>,
    ) -> Self {
        ResponseBody(Kind::Stream {
            taken,
            rest,
            guest,
            ledger,
        })
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(frames) => Poll::Ready(frames.pop_front().map(Ok)),
            Kind::Stream {
                taken,
                rest,
                guest,
                ledger,
            } => {
                let frame = match taken.pop_front() {
                    Some(frame) => Some(Ok(frame)),
                    None => std::task::ready!(Pin::new(rest).poll_frame(context)),
                };
                Poll::Ready(match (frame, guest) {
                    (Some(Ok(frame)), _) => {
                        if let Some(ledger) = ledger {
                            ledger.add_bytes_out(frame.data_ref().map_or(0, Bytes::len) as u64);
                        }
                        Some(Ok(frame))
                    }
                    (Some(Err(error)), _) => {
                        let failure = body_failure(&error);
                        if let Some(ledger) = ledger {
                            ledger.fail(&failure);
                        }
                        Some(Err(failure))
                    }
                    (None, guest) => {
                        *ledger = None;
                        guest.as_mut().and_then(|guest| {
                            guest.released = true;
                            guest.fault.get().cloned().map(Err)
                        })
                    }
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Kind::Whole(frames) if frames.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(frames) => SizeHint::with_exact(
                frames
                    .iter()
                    .filter_map(Frame::data_ref)
                    .map(|data| data.len() as u64)
                    .sum(),
            ),
            Kind::Stream { .. } => SizeHint::default(),
        }
    }
}

impl Drop for StreamingGuest {
    fn drop(&mut self) {
        if !self.released {
            self.task.abort();
        }
    }
}
