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
    /// Of a host: the part of its places of which each function may have one at a time.
    kept: Arc<Semaphore>,
    /// Of a function: the right to one of those.
    right: Arc<Semaphore>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _right: Option<OwnedSemaphorePermit>,
}

/// Of a host's places, one in so many is kept.
const KEPT: u32 = 8;

/// A place, or a place in the line before it, that cannot be lost any more.
pub(crate) enum Claim {
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
    /// The places of a function.
    pub(crate) fn new(capacity: Capacity) -> Self {
        Admission::with(capacity, 0)
    }

    /// The places of a host. An eighth of them, and at least one unless there is only one, is kept: of these a function
    /// may have one at a time, so that a few busy functions cannot take the places of all others.
    pub(crate) fn of_host(capacity: Capacity) -> Self {
        let kept = (capacity.places / KEPT).max(1).min(capacity.places - 1);
        Admission::with(capacity, kept)
    }

    fn with(capacity: Capacity, kept: u32) -> Self {
        Admission {
            capacity,
            places: Arc::new(Semaphore::new((capacity.places - kept) as usize)),
            waiting: Arc::new(AtomicU32::new(0)),
            kept: Arc::new(Semaphore::new(kept as usize)),
            right: Arc::new(Semaphore::new(1)),
        }
    }

    pub(crate) fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Requests that run now.
    pub(crate) fn running(&self) -> u32 {
        let free = self.places.available_permits() + self.kept.available_permits();
        self.capacity.places - free as u32
    }

    /// Requests that wait now.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A place if one is free and nobody waits for it.
    pub(crate) fn try_enter(&self) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        Some(Place::of(permit))
    }

    /// A place of a host for a call of `function`, if one is free for it and nobody waits for it.
    pub(crate) fn try_enter_for(&self, function: &Admission) -> Option<Place> {
        self.try_enter().or_else(|| {
            let right = function.right.clone().try_acquire_owned().ok()?;
            let permit = self.kept.clone().try_acquire_owned().ok()?;
            Some(Place {
                _permit: permit,
                _right: Some(right),
            })
        })
    }

    /// A place, at once or after waiting in line.
    pub(crate) async fn enter(&self) -> Result<Place, Full> {
        if let Some(place) = self.try_enter() {
            return Ok(place);
        }
        let _in_line = self.stand().ok_or(Full::Line)?;
        tokio::time::timeout(self.capacity.wait, self.enter_at_last())
            .await
            .map_err(|_elapsed| Full::Waited)
    }

    /// A place of a host for a call of `function`, at once or after waiting in line.
    pub(crate) async fn enter_for(&self, function: &Admission) -> Result<Place, Full> {
        if let Some(place) = self.try_enter_for(function) {
            return Ok(place);
        }
        let _in_line = self.stand().ok_or(Full::Line)?;
        tokio::time::timeout(self.capacity.wait, self.enter_at_last_for(function))
            .await
            .map_err(|_elapsed| Full::Waited)
    }

    /// A place, or a place in line, at once; `None` when the line is as long as it may be.
    pub(crate) fn claim(&self) -> Option<Claim> {
        Some(match self.try_enter() {
            Some(place) => Claim::Place(place),
            None => Claim::InLine(self.stand()?),
        })
    }

    /// [`claim`](Self::claim) of a host's place for a call of `function`.
    pub(crate) fn claim_for(&self, function: &Admission) -> Option<Claim> {
        Some(match self.try_enter_for(function) {
            Some(place) => Claim::Place(place),
            None => Claim::InLine(self.stand()?),
        })
    }

    /// A place, however long it takes, for whom the length of the line is no bound any more.
    pub(crate) async fn enter_at_last(&self) -> Place {
        Place::of(acquired(&self.places).await)
    }

    /// A place of a host for a call of `function`, however long it takes: whatever becomes free for it first.
    pub(crate) async fn enter_at_last_for(&self, function: &Admission) -> Place {
        let kept = async {
            let right = acquired(&function.right).await;
            Place {
                _permit: acquired(&self.kept).await,
                _right: Some(right),
            }
        };
        tokio::select! {
            permit = acquired(&self.places) => Place::of(permit),
            place = kept => place,
        }
    }

    fn stand(&self) -> Option<InLine> {
        let place = InLine(self.waiting.clone());
        (self.waiting.fetch_add(1, Ordering::Relaxed) < self.capacity.queue).then_some(place)
    }
}

async fn acquired(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let permit = places.clone().acquire_owned().await;
    permit.expect("nobody closes the places")
}

impl Place {
    fn of(permit: OwnedSemaphorePermit) -> Self {
        Place {
            _permit: permit,
            _right: None,
        }
    }
}

impl Claim {
    /// Whether it is a place already.
    pub(crate) fn is_place(&self) -> bool {
        matches!(self, Claim::Place(_))
    }

    /// The place; `at_last` gives it to whom is in line.
    pub(crate) async fn place(self, at_last: impl Future<Output = Place>) -> Place {
        match self {
            Claim::Place(place) => place,
            Claim::InLine(_in_line) => at_last.await,
        }
    }
}

/// A place in line, until it is dropped.
pub(crate) struct InLine(Arc<AtomicU32>);

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
    async fn a_few_functions_cannot_take_the_places_of_the_others() {
        let of_host = |places, queue, wait| {
            Admission::of_host(Capacity {
                places,
                queue,
                wait,
            })
        };
        let defaults = crate::configuration::Document::default();
        let (places, most) = (defaults.concurrency, defaults.limits.concurrency);
        let host = of_host(places, 0, Duration::ZERO);
        let function = || admission(most, 0, Duration::ZERO);
        let busy = [function(), function(), function()];
        let mut taken = Vec::new();
        for function in &busy {
            while let (Some(own), Some(place)) =
                (function.try_enter(), host.try_enter_for(function))
            {
                taken.push((own, place));
            }
        }
        // The first needs none of the kept places, the others have one each.
        assert_eq!(host.running(), places - places / 8 + 2);
        let other = function();
        let place = host.enter_for(&other).await.unwrap();
        assert_eq!(host.enter_for(&other).await.unwrap_err(), Full::Line);
        drop(place);
        assert!(host.enter_for(&other).await.is_ok());

        // In line, too, a call waits for whatever becomes free for it first.
        let host = Arc::new(of_host(2, 8, Duration::from_secs(5)));
        let (first, second) = (Arc::new(function()), Arc::new(function()));
        let shared = host.try_enter_for(&first).unwrap();
        let kept = host.try_enter_for(&first).unwrap();
        let mut taken = Vec::new();
        for freed in [kept, shared] {
            let waiting = tokio::spawn({
                let (host, second) = (host.clone(), second.clone());
                async move { host.enter_for(&second).await }
            });
            tokio::task::yield_now().await;
            assert_eq!((host.running(), host.waiting()), (2, 1));
            drop(freed);
            taken.push(waiting.await.unwrap().unwrap());
        }
        assert_eq!(of_host(1, 0, Duration::ZERO).running(), 0);
        assert!(of_host(1, 0, Duration::ZERO).try_enter().is_some());
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
        let waiting = tokio::spawn({
            let admission = admission.clone();
            async move { second.place(admission.enter_at_last()).await }
        });
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
