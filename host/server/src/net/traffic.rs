//! What a connection carries, so that one whose client takes no answers, or asks nothing, is told from a busy one.
//!
//! Below HTTP such a client may look alive: it answers pings, or takes a byte now and then. So what counts here is whether
//! another piece of an answer is wanted, and whether another request comes.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The most bytes of an answer that are handed on at once; the next come when these are on their way. The length of
/// HTTP/2's own frames (RFC 9113, 4.2).
const PIECE: usize = 16 << 10;

/// What a connection carries.
pub(super) struct Traffic {
    /// For so long a client may take nothing of the answers that wait for it,
    write_wait: Duration,
    /// and ask nothing.
    head_wait: Duration,
    state: Mutex<State>,
}

struct State {
    /// Requests without an answer.
    asked: u32,
    /// Answers that have not ended.
    answers: u32,
    /// Those of them whose next piece waits for the client, and not for the function.
    offered: u32,
    /// When any of this last moved.
    moved: Instant,
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing for so long.
    Goes(Duration),
    /// Its client has asked nothing for too long.
    Idle,
    /// Its client takes nothing of its answers.
    Stalled,
}

impl Traffic {
    pub(super) fn new(write_wait: Duration, head_wait: Duration, now: Instant) -> Arc<Self> {
        Arc::new(Traffic {
            write_wait,
            head_wait,
            state: Mutex::new(State {
                asked: 0,
                answers: 0,
                offered: 0,
                moved: now,
            }),
        })
    }

    pub(super) fn verdict(&self, now: Instant) -> Verdict {
        let state = self.state();
        let still = now.saturating_duration_since(state.moved);
        let (patience, verdict) = match *state {
            State {
                offered: 0,
                answers: 0,
                asked: 0,
                ..
            } => (self.head_wait, Verdict::Idle),
            State { offered: 0, .. } => {
                return Verdict::Goes(self.write_wait.min(self.head_wait));
            }
            _ => (self.write_wait, Verdict::Stalled),
        };
        match patience.saturating_sub(still) {
            Duration::ZERO => verdict,
            // Not longer than either wait, so that whatever else begins meanwhile is looked at in time.
            left => Verdict::Goes(left.min(self.write_wait).min(self.head_wait)),
        }
    }

    /// A request has come.
    pub(super) fn ask(self: &Arc<Self>) -> Asked {
        self.state().asked += 1;
        Asked(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request without an answer.
pub(super) struct Asked(Arc<Traffic>);

impl Asked {
    /// The answer to it, in pieces.
    pub(super) fn answer<B>(self, body: B) -> Pieces<B> {
        {
            let mut state = self.0.state();
            state.answers += 1;
            state.offered += 1;
        }
        Pieces {
            body,
            rest: Bytes::new(),
            is_offered: true,
            traffic: self.0.clone(),
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.asked -= 1;
        state.moved = Instant::now();
    }
}

/// The body of an answer, in pieces.
pub(super) struct Pieces<B> {
    body: B,
    /// Of the frame that was taken last.
    rest: Bytes,
    is_offered: bool,
    traffic: Arc<Traffic>,
}

impl<B> Pieces<B> {
    /// Whether the next piece waits for the client.
    fn offer(&mut self, is_offered: bool) {
        let mut state = self.traffic.state();
        state.moved = Instant::now();
        match (self.is_offered, is_offered) {
            (false, true) => state.offered += 1,
            (true, false) => state.offered -= 1,
            _ => {}
        }
        drop(state);
        self.is_offered = is_offered;
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Pieces<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            let polled = Pin::new(&mut this.body).poll_frame(context);
            this.offer(polled.is_ready());
            match polled {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return other,
            }
        } else {
            this.offer(true);
        }
        let length = this.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl<B> Drop for Pieces<B> {
    fn drop(&mut self) {
        self.offer(false);
        self.traffic.state().answers -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use http::HeaderMap;
    use http_body_util::BodyExt as _;

    use super::*;

    const WRITE: Duration = Duration::from_secs(3);
    const HEAD: Duration = Duration::from_secs(5);

    /// Frames; `None`: not yet.
    struct Given(VecDeque<Option<Frame<Bytes>>>);

    impl Body for Given {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.get_mut().0.pop_front() {
                Some(None) => Poll::Pending,
                Some(Some(frame)) => Poll::Ready(Some(Ok(frame))),
                None => Poll::Ready(None),
            }
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }
    }

    fn poll<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Poll<Option<Frame<Bytes>>>
    where
        B::Error: std::fmt::Debug,
    {
        let mut context = Context::from_waker(std::task::Waker::noop());
        Pin::new(body)
            .poll_frame(&mut context)
            .map(|frame| frame.map(Result::unwrap))
    }

    #[tokio::test]
    async fn a_long_answer_goes_in_pieces_and_is_the_same() {
        let traffic = Traffic::new(WRITE, HEAD, Instant::now());
        let long: Bytes = (0..=255).cycle().take(2 * PIECE + 1).collect();
        let mut trailers = HeaderMap::new();
        trailers.insert("checksum", http::HeaderValue::from_static("1"));
        let frames = [Frame::data(long.clone()), Frame::trailers(trailers.clone())];
        let mut body = traffic
            .ask()
            .answer(Given(frames.into_iter().map(Some).collect()));
        let Poll::Ready(Some(first)) = poll(&mut body) else {
            panic!("it is there");
        };
        let first = first.into_data().unwrap();
        assert_eq!((first.len(), body.is_end_stream()), (PIECE, false));
        assert_eq!(body.size_hint().lower() as usize, long.len() - PIECE);
        let rest = body.collect().await.unwrap();
        assert_eq!(rest.trailers(), Some(&trailers));
        assert_eq!([first, rest.to_bytes()].concat(), long);
        let full = http_body_util::Full::new(long.clone());
        let body = traffic.ask().answer(full);
        assert_eq!(body.size_hint().exact(), Some(long.len() as u64));
        assert_eq!(body.collect().await.unwrap().to_bytes(), long);
    }

    #[test]
    fn a_client_that_asks_nothing_or_takes_nothing_is_told_from_one_that_waits() {
        let begun = Instant::now();
        let traffic = Traffic::new(WRITE, HEAD, begun);
        // Later than whatever moves meanwhile.
        let after = |patience: Duration| Instant::now() + patience;
        assert_eq!(traffic.verdict(begun), Verdict::Goes(WRITE));
        assert_eq!(
            traffic.verdict(begun + HEAD - Duration::from_secs(1)),
            Verdict::Goes(Duration::from_secs(1))
        );
        assert_eq!(traffic.verdict(after(HEAD)), Verdict::Idle);

        let asked = traffic.ask();
        let goes = Verdict::Goes(WRITE);
        assert_eq!(traffic.verdict(after(2 * HEAD)), goes, "the function works");
        let frames = [
            Some(Frame::data("a".into())),
            None,
            Some(Frame::data("b".into())),
        ];
        let mut body = asked.answer(Given(frames.into()));
        assert_eq!(traffic.verdict(after(WRITE)), Verdict::Stalled);
        assert!(poll(&mut body).is_ready());
        assert_eq!(traffic.verdict(after(WRITE)), Verdict::Stalled);
        assert!(poll(&mut body).is_pending());
        assert_eq!(
            traffic.verdict(after(2 * HEAD)),
            goes,
            "the function works on"
        );
        assert!(poll(&mut body).is_ready());
        assert_eq!(traffic.verdict(after(WRITE)), Verdict::Stalled);
        drop(body);
        assert!(matches!(traffic.verdict(after(WRITE)), Verdict::Goes(_)));
        assert_eq!(traffic.verdict(after(HEAD)), Verdict::Idle);
        drop(traffic.ask());
        assert_eq!(traffic.verdict(after(HEAD)), Verdict::Idle);
    }
}
