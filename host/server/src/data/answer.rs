//! An answer on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyaline_runtime::{Failure, ResponseBody};
use hyper::body::{Body, Frame, SizeHint};

/// The body of an answer.
pub(crate) struct AnswerBody(Kind);

enum Kind {
    Own(Full<Bytes>),
    OfFunction(ResponseBody),
}

impl AnswerBody {
    /// An answer of the host.
    pub(super) fn own(body: Bytes) -> Self {
        AnswerBody(Kind::Own(Full::new(body)))
    }

    /// An answer of a function.
    pub(super) fn of_function(body: ResponseBody) -> Self {
        AnswerBody(Kind::OfFunction(body))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match &mut self.get_mut().0 {
            Kind::Own(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
            Kind::OfFunction(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Own(body) => body.is_end_stream(),
            Kind::OfFunction(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Own(body) => body.size_hint(),
            Kind::OfFunction(body) => body.size_hint(),
        }
    }
}
