//! A bucket of calls that refills steadily: the generic cell rate algorithm (ITU-T I.371) on one atomic number.
//!
//! Not the `governor` crate: it reads a clock of its own, and cannot give a call back that another limit refused.

use std::sync::atomic::{AtomicU64, Ordering};

use hyaline_control::Rate;

/// A [`Rate`] that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// A part of it is 0.
    #[error(
        "a rate of {requests} requests in {seconds} s with a burst of {burst} lets nothing through; each takes at least 1"
    )]
    Nothing {
        /// Its calls.
        requests: u32,
        /// Its seconds.
        seconds: u32,
        /// Its burst.
        burst: u32,
    },
    /// It takes too long to fill.
    #[error(
        "a burst of {burst} at {requests} requests in {seconds} s refills in {days} days; it takes at most 366 days"
    )]
    Slow {
        /// Its calls.
        requests: u32,
        /// Its seconds.
        seconds: u32,
        /// Its burst.
        burst: u32,
        /// Days until an empty bucket is full.
        days: u64,
    },
}

const DAY: u64 = 86_400 * 1_000_000_000;

/// What taking a call out of a [`Bucket`] gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A call.
    Call {
        /// Calls that are left.
        left: u64,
        /// Nanoseconds until the bucket is full.
        full_in: u64,
    },
    /// None.
    Empty {
        /// Nanoseconds until there is a call.
        call_in: u64,
        /// Nanoseconds until the bucket is full.
        full_in: u64,
    },
}

/// Calls per time. Full at first. Shared by threads without a lock; taking is one compare-and-swap.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    /// Nanoseconds in which one call refills.
    interval: u64,
    /// Nanoseconds in which the empty bucket fills.
    span: u64,
    /// The time, in nanoseconds since 1970, at which the bucket is full again.
    full_at: AtomicU64,
}

impl Bucket {
    /// # Errors
    /// [`RateError`]: a rate that lets nothing through, or whose bucket takes more than 366 days to fill.
    pub fn new(rate: Rate) -> Result<Self, RateError> {
        let Rate {
            requests, seconds, ..
        } = rate;
        let burst = rate.burst.unwrap_or(requests);
        if requests == 0 || seconds == 0 || burst == 0 {
            return Err(RateError::Nothing {
                requests,
                seconds,
                burst,
            });
        }
        // Rounded down, so that whoever calls exactly at the rate is never refused.
        let interval = (u64::from(seconds) * 1_000_000_000 / u64::from(requests)).max(1);
        let span = interval.saturating_mul(u64::from(burst));
        if span > 366 * DAY {
            return Err(RateError::Slow {
                requests,
                seconds,
                burst,
                days: span.div_ceil(DAY),
            });
        }
        Ok(Bucket {
            rate,
            interval,
            span,
            full_at: AtomicU64::new(0),
        })
    }

    /// The rate it was made of.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes a call, at a time in nanoseconds since 1970.
    pub fn take(&self, now: u64) -> Taken {
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            // More than a span ahead happens only when the clock went back; then the bucket counts as empty.
            let from = full_at.clamp(now, now.saturating_add(self.span));
            let then = from.saturating_add(self.interval);
            let ahead = then - now;
            if ahead > self.span {
                return Taken::Empty {
                    call_in: ahead - self.span,
                    full_in: from - now,
                };
            }
            match self.full_at.compare_exchange_weak(
                full_at,
                then,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    return Taken::Call {
                        left: (self.span - ahead) / self.interval,
                        full_in: ahead,
                    };
                }
                Err(changed) => full_at = changed,
            }
        }
    }

    /// Gives a call back that was taken but not used.
    pub fn give_back(&self) {
        let _ = self
            .full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                Some(full_at.saturating_sub(self.interval))
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const NOW: u64 = 1_700_000_000 * SECOND;

    fn rate(requests: u32, seconds: u32, burst: Option<u32>) -> Rate {
        Rate {
            requests,
            seconds,
            burst,
        }
    }

    fn taken(bucket: &Bucket, now: u64) -> bool {
        matches!(bucket.take(now), Taken::Call { .. })
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let bucket = Bucket::new(rate(10, 1, Some(3))).unwrap();
        assert_eq!(
            bucket.take(NOW),
            Taken::Call {
                left: 2,
                full_in: SECOND / 10
            }
        );
        assert!(taken(&bucket, NOW) && taken(&bucket, NOW));
        assert_eq!(
            bucket.take(NOW),
            Taken::Empty {
                call_in: SECOND / 10,
                full_in: 3 * SECOND / 10
            }
        );
        assert!(!taken(&bucket, NOW + SECOND / 10 - 1));
        assert!(taken(&bucket, NOW + SECOND / 10));
        assert!(!taken(&bucket, NOW + SECOND / 10));
        let after = (0..5).filter(|_| taken(&bucket, NOW + 9 * SECOND)).count();
        assert_eq!(after, 3, "it never holds more than its burst");
    }

    #[test]
    fn calling_exactly_at_the_rate_is_never_refused() {
        for (requests, seconds) in [(3, 1), (7, 60), (1, 3600), (u32::MAX, 1)] {
            let bucket = Bucket::new(rate(requests, seconds, Some(1))).unwrap();
            for call in 0..1000u64 {
                let at = NOW + call * u64::from(seconds) * SECOND / u64::from(requests);
                // At rates above one per nanosecond the clock itself cannot tell calls apart.
                assert!(
                    requests == u32::MAX || taken(&bucket, at),
                    "{requests} {call}"
                );
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_costs_at_most_one_filling() {
        let bucket = Bucket::new(rate(5, 1, None)).unwrap();
        assert!(taken(&bucket, NOW + 86_400 * SECOND));
        assert!(!taken(&bucket, NOW));
        let bucket = Bucket::new(rate(5, 1, None)).unwrap();
        assert!(taken(&bucket, NOW + 86_400 * SECOND));
        assert!(taken(&bucket, NOW + 86_400 * SECOND + 1));
        match bucket.take(NOW) {
            Taken::Empty { call_in, .. } => assert_eq!(call_in, SECOND / 5),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_given_back_can_be_taken_again() {
        let bucket = Bucket::new(rate(1, 60, None)).unwrap();
        assert!(taken(&bucket, NOW));
        assert!(!taken(&bucket, NOW));
        bucket.give_back();
        assert!(taken(&bucket, NOW));
        assert!(!taken(&bucket, NOW));
    }

    #[test]
    fn threads_together_get_no_more_than_the_burst() {
        let bucket = Bucket::new(rate(1000, 3600, None)).unwrap();
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).filter(|_| taken(&bucket, NOW)).count()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(total, 1000);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let bucket = Bucket::new(rate(1, 1, None)).unwrap();
        for now in [0, 1, u64::MAX, u64::MAX - 1, 0] {
            bucket.take(now);
        }
        bucket.give_back();
    }

    #[test]
    fn impossible_rates_are_refused() {
        assert_eq!(
            Bucket::new(rate(0, 1, None)).unwrap_err().to_string(),
            "a rate of 0 requests in 1 s with a burst of 0 lets nothing through; each takes at least 1"
        );
        assert_eq!(
            Bucket::new(rate(1, u32::MAX, None))
                .unwrap_err()
                .to_string(),
            "a burst of 1 at 1 requests in 4294967295 s refills in 49711 days; it takes at most 366 days"
        );
        assert!(Bucket::new(rate(u32::MAX, u32::MAX, Some(u32::MAX))).is_err());
    }
}
