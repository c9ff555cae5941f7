//! The facade that a server records with and reads from.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::error::TelemetryError;
use crate::log::LogDrops;
use crate::metrics::{self, Dialects, Family, Format, Process, Sources};
use crate::otlp::{ExportCounters, Exporter, Identity, OtlpConfig};
use crate::recording::{HostCounters, HostReading, Rejection, RouteSeries, SLICE, Series, Table};
use crate::snapshot::{FunctionSnapshot, Snapshot, window_seconds};
use crate::trace::{Span, TraceContext, Tracer};

/// What is recorded, and where it goes.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name and version of the program that serves: `service.name`, `service.version`.
    pub service: (String, String),
    /// What tells this process from others that serve the same: `service.instance.id`.
    pub instance: String,
    /// Further attributes of OpenTelemetry's resource, such as `deployment.environment.name`.
    pub attributes: Vec<(String, String)>,
    /// How many versions of functions, and how many routes, are shown at most. Beyond it those that were not called for
    /// longest are dropped, and counted. One takes some 3 to 10 KiB, and as much of a scrape.
    pub series_limit: usize,
    /// Names of other servers that the metrics also go by.
    pub dialects: Dialects,
    /// The collector; without one nothing is exported.
    pub otlp: Option<OtlpConfig>,
    /// The log whose dropped lines are told: [`crate::LogGuard::drops`].
    pub log_drops: Option<LogDrops>,
}

impl Config {
    /// A thousand series, all dialects, no export.
    pub fn new(service: &str, version: &str, instance: &str) -> Self {
        Config {
            service: (service.into(), version.into()),
            instance: instance.into(),
            attributes: Vec::new(),
            series_limit: 1000,
            dialects: Dialects::default(),
            otlp: None,
            log_drops: None,
        }
    }
}

type HostSource = Arc<dyn Fn() -> HostReading + Send + Sync>;

/// What was recorded; shared with the thread that exports.
struct Recordings {
    started: Instant,
    series: Arc<Table<Series>>,
    routes: Arc<Table<RouteSeries>>,
    counters: HostCounters,
    host: Mutex<Option<HostSource>>,
    build: Arc<str>,
    dialects: Dialects,
    log_drops: Option<LogDrops>,
    tracer: Option<Arc<Tracer>>,
    exports: Arc<ExportCounters>,
}

impl Recordings {
    fn families(&self, dialects: Dialects) -> Vec<Family> {
        let host = self
            .host
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        metrics::collect(&Sources {
            series: self
                .series
                .listed()
                .iter()
                .map(|series| series.reading())
                .collect(),
            routes: self.routes.listed(),
            counters: &self.counters,
            host: host.map(|host| host()),
            process: Process::read(),
            build: Arc::clone(&self.build),
            series_dropped: self.series.dropped() + self.routes.dropped(),
            log_lines_dropped: self.log_drops.as_ref().map(LogDrops::count),
            spans: self.tracer.as_ref().map(|tracer| {
                [
                    self.exports.exported(),
                    tracer.dropped(),
                    self.exports.failed(),
                ]
            }),
            dialects,
        })
    }

    /// Writes down what happened since the last tick.
    fn tick(&self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.started);
        let tick = elapsed.as_secs() / SLICE.as_secs();
        self.series.tick(tick);
        self.routes.tick(tick);
    }
}

/// Records what a host does, shows it as Prometheus metrics and as a snapshot, and exports it by OTLP. Clones are the
/// same telemetry.
///
/// Recording takes no locks and never waits. A thread of its own keeps the last minutes and exports; when the last clone
/// is dropped, it ends.
#[derive(Clone)]
pub struct Telemetry {
    recordings: Arc<Recordings>,
    thread: Arc<Thread>,
}

/// The thread that keeps the last minutes and exports.
struct Thread {
    stop: watch::Sender<bool>,
    done: watch::Receiver<bool>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl Telemetry {
    /// Starts recording.
    ///
    /// # Errors
    /// [`TelemetryError::Thread`] when the system lets the process have no further thread.
    pub fn start(config: Config) -> Result<Self, TelemetryError> {
        let (stop, stopping) = watch::channel(false);
        let exports = Arc::new(ExportCounters::default());
        let mut attributes = vec![
            ("service.name", config.service.0.as_str()),
            ("service.version", config.service.1.as_str()),
            ("service.instance.id", config.instance.as_str()),
            ("telemetry.sdk.name", "hyaline"),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        ];
        attributes.extend(
            config
                .attributes
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str())),
        );
        let identity = Identity::new(attributes);
        let (tracer, exporter) = config
            .otlp
            .map(|otlp| {
                let (sender, spans) = mpsc::channel(otlp.queue.max(1));
                let tracer = Arc::new(Tracer::new(otlp.sample, sender));
                let (counters, stop) = (Arc::clone(&exports), stopping.clone());
                (
                    tracer,
                    Exporter {
                        config: otlp,
                        identity,
                        spans,
                        counters,
                        stop,
                    },
                )
            })
            .unzip();
        let recordings = Arc::new(Recordings {
            started: Instant::now(),
            series: Arc::new(Table::new(config.series_limit)),
            routes: Arc::new(Table::new(config.series_limit)),
            counters: HostCounters::default(),
            host: Mutex::new(None),
            build: config.service.1.into(),
            dialects: config.dialects,
            log_drops: config.log_drops,
            tracer,
            exports,
        });
        let done = spawn(Arc::clone(&recordings), exporter, stopping)?;
        Ok(Telemetry {
            recordings,
            thread: Arc::new(Thread { stop, done }),
        })
    }

    /// What records the calls of a version of a function. Takes a lock; get it once, when the version is loaded. Nothing
    /// is shown of a version before its first call.
    pub fn series(&self, function: &str, version: u32) -> Arc<Series> {
        let table = &self.recordings.series;
        let key = (Arc::from(function), version);
        table.get(&key, || Series::new(key.clone(), table))
    }

    /// What records the requests of a route, named as it was declared: `/credit/...`, not the path of a request. Takes a
    /// lock; get it once.
    pub fn route(&self, route: &str) -> Arc<RouteSeries> {
        let table = &self.recordings.routes;
        let key = Arc::from(route);
        table.get(&key, || RouteSeries::new(Arc::clone(&key), table))
    }

    /// No longer shows a function that was deleted, or one version of it. It is shown again when it is called again.
    pub fn forget(&self, function: &str, version: Option<u32>) {
        self.recordings.series.forget(|(name, number)| {
            **name == *function && version.is_none_or(|version| version == *number)
        });
    }

    /// Counts a request that was turned away without running a function.
    pub fn rejected(&self, cause: Rejection) {
        self.recordings.counters.rejected(cause);
    }

    /// Counts a version that was unloaded for being idle or for memory.
    pub fn evicted(&self) {
        self.recordings.counters.evicted();
    }

    /// Asks `host` how things stand whenever metrics are read: some times a minute, on any thread. It must not block. A
    /// later one replaces it.
    pub fn observe_host(&self, host: impl Fn() -> HostReading + Send + Sync + 'static) {
        let mut slot = self
            .recordings
            .host
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Arc::new(host));
    }

    /// The place of a request in its trace, below the caller's. Without OTLP it is the caller's own.
    pub fn span(&self, parent: Option<TraceContext>) -> Span {
        match &self.recordings.tracer {
            Some(tracer) => tracer.span(parent),
            None => Span::passing(parent),
        }
    }

    /// Everything as Prometheus' text. O(series): milliseconds when there are hundreds, so not for a thread that serves.
    pub fn render(&self, format: Format) -> String {
        metrics::render(&self.recordings.families(self.recordings.dialects), format)
    }

    /// Figures of every version that was called, for a dashboard. `now` ends the window of the last minutes.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let uptime = now.saturating_duration_since(self.recordings.started);
        let series = self.recordings.series.listed();
        Snapshot {
            window_seconds: window_seconds(uptime.as_secs_f64()),
            functions: series
                .iter()
                .map(|series| FunctionSnapshot::of(series))
                .collect(),
        }
    }

    /// Sends what waits to be exported, and ends exporting. Recording and [`Telemetry::render`] go on. Returns whether
    /// everything was sent or given up within the time; when not, the rest is lost.
    pub async fn shutdown(&self, within: Duration) -> bool {
        self.thread.stop.send_replace(true);
        let mut done = self.thread.done.clone();
        matches!(
            tokio::time::timeout(within, done.wait_for(|done| *done)).await,
            Ok(Ok(_))
        )
    }
}

fn spawn(
    recordings: Arc<Recordings>,
    exporter: Option<Exporter>,
    mut stop: watch::Receiver<bool>,
) -> Result<watch::Receiver<bool>, TelemetryError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(TelemetryError::Thread)?;
    let (finished, done) = watch::channel(false);
    let since = SystemTime::now();
    // Collectors have names of their own for what other servers tell.
    let no_dialects = Dialects {
        triton: false,
        mlserver: false,
        kserve: false,
    };
    let work = async move {
        let ticks = async {
            let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + SLICE, SLICE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let now = ticks.tick().await;
                recordings.tick(now.into_std());
            }
        };
        let export = async {
            match exporter {
                Some(exporter) => {
                    exporter
                        .run(|| recordings.families(no_dialects), since)
                        .await
                }
                None => {
                    // An error means that nobody is left who could stop this.
                    let _ = stop.wait_for(|stop| *stop).await;
                }
            }
        };
        tokio::select! {
            () = ticks => {}
            () = export => {}
        }
    };
    thread::Builder::new()
        .name("telemetry".into())
        .spawn(move || {
            runtime.block_on(work);
            finished.send_replace(true);
        })
        .map_err(TelemetryError::Thread)?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, Fault, Outcome, Phase, Trigger};

    fn call(wall: Duration) -> Call {
        Call {
            trigger: Trigger::Http,
            phase: Phase::Predict,
            queued: Duration::ZERO,
            wall,
            init: None,
            cpu: None,
            peak_memory: 1 << 20,
            bytes_in: 1,
            bytes_out: 1,
            outcome: Outcome::Answered(200),
        }
    }

    #[test]
    fn a_snapshot_tells_the_last_minutes_from_the_rest() {
        let telemetry = Telemetry::start(Config::new("test", "1", "a")).unwrap();
        let started = telemetry.recordings.started;
        let at = |seconds| started + Duration::from_secs(seconds);
        let series = telemetry.series("credit", 2);
        assert_eq!(telemetry.snapshot(at(1)).functions, []);
        (0..98).for_each(|_| series.record(&call(Duration::from_micros(50))));
        series.record(&Call {
            init: Some(Duration::from_millis(2)),
            ..call(Duration::from_millis(9))
        });
        series.record(&Call {
            outcome: Outcome::Failed(Fault::Trap),
            trigger: Trigger::Timer,
            ..call(Duration::from_millis(90))
        });
        let near = |found: Option<f64>, wanted: f64| {
            let found = found.unwrap();
            assert!(
                (found - wanted).abs() <= wanted * 0.0125,
                "{found} for {wanted}"
            );
        };
        let snapshot = telemetry.snapshot(at(2));
        assert_eq!(snapshot.window_seconds, 2.0);
        let [credit] = snapshot.functions.as_slice() else {
            panic!("{snapshot:?}")
        };
        assert_eq!((credit.function.as_str(), credit.version), ("credit", 2));
        assert_eq!(credit.recent, credit.total);
        assert_eq!(
            (
                credit.total.calls,
                credit.total.errors,
                credit.total.cold_starts
            ),
            (100, 1, 1)
        );
        near(credit.total.p50_us, 50.0);
        near(credit.total.p90_us, 50.0);
        near(credit.total.p99_us, 9000.0);
        near(
            credit.total.mean_us,
            (98.0 * 50.0 + 9000.0 + 90_000.0) / 100.0,
        );

        telemetry.recordings.tick(at(15));
        (0..10).for_each(|_| series.record(&call(Duration::from_micros(70))));
        telemetry.recordings.tick(at(30));
        assert_eq!(telemetry.snapshot(at(30)).functions[0].recent.calls, 110);
        // Five minutes after the end of the first quarter of a minute.
        telemetry.recordings.tick(at(315));
        let snapshot = telemetry.snapshot(at(316));
        assert_eq!(snapshot.window_seconds, 301.0);
        let credit = &snapshot.functions[0];
        assert_eq!(
            (
                credit.recent.calls,
                credit.recent.errors,
                credit.total.calls
            ),
            (10, 0, 110)
        );
        near(credit.recent.p99_us, 70.0);
        telemetry.recordings.tick(at(330));
        assert_eq!(
            telemetry.snapshot(at(331)).functions[0].recent,
            crate::Figures::default()
        );
    }

    #[test]
    fn calls_of_hours_ago_are_not_recent_when_a_function_is_called_and_shown_again() {
        let telemetry = Telemetry::start(Config::new("test", "1", "a")).unwrap();
        let started = telemetry.recordings.started;
        let at = |seconds| started + Duration::from_secs(seconds);
        let series = telemetry.series("credit", 1);
        let record = |count| {
            (0..count).for_each(|_| series.record(&call(Duration::from_micros(50))));
        };
        let calls = |seconds| {
            let figures = &telemetry.snapshot(at(seconds)).functions[0];
            (figures.recent.calls, figures.total.calls)
        };
        record(10);
        telemetry.recordings.tick(at(15));
        record(5);
        telemetry.forget("credit", None);
        telemetry.recordings.tick(at(30));
        record(1);
        assert_eq!(calls(31), (16, 16), "it was away for a moment only");
        telemetry.forget("credit", None);
        telemetry.recordings.tick(at(7200));
        record(2);
        assert_eq!(calls(7201), (2, 18));
    }

    #[test]
    fn what_is_registered_but_never_called_is_not_shown() {
        let telemetry = Telemetry::start(Config::new("test", "1", "a")).unwrap();
        let handles: Vec<_> = (0..10_000)
            .map(|n| telemetry.series(&format!("f{n}"), 1))
            .collect();
        let text = telemetry.render(Format::Prometheus);
        assert!(!text.contains("f123"), "{text}");
        handles[123].record(&call(Duration::from_micros(50)));
        assert!(
            telemetry
                .render(Format::Prometheus)
                .contains("faas_name=\"f123\"")
        );
        telemetry.forget("f123", Some(2));
        assert!(
            telemetry
                .render(Format::Prometheus)
                .contains("faas_name=\"f123\"")
        );
        telemetry.forget("f123", None);
        assert!(
            !telemetry
                .render(Format::Prometheus)
                .contains("faas_name=\"f123\"")
        );
    }

    #[test]
    fn the_thread_ends_with_the_last_clone() {
        let telemetry = Telemetry::start(Config::new("test", "1", "a")).unwrap();
        let mut done = telemetry.thread.done.clone();
        let clone = telemetry.clone();
        drop(telemetry);
        assert!(!*done.borrow());
        drop(clone);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let ended = tokio::time::timeout(Duration::from_secs(20), done.wait_for(|done| *done));
            ended.await.unwrap().unwrap();
        });
    }
}
