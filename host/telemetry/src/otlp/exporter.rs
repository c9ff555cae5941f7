//! Sends spans in batches and metrics from time to time, off the path of requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::client::Collector;
use super::config::OtlpConfig;
use super::messages::{self, Identity};
use crate::metrics::Family;
use crate::trace::FinishedSpan;

/// What became of the spans that left the queue.
#[derive(Debug, Default)]
pub(crate) struct ExportCounters {
    exported: AtomicU64,
    failed: AtomicU64,
}

impl ExportCounters {
    pub(crate) fn exported(&self) -> u64 {
        self.exported.load(Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }
}

pub(crate) struct Exporter {
    pub(crate) config: OtlpConfig,
    pub(crate) identity: Identity,
    pub(crate) spans: mpsc::Receiver<FinishedSpan>,
    pub(crate) counters: Arc<ExportCounters>,
    /// Set when the host stops: what is there is sent once more, and that was it.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Exporter {
    /// Exports until `stop` is set, or nobody is left to set it. `families` collects what was counted since `since`.
    pub(crate) async fn run(self, families: impl Fn() -> Vec<Family>, since: SystemTime) {
        let Exporter {
            config,
            identity,
            spans,
            counters,
            stop,
        } = self;
        let collector = Collector::new(&config);
        tokio::join!(
            export_spans(
                &collector,
                &config,
                &identity,
                spans,
                &counters,
                stop.clone()
            ),
            export_metrics(&collector, &config, &identity, &families, since, stop),
        );
    }
}

/// Completes when the host stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could say so.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn export_spans(
    collector: &Collector,
    config: &OtlpConfig,
    identity: &Identity,
    mut queue: mpsc::Receiver<FinishedSpan>,
    counters: &ExportCounters,
    mut stop: watch::Receiver<bool>,
) {
    let most = config.batch.max(1);
    let mut batch = Vec::with_capacity(most);
    loop {
        let stopping = tokio::select! {
            biased;
            () = stopped(&mut stop) => true,
            first = queue.recv() => match first {
                Some(span) => {
                    batch.push(span);
                    fill(&mut batch, most, &mut queue, Instant::now() + config.span_interval, &mut stop).await;
                    false
                }
                None => true,
            },
        };
        if stopping {
            queue.close();
            while let Ok(span) = queue.try_recv() {
                batch.push(span);
                if batch.len() == most {
                    send_spans(collector, config, identity, &mut batch, counters, &mut stop).await;
                }
            }
        }
        send_spans(collector, config, identity, &mut batch, counters, &mut stop).await;
        if stopping {
            return;
        }
    }
}

/// Fills a batch until it is full, its time is up or the host stops.
async fn fill(
    batch: &mut Vec<FinishedSpan>,
    most: usize,
    queue: &mut mpsc::Receiver<FinishedSpan>,
    until: Instant,
    stop: &mut watch::Receiver<bool>,
) {
    while batch.len() < most {
        let room = most - batch.len();
        let more = tokio::select! {
            biased;
            () = stopped(stop) => 0,
            () = tokio::time::sleep_until(until) => 0,
            received = queue.recv_many(batch, room) => received,
        };
        if more == 0 {
            return;
        }
    }
}

async fn send_spans(
    collector: &Collector,
    config: &OtlpConfig,
    identity: &Identity,
    batch: &mut Vec<FinishedSpan>,
    counters: &ExportCounters,
    stop: &mut watch::Receiver<bool>,
) {
    if batch.is_empty() {
        return;
    }
    let sent = batch.len() as u64;
    let message = messages::spans(identity, batch).encode_to_vec();
    batch.clear();
    let rejected = match collector.send(&config.traces, message, stop).await {
        Ok(answer) => {
            let answer = ExportTraceServiceResponse::decode(answer).ok();
            let partial = answer.and_then(|answer| answer.partial_success);
            if let Some(partial) = partial
                .as_ref()
                .filter(|partial| !partial.error_message.is_empty())
            {
                tracing::warn!(
                    reason = partial.error_message,
                    "the OTLP collector rejected spans"
                );
            }
            partial.map_or(0, |partial| {
                u64::try_from(partial.rejected_spans).unwrap_or(0).min(sent)
            })
        }
        Err(reason) => {
            tracing::warn!(spans = sent, reason, "spans were not exported");
            sent
        }
    };
    counters.failed.fetch_add(rejected, Relaxed);
    counters.exported.fetch_add(sent - rejected, Relaxed);
}

async fn export_metrics(
    collector: &Collector,
    config: &OtlpConfig,
    identity: &Identity,
    families: &impl Fn() -> Vec<Family>,
    since: SystemTime,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval_at(
        Instant::now() + config.metric_interval,
        config.metric_interval,
    );
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stopping = tokio::select! {
            biased;
            () = stopped(&mut stop) => true,
            _ = ticks.tick() => false,
        };
        let message =
            messages::metrics(identity, &families(), since, SystemTime::now()).encode_to_vec();
        match collector.send(&config.metrics, message, &mut stop).await {
            Ok(answer) => {
                let answer = ExportMetricsServiceResponse::decode(answer).ok();
                let partial = answer.and_then(|answer| answer.partial_success);
                if let Some(partial) = partial.filter(|partial| !partial.error_message.is_empty()) {
                    tracing::warn!(
                        reason = partial.error_message,
                        "the OTLP collector rejected metrics"
                    );
                }
            }
            Err(reason) => tracing::warn!(reason, "metrics were not exported"),
        }
        if stopping {
            return;
        }
    }
}
