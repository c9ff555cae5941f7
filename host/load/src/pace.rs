//! When requests are due.

use std::io;
use std::time::{Duration, Instant};

/// A constant rate: the n-th request is due `n / rate` seconds after the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    rate: f64,
}

impl Schedule {
    pub(crate) fn new(rate: f64) -> Schedule {
        Schedule { rate }
    }

    /// When request `number` is due, from the start.
    pub(crate) fn due(self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// How many requests are due before `end`.
    pub(crate) fn before(self, end: Duration) -> u64 {
        let mut count = (end.as_secs_f64() * self.rate).ceil() as u64;
        // The division in `due` may round to the other side.
        while self.due(count) < end {
            count += 1;
        }
        while count > 0 && self.due(count - 1) >= end {
            count -= 1;
        }
        count
    }
}

/// Waits for moments more exactly than tokio's timers, whose step is a millisecond: a request that is due in 100 µs
/// must not look a millisecond slow.
#[cfg(target_os = "linux")]
pub(crate) struct Alarm(tokio::net::unix::pipe::Receiver);

#[cfg(target_os = "linux")]
impl Alarm {
    /// Must be called inside a tokio runtime.
    pub(crate) fn new() -> io::Result<Alarm> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // To a reader, a timer is like a pipe into which the kernel writes when the time has come.
        tokio::net::unix::pipe::Receiver::from_owned_fd_unchecked(timer).map(Alarm)
    }

    /// Returns at `moment` or after it, never before.
    pub(crate) async fn until(&self, moment: Instant) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        loop {
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let once = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec {
                    tv_sec: left.as_secs() as i64,
                    tv_nsec: left.subsec_nanos().into(),
                },
            };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
            self.rung().await?;
        }
    }

    async fn rung(&self) -> io::Result<()> {
        // Longer than the 8 bytes the kernel writes, so that tokio sees that no more are there.
        let mut count = [0; 16];
        loop {
            self.0.readable().await?;
            match self.0.try_read(&mut count) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done.map(drop),
            }
        }
    }
}

/// Waits for moments, to the millisecond.
#[cfg(not(target_os = "linux"))]
pub(crate) struct Alarm(());

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(crate) fn new() -> io::Result<Alarm> {
        Ok(Alarm(()))
    }

    pub(crate) async fn until(&self, moment: Instant) -> io::Result<()> {
        tokio::time::sleep_until(moment.into()).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_requests_are_due_as_the_rate_says() {
        for (rate, seconds, count) in [
            (1000.0, 10.0, 10_000),
            (0.3, 10.0, 3),
            (3.0, 1.0, 3),
            (0.001, 1.0, 1),
            (1e6, 3600.0, 3_600_000_000),
            (7.1, 0.000_001, 1),
        ] {
            let schedule = Schedule::new(rate);
            let end = Duration::from_secs_f64(seconds);
            assert_eq!(schedule.before(end), count, "{rate}/s for {seconds} s");
            assert!(schedule.due(count - 1) < end && schedule.due(count) >= end);
        }
    }

    #[tokio::test]
    async fn an_alarm_rings_after_its_moment_and_not_a_millisecond_later() {
        let alarm = Alarm::new().expect("a timer");
        let mut latest = Vec::new();
        for step in 0..200 {
            let moment = Instant::now() + Duration::from_micros(100 + step);
            alarm.until(moment).await.expect("a ring");
            let late = Instant::now().checked_duration_since(moment);
            latest.push(late.expect("never before its moment"));
        }
        latest.sort();
        // The median: a busy machine may be late with some.
        assert!(
            latest[100] < Duration::from_micros(700),
            "{:?}",
            latest[100]
        );
    }
}
