//! What was seen, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::plan::Plan;
use crate::tally::Tally;

/// What a run has shown. Only requests of the measurement count, not those of the warm-up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The URL.
    pub url: String,
    /// How it was asked.
    pub method: String,
    /// Connections.
    pub connections: u32,
    /// Whether a connection took more than one request.
    pub keep_alive: bool,
    /// Requests per second that were due; `None` for a closed load.
    pub rate: Option<f64>,
    /// Seconds from the beginning of the measurement to its end, or to the last answer if that came later.
    pub seconds: f64,
    /// Whether the run was stopped before its end.
    pub stopped: bool,
    /// Answers.
    pub answers: u64,
    /// Answers per second.
    pub per_second: f64,
    /// Answers by status.
    pub status: BTreeMap<u16, u64>,
    /// Requests without an answer.
    pub errors: Errors,
    /// Requests that were due and not sent, because no connection was free until the end; of an open load.
    pub unsent: u64,
    /// Kept-alive connections that the target closed while they were idle, so that the request was sent again.
    pub reconnects: u64,
    /// Bytes over the connections, heads included.
    pub bytes: Bytes,
    /// Latencies of all answers. Requests without an answer in time, and unsent ones, count with the time for which
    /// they were waited, so that a target that does not answer does not look fast. `None` without any.
    pub latency_us: Option<Latencies>,
    /// Latencies of answers with a status from 200 to 299 alone; `None` without any.
    pub latency_2xx_us: Option<Latencies>,
    /// How late the load generator itself was with requests that had a free connection; of an open load. It is part of
    /// the latencies.
    pub lag_us: Option<Latencies>,
}

/// Requests without an answer, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// The connection was not taken.
    pub connect: u64,
    /// No answer in time.
    pub timeout: u64,
    /// The connection ended before the answer did.
    pub closed: u64,
    /// What came was not HTTP/1.
    pub malformed: u64,
    /// One of the errors, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// Bytes over the connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// From the target.
    pub read: u64,
    /// To it.
    pub written: u64,
}

/// A distribution of durations in microseconds, to three digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latencies {
    /// The shortest.
    pub min: f64,
    /// The average.
    pub mean: f64,
    /// Half are shorter.
    pub p50: f64,
    /// 9 of 10 are shorter.
    pub p90: f64,
    /// 99 of 100 are shorter.
    pub p99: f64,
    /// 999 of 1000 are shorter.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Errors {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.connect + self.timeout + self.closed + self.malformed
    }

    pub(crate) fn add(&mut self, other: &Errors) {
        self.connect += other.connect;
        self.timeout += other.timeout;
        self.closed += other.closed;
        self.malformed += other.malformed;
        if self.example.is_none() {
            self.example.clone_from(&other.example);
        }
    }
}

impl Latencies {
    fn of(histogram: &Histogram<u64>) -> Option<Latencies> {
        let us = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        (!histogram.is_empty()).then(|| Latencies {
            min: us(histogram.min()),
            mean: histogram.mean() / 1000.0,
            p50: us(histogram.value_at_quantile(0.5)),
            p90: us(histogram.value_at_quantile(0.9)),
            p99: us(histogram.value_at_quantile(0.99)),
            p999: us(histogram.value_at_quantile(0.999)),
            max: us(histogram.max()),
        })
    }
}

impl Report {
    pub(crate) fn new(plan: &Plan, tally: &Tally, cut_off: Option<Duration>) -> Report {
        let options = plan.options();
        let answers = tally.good.len() + tally.other.len();
        let measured = answers + tally.errors.total();
        let complete = options.requests.is_some_and(|limit| measured >= limit);
        let planned = if complete {
            Duration::ZERO
        } else {
            options.duration.min(cut_off.unwrap_or(Duration::MAX))
        };
        let seconds = planned.max(tally.last).as_secs_f64();
        let mut all = tally.good.clone();
        for part in [&tally.other, &tally.waited] {
            all.add(part).expect("all have the same bounds");
        }
        Report {
            url: options.url.clone(),
            method: options.method.to_string(),
            connections: options.connections,
            keep_alive: options.keep_alive,
            rate: options.rate,
            seconds,
            stopped: cut_off.is_some(),
            answers,
            per_second: if seconds > 0.0 {
                answers as f64 / seconds
            } else {
                0.0
            },
            status: tally.status.clone(),
            errors: tally.errors.clone(),
            unsent: tally.unsent,
            reconnects: tally.reconnects,
            bytes: tally.bytes,
            latency_us: Latencies::of(&all),
            latency_2xx_us: Latencies::of(&tally.good),
            lag_us: Latencies::of(&tally.lag),
        }
    }
}

/// For people: a line for each figure.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections = match self.connections {
            1 => "1 connection".to_owned(),
            count => format!("{count} connections"),
        };
        let kept = if self.keep_alive {
            ""
        } else {
            ", a new one for each request"
        };
        writeln!(f, "{} {}", self.method, self.url)?;
        writeln!(
            f,
            "  load        {}{kept}, {:.2} s",
            connections, self.seconds
        )?;
        match self.rate {
            Some(rate) => writeln!(f, "  requests/s  {:.1} of {rate} due", self.per_second)?,
            None => writeln!(f, "  requests/s  {:.1}", self.per_second)?,
        }
        let status: Vec<String> = self
            .status
            .iter()
            .map(|(status, count)| format!("{status}: {count}"))
            .collect();
        writeln!(f, "  answers     {}   {}", self.answers, status.join("  "))?;
        if let Some(latencies) = &self.latency_us {
            writeln!(f, "  latency     {latencies}")?;
        }
        if let Some(latencies) = &self.latency_2xx_us
            && self.latency_us != self.latency_2xx_us
        {
            writeln!(f, "    of 2xx    {latencies}")?;
        }
        writeln!(
            f,
            "  bytes       {} in, {} out",
            size(self.bytes.read),
            size(self.bytes.written)
        )?;
        let errors = &self.errors;
        write!(f, "  errors      {}", errors.total())?;
        if errors.total() > 0 {
            let kinds = [
                ("not connected", errors.connect),
                ("timed out", errors.timeout),
                ("cut off", errors.closed),
                ("not HTTP", errors.malformed),
            ];
            let kinds: Vec<String> = kinds
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(kind, count)| format!("{kind}: {count}"))
                .collect();
            write!(f, "   {}", kinds.join("  "))?;
            if let Some(example) = &errors.example {
                write!(f, "   such as: {example}")?;
            }
        }
        writeln!(f)?;
        if self.reconnects > 0 {
            writeln!(f, "  reconnects  {}", self.reconnects)?;
        }
        if self.unsent > 0 {
            writeln!(
                f,
                "  unsent      {}: no connection was free for them; the target, or this machine, did not keep up with the rate",
                self.unsent
            )?;
        }
        if let Some(lag) = &self.lag_us {
            writeln!(
                f,
                "  own delay   p50 {}  p99 {}",
                duration(lag.p50),
                duration(lag.p99)
            )?;
        }
        if self.stopped {
            writeln!(f, "  stopped before its end")?;
        }
        Ok(())
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {}  p90 {}  p99 {}  p99.9 {}  max {}  mean {}",
            duration(self.p50),
            duration(self.p90),
            duration(self.p99),
            duration(self.p999),
            duration(self.max),
            duration(self.mean)
        )
    }
}

fn duration(us: f64) -> String {
    match us {
        us if us < 1000.0 => format!("{us:.1} µs"),
        us if us < 1e6 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.2} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", bytes as f64 / 1_073_741_824.0),
    }
}
