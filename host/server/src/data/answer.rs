//! An answer on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyaline_runtime::{Failure, ResponseBody};
use hyper::body::{Body, Frame, SizeHint};

use super::admission::Place;

/// The body of an answer. One that a function is still writing keeps that function's places taken.
pub(crate) struct AnswerBody(Kind);

enum Kind {
    Own(Full<Bytes>),
    OfFunction {
        body: ResponseBody,
        _places: Option<[Place; 2]>,
    },
}

impl AnswerBody {
    /// An answer of the host.
    pub(super) fn own(body: Bytes) -> Self {
        AnswerBody(Kind::Own(Full::new(body)))
    }

    /// An answer of a function, and the places it ran in.
    pub(super) fn of_function(body: ResponseBody, places: [Place; 2]) -> Self {
        let written = body.size_hint().exact().is_some();
        AnswerBody(Kind::OfFunction {
            body,
            _places: (!written).then_some(places),
        })
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
            Kind::OfFunction { body, .. } => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Own(body) => body.is_end_stream(),
            Kind::OfFunction { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Own(body) => body.size_hint(),
            Kind::OfFunction { body, .. } => body.size_hint(),
        }
    }
}
