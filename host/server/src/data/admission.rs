//! Places for requests that run, and the lines before them: one per function, one for the whole host.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many requests at once; so many more wait, for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) places: u32,
    pub(crate) queue: u32,
    pub(crate) wait: Duration,
}

/// Places for requests that run at once, and a line of bounded length before them.
pub(crate) struct Admission {
    capacity: Capacity,
    places: Arc<Semaphore>,
    waiting: Arc<AtomicU32>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// A place, or a place in the line before it, that cannot be lost any more.
pub(crate) struct Claim {
    admission: Arc<Admission>,
    held: Held,
}

enum Held {
    Place(Place),
    InLine(InLine),
}

/// There is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The line is as long as it may be.
    Line,
    /// No place became free in time.
    Waited,
}

impl Admission {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Admission {
            capacity,
            places: Arc::new(Semaphore::new(capacity.places as usize)),
            waiting: Arc::new(AtomicU32::new(0)),
        }
    }

    pub(crate) fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Requests that run now.
    pub(crate) fn running(&self) -> u32 {
        self.capacity.places - self.places.available_permits() as u32
    }

    /// Requests that wait now.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A place if one is free and nobody waits for it.
    pub(crate) fn try_enter(&self) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        Some(Place { _permit: permit })
    }

    /// A place, at once or after waiting in line.
    pub(crate) async fn enter(&self) -> Result<Place, Full> {
        if let Some(place) = self.try_enter() {
            return Ok(place);
        }
        let _in_line = self.stand().ok_or(Full::Line)?;
        let acquired = self.places.clone().acquire_owned();
        match tokio::time::timeout(self.capacity.wait, acquired).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            _closed_or_elapsed => Err(Full::Waited),
        }
    }

    /// A place, or a place in line, at once; `None` when the line is as long as it may be.
    pub(crate) fn claim(self: &Arc<Self>) -> Option<Claim> {
        let held = match self.try_enter() {
            Some(place) => Held::Place(place),
            None => Held::InLine(self.stand()?),
        };
        Some(Claim {
            admission: self.clone(),
            held,
        })
    }

    /// A place, however long it takes, for whom the length of the line is no bound any more.
    pub(crate) async fn enter_at_last(&self) -> Place {
        let permit = self.places.clone().acquire_owned().await;
        Place {
            _permit: permit.expect("nobody closes the places"),
        }
    }

    fn stand(&self) -> Option<InLine> {
        let place = InLine(self.waiting.clone());
        (self.waiting.fetch_add(1, Ordering::Relaxed) < self.capacity.queue).then_some(place)
    }
}

impl Claim {
    /// Whether it is a place already.
    pub(crate) fn is_place(&self) -> bool {
        matches!(self.held, Held::Place(_))
    }

    /// The place, however long it takes.
    pub(crate) async fn place(self) -> Place {
        match self.held {
            Held::Place(place) => place,
            Held::InLine(_in_line) => self.admission.enter_at_last().await,
        }
    }
}

struct InLine(Arc<AtomicU32>);

impl Drop for InLine {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(places: u32, queue: u32, wait: Duration) -> Admission {
        Admission::new(Capacity {
            places,
            queue,
            wait,
        })
    }

    #[tokio::test]
    async fn whoever_finds_no_place_waits_in_a_line_of_bounded_length() {
        let admission = Arc::new(admission(1, 1, Duration::from_millis(200)));
        let first = admission.enter().await.unwrap();
        assert_eq!((admission.running(), admission.waiting()), (1, 0));
        let second = tokio::spawn({
            let admission = admission.clone();
            async move { admission.enter().await }
        });
        tokio::task::yield_now().await;
        assert_eq!(admission.waiting(), 1);
        assert_eq!(admission.enter().await.unwrap_err(), Full::Line);
        drop(first);
        let second = second.await.unwrap().unwrap();
        assert_eq!((admission.running(), admission.waiting()), (1, 0));
        assert_eq!(admission.enter().await.unwrap_err(), Full::Waited);
        assert_eq!(admission.waiting(), 0, "who gave up has left the line");
        drop(second);
        assert!(admission.try_enter().is_some());
    }

    #[tokio::test]
    async fn whoever_goes_away_leaves_the_line() {
        let admission = admission(1, 4, Duration::from_secs(5));
        let _held = admission.enter().await.unwrap();
        {
            let mut waiting = std::pin::pin!(admission.enter());
            assert!(futures_poll_once(&mut waiting).await.is_none());
            assert_eq!(admission.waiting(), 1);
        }
        assert_eq!(admission.waiting(), 0);
    }

    #[tokio::test]
    async fn a_claim_holds_its_place_in_line_and_is_never_too_late() {
        let admission = Arc::new(admission(1, 1, Duration::from_millis(1)));
        let first = admission.claim().unwrap();
        let second = admission.claim().unwrap();
        assert!(first.is_place() && !second.is_place());
        assert_eq!((admission.running(), admission.waiting()), (1, 1));
        assert!(admission.claim().is_none(), "the line is full");
        let waiting = tokio::spawn(second.place());
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(admission.waiting(), 1);
        drop(first);
        let _place = waiting.await.unwrap();
        assert_eq!((admission.running(), admission.waiting()), (1, 0));
    }

    async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
