//! Makes families of what was counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::family::{Bounds, Family, Kind, Label, Sample, Text, Value};
use super::process::Process;
use crate::recording::{
    Counts, HostCounters, HostReading, Outcome, Phase, RouteSeries, SeriesReading, TallyReading,
};

/// Which other servers' names the metrics also go by, so that dashboards made for them work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialects {
    /// Triton's `nv_inference_…{model,version}`.
    pub triton: bool,
    /// MLServer's `model_infer_request_…{model,version}`.
    pub mlserver: bool,
    /// KServe's `request_predict_seconds` and `request_explain_seconds` `{model_name}`.
    pub kserve: bool,
}

impl Default for Dialects {
    /// All of them.
    fn default() -> Self {
        Dialects {
            triton: true,
            mlserver: true,
            kserve: true,
        }
    }
}

/// Where the numbers come from.
pub(crate) struct Sources<'a> {
    pub(crate) series: Vec<SeriesReading>,
    pub(crate) routes: Vec<Arc<RouteSeries>>,
    pub(crate) counters: &'a HostCounters,
    pub(crate) host: Option<HostReading>,
    pub(crate) process: Process,
    /// The version of the program.
    pub(crate) build: Arc<str>,
    pub(crate) series_dropped: u64,
    pub(crate) log_lines_dropped: Option<u64>,
    /// Spans that were exported, dropped for a full queue, and given up; `None` without OTLP.
    pub(crate) spans: Option<[u64; 3]>,
    pub(crate) dialects: Dialects,
}

/// Every family, in the order in which they are told. Those without samples are among them.
pub(crate) fn collect(sources: &Sources<'_>) -> Vec<Family> {
    let mut families = functions(&sources.series);
    families.push(routes(&sources.routes));
    let dialects = sources.dialects;
    if dialects.triton || dialects.mlserver || dialects.kserve {
        let versions: Vec<Version> = sources.series.iter().map(Version::of).collect();
        if dialects.triton {
            families.extend(triton(&versions));
        }
        if dialects.mlserver {
            families.extend(mlserver(&versions));
        }
        if dialects.kserve {
            families.extend(kserve(&sources.series));
        }
    }
    families.extend(host(sources));
    families.extend(process(&sources.process));
    families
}

fn family(
    name: &'static str,
    otel: Option<(&'static str, &'static str)>,
    help: &'static str,
    kind: Kind,
    samples: Vec<Sample>,
) -> Family {
    Family {
        name,
        otel,
        help,
        kind,
        samples,
    }
}

fn sample(labels: Vec<Label>, value: Value) -> Sample {
    Sample { labels, value }
}

fn faas_labels(series: &SeriesReading, tally: &TallyReading) -> Vec<Label> {
    vec![
        ("faas.name", (&series.function).into()),
        ("faas.version", Text::Digits(series.version.into())),
        ("faas.trigger", tally.trigger.as_str().into()),
    ]
}

/// OpenTelemetry's metrics of functions.
fn functions(series: &[SeriesReading]) -> Vec<Family> {
    let tallies = || {
        series.iter().flat_map(|series| {
            series
                .tallies
                .iter()
                .map(move |tally| (faas_labels(series, tally), tally))
        })
    };
    let each = |value: &dyn Fn(&TallyReading) -> Option<Value>| -> Vec<Sample> {
        tallies()
            .filter_map(|(labels, tally)| Some(sample(labels, value(tally)?)))
            .collect()
    };
    let successes = |tally: &TallyReading| sum_outcomes(tally, |outcome| !outcome.is_error());
    let timeouts = |tally: &TallyReading| {
        sum_outcomes(tally, |outcome| outcome.error_type() == Some("deadline"))
    };
    let errors = tallies().flat_map(|(labels, tally)| {
        tally.outcomes.iter().filter_map(move |&(outcome, count)| {
            let error = outcome.error_type().filter(|_| count > 0)?;
            let mut labels = labels.clone();
            labels.push(("error.type", error.into()));
            Some(sample(labels, Value::Integer(count)))
        })
    });
    let bodies = tallies().flat_map(|(labels, tally)| {
        [("receive", &tally.bytes_in), ("transmit", &tally.bytes_out)].map(|(direction, counts)| {
            let mut labels = labels.clone();
            labels.push(("network.io.direction", direction.into()));
            sample(labels, Bounds::BODIES.distribution(counts))
        })
    });
    let shadows = series.iter().flat_map(|series| {
        [
            ("equal", series.shadow_equal),
            ("different", series.shadow_different),
        ]
        .into_iter()
        .filter_map(|(result, count)| {
            let labels = vec![
                ("faas.name", (&series.function).into()),
                ("faas.version", Text::Digits(series.version.into())),
                ("result", result.into()),
            ];
            (count > 0).then(|| sample(labels, Value::Integer(count)))
        })
    });
    vec![
        family(
            "faas_invoke_duration_seconds",
            Some(("faas.invoke_duration", "s")),
            "Duration of the function's logic.",
            Kind::Histogram,
            each(&|tally| Some(Bounds::SECONDS.distribution(&all_phases(tally)))),
        ),
        family(
            "faas_init_duration_seconds",
            Some(("faas.init_duration", "s")),
            "Duration of loading the function, at cold starts.",
            Kind::Histogram,
            each(&|tally| Some(Bounds::SECONDS.distribution(tally.init.as_ref()?))),
        ),
        family(
            "faas_coldstarts",
            Some(("faas.coldstarts", "{coldstart}")),
            "Invocations whose function had to be loaded first.",
            Kind::Counter,
            each(&|tally| Some(Value::Integer(tally.cold_starts))),
        ),
        family(
            "faas_invocations",
            Some(("faas.invocations", "{invocation}")),
            "Successful invocations.",
            Kind::Counter,
            each(&|tally| Some(Value::Integer(successes(tally)))),
        ),
        family(
            "faas_errors",
            Some(("faas.errors", "{error}")),
            "Invocations that failed, or were answered with a status from 500 on.",
            Kind::Counter,
            errors.collect(),
        ),
        family(
            "faas_timeouts",
            Some(("faas.timeouts", "{timeout}")),
            "Invocations that ran into their deadline.",
            Kind::Counter,
            each(&|tally| Some(Value::Integer(timeouts(tally)))),
        ),
        family(
            "faas_mem_usage_bytes",
            Some(("faas.mem_usage", "By")),
            "The most memory each invocation held.",
            Kind::Histogram,
            each(&|tally| Some(Bounds::MEMORY.distribution(&tally.memory))),
        ),
        family(
            "faas_cpu_usage_seconds",
            Some(("faas.cpu_usage", "s")),
            "CPU time of each invocation.",
            Kind::Histogram,
            each(&|tally| Some(Bounds::SECONDS.distribution(tally.cpu.as_ref()?))),
        ),
        family(
            "faas_net_io_bytes",
            Some(("faas.net_io", "By")),
            "Bytes of the bodies of each invocation's request and response.",
            Kind::Histogram,
            bodies.collect(),
        ),
        family(
            "hyaline_shadow_comparisons",
            Some(("hyaline.shadow.comparisons", "{comparison}")),
            "Answers to shadow traffic compared with the answers that were returned.",
            Kind::Counter,
            shadows.collect(),
        ),
    ]
}

fn sum_outcomes(tally: &TallyReading, counts: impl Fn(Outcome) -> bool) -> u64 {
    tally
        .outcomes
        .iter()
        .filter(|&&(outcome, _)| counts(outcome))
        .map(|&(_, count)| count)
        .sum()
}

fn all_phases(tally: &TallyReading) -> Counts {
    let mut all = Counts::default();
    for (_, wall) in &tally.wall {
        all.add(wall);
    }
    all
}

fn routes(routes: &[Arc<RouteSeries>]) -> Family {
    let samples = routes.iter().flat_map(|route| {
        let name: Arc<str> = route.route().into();
        route
            .reading()
            .into_iter()
            .map(move |(method, status, durations)| {
                let labels = vec![
                    ("http.request.method", method.into()),
                    ("http.route", (&name).into()),
                    ("http.response.status_code", Text::Number(status.into())),
                ];
                sample(labels, Bounds::SECONDS.distribution(&durations))
            })
    });
    family(
        "http_server_request_duration_seconds",
        Some(("http.server.request.duration", "s")),
        "Duration of HTTP requests, from their head to their answer's.",
        Kind::Histogram,
        samples.collect(),
    )
}

/// What the other servers' metrics tell of a version, its triggers together.
struct Version {
    labels: Vec<Label>,
    successes: u64,
    failures: u64,
    queued: u64,
    wall: Counts,
    waiting: i64,
}

impl Version {
    fn of(series: &SeriesReading) -> Self {
        let sum = |counts: fn(Outcome) -> bool| {
            series
                .tallies
                .iter()
                .map(|tally| sum_outcomes(tally, counts))
                .sum()
        };
        let mut wall = Counts::default();
        for tally in &series.tallies {
            wall.add(&all_phases(tally));
        }
        Version {
            labels: vec![
                ("model", (&series.function).into()),
                ("version", Text::Digits(series.version.into())),
            ],
            successes: sum(|outcome| !outcome.is_error()),
            failures: sum(Outcome::is_error),
            queued: series.tallies.iter().map(|tally| tally.queued).sum(),
            wall,
            waiting: series.waiting,
        }
    }
}

fn per_version(versions: &[Version], value: impl Fn(&Version) -> Value) -> Vec<Sample> {
    versions
        .iter()
        .map(|version| sample(version.labels.clone(), value(version)))
        .collect()
}

/// Triton's names. A request counts as one inference: batches are the caller's, the host makes none.
fn triton(versions: &[Version]) -> [Family; 8] {
    let counter = |name, help, value: fn(&Version) -> u64| {
        let samples = per_version(versions, |version| Value::Integer(value(version)));
        family(name, None, help, Kind::PlainCounter, samples)
    };
    let ran = |version: &Version| version.successes + version.failures;
    [
        counter(
            "nv_inference_request_success",
            "Requests that were answered.",
            |version| version.successes,
        ),
        counter(
            "nv_inference_request_failure",
            "Requests that failed.",
            |version| version.failures,
        ),
        counter("nv_inference_count", "Requests that ran.", ran),
        counter("nv_inference_exec_count", "Requests that ran.", ran),
        counter(
            "nv_inference_request_duration_us",
            "Microseconds of waiting and running.",
            |version| version.queued.saturating_add(version.wall.sum) / 1000,
        ),
        counter(
            "nv_inference_queue_duration_us",
            "Microseconds of waiting.",
            |version| version.queued / 1000,
        ),
        counter(
            "nv_inference_compute_infer_duration_us",
            "Microseconds of running.",
            |version| version.wall.sum / 1000,
        ),
        family(
            "nv_inference_pending_request_count",
            None,
            "Requests that wait for a place to run.",
            Kind::Gauge,
            per_version(versions, |version| {
                Value::Integer(version.waiting.max(0) as u64)
            }),
        ),
    ]
}

/// MLServer's names.
fn mlserver(versions: &[Version]) -> [Family; 3] {
    let integer = |value: fn(&Version) -> u64| {
        per_version(versions, |version| Value::Integer(value(version)))
    };
    [
        family(
            "model_infer_request_success",
            None,
            "Requests that were answered.",
            Kind::Counter,
            integer(|version| version.successes),
        ),
        family(
            "model_infer_request_failure",
            None,
            "Requests that failed.",
            Kind::Counter,
            integer(|version| version.failures),
        ),
        family(
            "model_infer_request_duration",
            None,
            "Seconds that requests ran.",
            Kind::Summary,
            per_version(versions, |version| {
                Bounds::SECONDS.distribution(&version.wall)
            }),
        ),
    ]
}

/// KServe's names. Its pre- and postprocessing are steps of a function here, and part of the whole.
fn kserve(series: &[SeriesReading]) -> [Family; 2] {
    let of = |name, help, wanted: Phase| {
        let mut models: BTreeMap<&Arc<str>, Counts> = BTreeMap::new();
        for series in series {
            for (_, wall) in series
                .tallies
                .iter()
                .flat_map(|tally| &tally.wall)
                .filter(|(phase, _)| *phase == wanted)
            {
                models.entry(&series.function).or_default().add(wall);
            }
        }
        let samples = models.into_iter().map(|(model, wall)| {
            sample(
                vec![("model_name", model.into())],
                Bounds::SECONDS.distribution(&wall),
            )
        });
        family(name, None, help, Kind::Histogram, samples.collect())
    };
    [
        of(
            "request_predict_seconds",
            "Duration of predictions.",
            Phase::Predict,
        ),
        of(
            "request_explain_seconds",
            "Duration of explanations.",
            Phase::Explain,
        ),
    ]
}

fn host(sources: &Sources<'_>) -> Vec<Family> {
    let one = |value: u64| vec![sample(Vec::new(), Value::Integer(value))];
    let mut families = vec![
        family(
            "hyaline_build_info",
            None,
            "The version of this program.",
            Kind::Gauge,
            vec![sample(
                vec![("version", (&sources.build).into())],
                Value::Integer(1),
            )],
        ),
        family(
            "hyaline_requests_rejected",
            Some(("hyaline.requests.rejected", "{request}")),
            "Requests turned away without running a function, by cause.",
            Kind::Counter,
            sources
                .counters
                .rejections()
                .map(|(cause, count)| {
                    sample(
                        vec![("cause", cause.as_str().into())],
                        Value::Integer(count),
                    )
                })
                .collect(),
        ),
        family(
            "hyaline_function_evictions",
            Some(("hyaline.function.evictions", "{eviction}")),
            "Loaded versions that were unloaded for being idle or for memory.",
            Kind::Counter,
            one(sources.counters.evictions()),
        ),
        family(
            "hyaline_series_dropped",
            Some(("hyaline.series.dropped", "{series}")),
            "Series of functions and routes that are no longer shown, because others were called later.",
            Kind::Counter,
            one(sources.series_dropped),
        ),
    ];
    if let Some(dropped) = sources.log_lines_dropped {
        families.push(family(
            "hyaline_log_lines_dropped",
            Some(("hyaline.log.lines.dropped", "{line}")),
            "Lines of the log that were dropped because they came faster than they could be written.",
            Kind::Counter,
            one(dropped),
        ));
    }
    if let Some(spans) = sources.spans {
        let results = ["exported", "dropped", "failed"].into_iter().zip(spans);
        families.push(family(
            "hyaline_spans",
            Some(("hyaline.spans", "{span}")),
            "Spans that were exported, dropped because the queue was full, or given up because the collector failed.",
            Kind::Counter,
            results
                .map(|(result, count)| sample(vec![("result", result.into())], Value::Integer(count)))
                .collect(),
        ));
    }
    let Some(host) = &sources.host else {
        return families;
    };
    for (name, otel, help, value) in [
        (
            "hyaline_functions_registered",
            ("hyaline.functions.registered", "{function}"),
            "Functions that are registered.",
            host.registered,
        ),
        (
            "hyaline_functions_loaded",
            ("hyaline.functions.loaded", "{version}"),
            "Versions of functions that are loaded.",
            host.loaded,
        ),
        (
            "hyaline_invocations_running",
            ("hyaline.invocations.running", "{invocation}"),
            "Invocations that run.",
            host.running,
        ),
        (
            "hyaline_requests_waiting",
            ("hyaline.requests.waiting", "{request}"),
            "Requests that wait for a place to run.",
            host.waiting,
        ),
        (
            "hyaline_connections_open",
            ("hyaline.connections.open", "{connection}"),
            "Open connections.",
            host.connections,
        ),
    ] {
        families.push(family(name, Some(otel), help, Kind::Gauge, one(value)));
    }
    let budgets = |dollars: fn(&crate::Budget) -> f64| {
        host.budgets
            .iter()
            .map(|budget| {
                let name: Arc<str> = budget.name.as_str().into();
                let labels = vec![("kind", budget.kind.into()), ("name", (&name).into())];
                sample(labels, Value::Number(dollars(budget)))
            })
            .collect()
    };
    families.push(family(
        "hyaline_budget_limit_usd",
        Some(("hyaline.budget.limit", "{USD}")),
        "US dollars that may be spent in the budget's period.",
        Kind::Gauge,
        budgets(|budget| budget.limit_usd),
    ));
    families.push(family(
        "hyaline_budget_spent_usd",
        Some(("hyaline.budget.spent", "{USD}")),
        "US dollars spent in the budget's period so far.",
        Kind::Gauge,
        budgets(|budget| budget.spent_usd),
    ));
    families
}

fn process(process: &Process) -> Vec<Family> {
    let one = |value: Option<Value>| {
        value
            .map(|value| sample(Vec::new(), value))
            .into_iter()
            .collect()
    };
    let gauge = |name, otel, help, value: Option<u64>| {
        family(
            name,
            otel,
            help,
            Kind::Gauge,
            one(value.map(Value::Integer)),
        )
    };
    vec![
        family(
            "process_cpu_seconds",
            Some(("process.cpu.time", "s")),
            "CPU time of the process, user and system.",
            Kind::Counter,
            one(process.cpu_seconds.map(Value::Number)),
        ),
        family(
            "process_start_time_seconds",
            None,
            "When the process was started, in seconds since 1970.",
            Kind::Gauge,
            one(process.start_seconds.map(Value::Number)),
        ),
        gauge(
            "process_resident_memory_bytes",
            Some(("process.memory.usage", "By")),
            "Resident memory.",
            process.resident_bytes,
        ),
        gauge(
            "process_virtual_memory_bytes",
            Some(("process.memory.virtual", "By")),
            "Virtual memory.",
            process.virtual_bytes,
        ),
        gauge(
            "process_open_fds",
            Some(("process.open_file_descriptor.count", "{file_descriptor}")),
            "Open file descriptors.",
            process.open_files,
        ),
        gauge(
            "process_max_fds",
            None,
            "Most file descriptors that may be open.",
            process.most_files,
        ),
        gauge(
            "process_threads",
            Some(("process.thread.count", "{thread}")),
            "Threads.",
            process.threads,
        ),
    ]
}
