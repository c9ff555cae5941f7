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
    waiting: AtomicU32,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
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
            waiting: AtomicU32::new(0),
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
        let _in_line = InLine::stand(&self.waiting, self.capacity.queue).ok_or(Full::Line)?;
        let acquired = self.places.clone().acquire_owned();
        match tokio::time::timeout(self.capacity.wait, acquired).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            _closed_or_elapsed => Err(Full::Waited),
        }
    }
}

struct InLine<'a>(&'a AtomicU32);

impl<'a> InLine<'a> {
    fn stand(waiting: &'a AtomicU32, most: u32) -> Option<Self> {
        let place = InLine(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for InLine<'_> {
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
