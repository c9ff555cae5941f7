//! Calls per calendar period, UTC.

use std::sync::atomic::{AtomicU64, Ordering};

use hyaline_control::{Period, Quota};
use jiff::{Timestamp, tz::TimeZone};

/// A [`Quota`] that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// It is 0, or more than is counted.
    #[error("a quota of {requests} calls per {period} is out of range; it takes 1 to {COUNT}")]
    Range {
        /// Its calls.
        requests: u64,
        /// Its period.
        period: &'static str,
    },
    /// There are two for one period.
    #[error("there are two quotas per {period}; keep the smaller one")]
    Twice {
        /// The period.
        period: &'static str,
    },
}

/// Bits of the state that count calls; the rest says which period they were in.
const COUNT_BITS: u32 = 44;
/// The most calls that are counted in one period: 1.7 · 10¹³.
pub(crate) const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// The calls of a key in the current period. Shared by threads without a lock; counting is one compare-and-swap.
///
/// Period and count are one number, so that no call is counted into the wrong period when one ends.
#[derive(Debug)]
pub(crate) struct Counter {
    period: Period,
    limit: u64,
    state: AtomicU64,
    flushed: AtomicU64,
}

/// What counting a call gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Whether the call is within the quota.
    pub within: bool,
    /// Calls that are left.
    pub left: u64,
}

/// The counters of a key's quotas.
///
/// # Errors
/// [`QuotaError`]: a quota out of range, or two for one period.
pub(crate) fn counters(quotas: &[Quota]) -> Result<Vec<Counter>, QuotaError> {
    let mut counters: Vec<Counter> = Vec::with_capacity(quotas.len());
    for quota in quotas {
        let period = word(quota.period);
        if !(1..=COUNT).contains(&quota.requests) {
            return Err(QuotaError::Range {
                requests: quota.requests,
                period,
            });
        }
        if counters.iter().any(|other| other.period == quota.period) {
            return Err(QuotaError::Twice { period });
        }
        counters.push(Counter {
            period: quota.period,
            limit: quota.requests,
            state: AtomicU64::new(0),
            flushed: AtomicU64::new(0),
        });
    }
    Ok(counters)
}

impl Counter {
    pub(crate) fn period(&self) -> Period {
        self.period
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Counts a call.
    pub(crate) fn take(&self, now: Moment) -> Counted {
        let current = now.index(self.period);
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let (counted_in, count) = (state >> COUNT_BITS, state & COUNT);
            // A clock that is set back a little around midnight goes on with the period that had begun. One that is
            // further ahead was wrong, and what it counted then is dropped.
            let (period, count) = if counted_in == current || counted_in == current + 1 {
                (counted_in, count)
            } else {
                (current, 0)
            };
            if count >= self.limit {
                return Counted {
                    within: false,
                    left: 0,
                };
            }
            let next = period << COUNT_BITS | (count + 1);
            match self.state.compare_exchange_weak(
                state,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    return Counted {
                        within: true,
                        left: self.limit - count - 1,
                    };
                }
                Err(changed) => state = changed,
            }
        }
    }

    /// Gives back a call that was counted but not used.
    pub(crate) fn give_back(&self) {
        let _ = self
            .state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
                (state & COUNT > 0).then(|| state - 1)
            });
    }

    /// Calls counted in the period that `now` lies in.
    pub(crate) fn count(&self, now: Moment) -> u64 {
        let state = self.state.load(Ordering::Relaxed);
        let current = now.index(self.period);
        match state >> COUNT_BITS {
            counted_in if counted_in == current || counted_in == current + 1 => state & COUNT,
            _ => 0,
        }
    }

    /// Seconds until the period ends, at least 1; `None` for one that never does.
    pub(crate) fn ends_in(&self, now: Moment) -> Option<u64> {
        now.ends_in(self.period)
    }

    /// What must be kept, if it is not what was kept last. [`Counter::flushed`] says when it is.
    pub(crate) fn unflushed(&self) -> Option<u64> {
        let state = self.state.load(Ordering::Relaxed);
        (state != self.flushed.load(Ordering::Relaxed)).then_some(state)
    }

    pub(crate) fn flushed(&self, state: u64) {
        self.flushed.store(state, Ordering::Relaxed);
    }

    /// Goes on from what was kept.
    pub(crate) fn resume(&self, state: u64) {
        self.state.store(state, Ordering::Relaxed);
        self.flushed(state);
    }
}

/// The period in words, for headers, messages and the database.
pub(crate) fn word(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Month => "month",
        Period::Total => "total",
    }
}

const DAY: i64 = 86_400;

/// A time in the calendar, read once per call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    second: i64,
    /// Months since 1970.
    month: i64,
    /// Whole days after this one until the month ends.
    days_after: i64,
}

impl Moment {
    pub(crate) fn of(now: Timestamp) -> Self {
        let date = TimeZone::UTC.to_datetime(now).date();
        Moment {
            second: now.as_second(),
            month: (i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1,
            days_after: i64::from(date.days_in_month()) - i64::from(date.day()),
        }
    }

    /// The number of the period: days or months, counted from 1970, plus 1, so that 0 is no period.
    fn index(self, period: Period) -> u64 {
        let number = match period {
            Period::Day => self.second.div_euclid(DAY),
            Period::Month => self.month,
            Period::Total => 0,
        };
        // Twenty bits hold 2,870 years of days; the clock of a host that is further off is no clock.
        u64::try_from(number).unwrap_or(0).min((1 << 20) - 3) + 1
    }

    /// Seconds until the period ends, 1 at least; `None` for one that never does.
    fn ends_in(self, period: Period) -> Option<u64> {
        let today = DAY - self.second.rem_euclid(DAY);
        let left = match period {
            Period::Day => today,
            Period::Month => today + self.days_after * DAY,
            Period::Total => return None,
        };
        u64::try_from(left).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::of(text.parse().unwrap())
    }

    fn counter(requests: u64, period: Period) -> Counter {
        counters(&[Quota { requests, period }]).unwrap().remove(0)
    }

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let counter = counter(2, Period::Day);
        let late = at("2026-11-27T23:59:59Z");
        assert_eq!(
            counter.take(late),
            Counted {
                within: true,
                left: 1
            }
        );
        assert_eq!(
            counter.take(late),
            Counted {
                within: true,
                left: 0
            }
        );
        assert_eq!(
            counter.take(late),
            Counted {
                within: false,
                left: 0
            }
        );
        assert_eq!(counter.ends_in(late), Some(1));
        assert_eq!(
            counter.take(at("2026-11-28T00:00:00Z")),
            Counted {
                within: true,
                left: 1
            }
        );
    }

    #[test]
    fn months_have_their_own_lengths() {
        for (now, left) in [
            ("2026-02-28T23:59:59.9Z", 1),
            ("2028-02-28T23:59:59Z", 86_401),
            ("2026-12-01T00:00:00Z", 31 * 86_400),
            ("2026-04-30T12:00:00Z", 43_200),
        ] {
            assert_eq!(at(now).ends_in(Period::Month), Some(left), "{now}");
        }
        let counter = counter(1, Period::Month);
        assert!(counter.take(at("2026-11-01T00:00:00Z")).within);
        assert!(!counter.take(at("2026-11-30T23:59:59Z")).within);
        assert!(counter.take(at("2026-12-01T00:00:00Z")).within);
        assert!(!counter.take(at("2026-12-31T23:59:59Z")).within);
        assert!(counter.take(at("2027-01-01T00:00:00Z")).within);
    }

    #[test]
    fn a_total_never_begins_again() {
        let counter = counter(1, Period::Total);
        assert!(counter.take(at("2026-11-01T00:00:00Z")).within);
        assert!(!counter.take(at("2226-11-01T00:00:00Z")).within);
        assert_eq!(counter.ends_in(at("2026-11-01T00:00:00Z")), None);
    }

    #[test]
    fn setting_the_clock_back_over_midnight_gives_no_second_quota() {
        let counter = counter(1, Period::Day);
        assert!(counter.take(at("2026-11-28T00:00:01Z")).within);
        assert!(!counter.take(at("2026-11-27T23:59:59Z")).within);
    }

    #[test]
    fn a_clock_that_was_years_ahead_does_not_block_a_key_for_years() {
        let counter = counter(1, Period::Day);
        assert!(counter.take(at("2099-01-01T00:00:00Z")).within);
        assert!(counter.take(at("2026-11-27T12:00:00Z")).within);
        assert!(!counter.take(at("2026-11-27T12:00:00Z")).within);
    }

    #[test]
    fn calls_given_back_count_no_more_and_never_less_than_nothing() {
        let counter = counter(1, Period::Day);
        let now = at("2026-11-27T12:00:00Z");
        counter.give_back();
        assert!(counter.take(now).within);
        counter.give_back();
        assert_eq!(counter.count(now), 0);
        assert!(counter.take(now).within);
        assert_eq!(counter.count(now), 1);
    }

    #[test]
    fn threads_together_get_no_more_than_the_quota() {
        let counter = counter(1000, Period::Month);
        let now = at("2026-11-27T12:00:00Z");
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).filter(|_| counter.take(now).within).count()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(total, 1000);
    }

    #[test]
    fn the_ends_of_time_are_counted_too() {
        for period in [Period::Day, Period::Month, Period::Total] {
            let counter = counter(1, period);
            for now in [Timestamp::MIN, Timestamp::MAX] {
                counter.take(Moment::of(now));
                counter.ends_in(Moment::of(now));
            }
        }
    }

    #[test]
    fn impossible_quotas_are_refused() {
        let quota = |requests, period| Quota { requests, period };
        assert_eq!(
            counters(&[quota(0, Period::Day)]).unwrap_err().to_string(),
            "a quota of 0 calls per day is out of range; it takes 1 to 17592186044415"
        );
        assert!(counters(&[quota(u64::MAX, Period::Day)]).is_err());
        assert_eq!(
            counters(&[quota(1, Period::Day), quota(2, Period::Day)])
                .unwrap_err()
                .to_string(),
            "there are two quotas per day; keep the smaller one"
        );
    }
}
