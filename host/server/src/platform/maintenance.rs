//! What has to be done now and then, and nothing while nobody calls.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use hyaline_metering::Retention;
use hyaline_telemetry::{Budget, HostReading};
use jiff::Timestamp;
use tokio::time::sleep;

use super::Platform;

/// How often what was counted is made durable.
const FLUSH: Duration = Duration::from_secs(1);
/// How often old usage is merged and deleted, and issuers are asked again.
const SELDOM: Duration = Duration::from_secs(60);
/// The latest days of usage that are kept by the hour: a month, whatever its length.
const HOURLY_DAYS: u32 = 35;

impl Platform {
    /// Says that a call came. One atomic load as a rule.
    pub(crate) fn stir(&self) {
        if !self.active.load(Relaxed) && !self.active.swap(true, Relaxed) {
            self.activity.notify_one();
        }
    }

    /// Flushes, evicts, prunes, for as long as the host serves. Sleeps without a wake-up while there is nothing to do.
    pub(crate) async fn maintain(self: Arc<Self>) {
        let mut seldom = Instant::now();
        let mut evict_in = None;
        loop {
            let idle = async {
                match evict_in {
                    Some(patience) => sleep(patience).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.activity.notified() => {}
                () = idle => {}
            }
            sleep(FLUSH).await;
            // Whatever is counted from here on asks for another round.
            self.active.store(false, Relaxed);
            self.flush().await;
            let now = Instant::now();
            evict_in = self.loader.sweep(now);
            if now.duration_since(seldom) >= SELDOM {
                seldom = now;
                self.refresh_issuers();
                self.prune().await;
            }
        }
    }

    /// Makes durable what was counted.
    pub(crate) async fn flush(&self) {
        let (ledger, keys) = (self.ledger.clone(), Arc::clone(&self.keys));
        let flushed = tokio::task::spawn_blocking(move || {
            let ledger = ledger.flush().map_err(|error| error.to_string());
            let keys = keys.flush().map_err(|error| error.to_string());
            [ledger, keys]
        });
        for result in flushed.await.into_iter().flatten() {
            if let Err(error) = result {
                tracing::error!(
                    error,
                    "what was counted is not on disk; it stays in memory and is tried again"
                );
                self.stir();
            }
        }
    }

    async fn prune(&self) {
        let ledger = self.ledger.clone();
        let retention = retention(self.document.prices.keep_days);
        let pruned =
            tokio::task::spawn_blocking(move || ledger.prune(Timestamp::now(), retention)).await;
        if let Ok(Err(error)) = pruned {
            tracing::warn!(%error, "old usage could not be merged; it is tried again");
        }
    }

    /// Lets monitoring ask how things stand.
    pub(super) fn observe(self: &Arc<Self>) {
        let platform = Arc::downgrade(self);
        self.telemetry.observe_host(move || {
            platform
                .upgrade()
                .map(|platform| platform.reading())
                .unwrap_or_default()
        });
    }

    fn reading(&self) -> HostReading {
        let budgets = self.ledger.budgets(Timestamp::now());
        HostReading {
            registered: self.registry.catalog().len() as u64,
            loaded: self.loader.count_loaded() as u64,
            running: self.admission.running().into(),
            waiting: self.admission.waiting().into(),
            connections: self.connections().into(),
            budgets: budgets
                .into_iter()
                .map(|status| Budget {
                    kind: match status.subject {
                        hyaline_metering::Subject::Function(_) => "function",
                        hyaline_metering::Subject::Caller(_) => "caller",
                    },
                    name: status.subject.name().to_owned(),
                    limit_usd: status.budget.usd,
                    spent_usd: status.spent_usd,
                })
                .collect(),
        }
    }
}

fn retention(keep_days: u32) -> Retention {
    Retention {
        hourly_days: keep_days.min(HOURLY_DAYS),
        daily_days: keep_days,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_kept_no_longer_than_configured() {
        for (keep_days, hourly_days) in [(0, 0), (10, 10), (35, 35), (400, 35)] {
            let kept = retention(keep_days);
            assert_eq!(
                (kept.hourly_days, kept.daily_days),
                (hourly_days, keep_days)
            );
        }
    }
}
