//! What is asked of a run, and whether that can be done.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

use crate::request;
use crate::target::{Target, TargetError};

/// The longest run, warm-up included.
pub const LONGEST: Duration = Duration::from_secs(3600);

const MOST_CONNECTIONS: u32 = 10_000;
const MOST_THREADS: usize = 256;
const HIGHEST_RATE: f64 = 1e6;
const MOST_REQUESTS: u64 = 1_000_000_000;

/// What to send, where and how often.
#[derive(Clone, Debug)]
pub struct Options {
    /// An `http://` URL. Its host is looked up once.
    pub url: String,
    /// How to ask.
    pub method: Method,
    /// Request headers, besides `host` (which they may replace), `content-length` and `connection`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Request bodies, sent in turn; without any, requests have none.
    pub bodies: Vec<Bytes>,
    /// Connections, 1 to 10,000: the number of requests that can be on the way at once.
    pub connections: u32,
    /// Requests per second, all connections together, above 0 and up to 1,000,000: makes the load an open one.
    pub rate: Option<f64>,
    /// How long is measured.
    pub duration: Duration,
    /// How long is loaded before that, without measuring.
    pub warm_up: Duration,
    /// Ends the measurement after so many requests, should it come before the end of `duration`; up to 10⁹.
    pub requests: Option<u64>,
    /// How long an answer is waited for, connecting included; up to an hour.
    pub timeout: Duration,
    /// Whether a connection takes more than one request.
    pub keep_alive: bool,
    /// Threads that drive the connections, up to 256; as many as there are cores when `None`.
    pub threads: Option<usize>,
}

impl Options {
    /// `GET url` over 10 kept-alive connections for 10 seconds, after one second of warm-up, with 30 seconds for an
    /// answer.
    pub fn new(url: impl Into<String>) -> Options {
        Options {
            url: url.into(),
            method: Method::GET,
            headers: Vec::new(),
            bodies: Vec::new(),
            connections: 10,
            rate: None,
            duration: Duration::from_secs(10),
            warm_up: Duration::from_secs(1),
            requests: None,
            timeout: Duration::from_secs(30),
            keep_alive: true,
            threads: None,
        }
    }
}

/// A plan that cannot be carried out.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// The URL.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A number is out of its range.
    #[error("{what} {value} is not possible; it takes {range}")]
    Range {
        /// Of what.
        what: &'static str,
        /// The number.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// The run would take more than an hour.
    #[error(
        "warm-up and measurement take {seconds} s together; a run takes at most 3600 s, so that no load is forgotten"
    )]
    Long {
        /// Seconds asked for.
        seconds: f64,
    },
    /// A header is the generator's own.
    #[error("the header `{name}` is set by the load generator; leave it out{hint}")]
    Header {
        /// The header.
        name: HeaderName,
        /// Another way, if there is one.
        hint: &'static str,
    },
}

/// A run that can be done: everything in it is within its range, and every request is ready to be sent.
#[derive(Clone, Debug)]
pub struct Plan {
    options: Options,
    target: Target,
    requests: Vec<Bytes>,
    threads: usize,
}

impl Plan {
    /// Checks the options and lays out the requests.
    ///
    /// # Errors
    /// [`PlanError`]: no `http://` URL, a number out of the range its option names, a run of more than an hour, or a
    /// header that the generator itself sets.
    pub fn new(options: Options) -> Result<Plan, PlanError> {
        let range = |what, value: String, range| Err(PlanError::Range { what, value, range });
        if !(1..=MOST_CONNECTIONS).contains(&options.connections) {
            return range(
                "the number of connections",
                options.connections.to_string(),
                "1 to 10000",
            );
        }
        if let Some(rate) = options.rate
            && !(rate > 0.0 && rate <= HIGHEST_RATE)
        {
            return range(
                "the rate",
                rate.to_string(),
                "more than 0 and at most 1000000 requests per second",
            );
        }
        if let Some(requests) = options.requests
            && !(1..=MOST_REQUESTS).contains(&requests)
        {
            return range(
                "the number of requests",
                requests.to_string(),
                "1 to 1000000000",
            );
        }
        if options.duration.is_zero() {
            return range("a duration of", "0 s".into(), "more than 0 s");
        }
        if options.timeout.is_zero() || options.timeout > LONGEST {
            return range(
                "a timeout of",
                format!("{} s", options.timeout.as_secs_f64()),
                "more than 0 s and at most 3600 s",
            );
        }
        match options.duration.checked_add(options.warm_up) {
            Some(whole) if whole <= LONGEST => {}
            _ => {
                return Err(PlanError::Long {
                    seconds: options.duration.as_secs_f64() + options.warm_up.as_secs_f64(),
                });
            }
        }
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = options.threads.unwrap_or_else(cores);
        if !(1..=MOST_THREADS).contains(&threads) && options.threads.is_some() {
            return range("the number of threads", threads.to_string(), "1 to 256");
        }
        // A thread without a connection has nothing to do.
        let threads = threads
            .clamp(1, MOST_THREADS)
            .min(options.connections as usize);
        let target = Target::new(&options.url)?;
        let requests = request::lay_out(&target, &options)?;
        Ok(Plan {
            options,
            target,
            requests,
            threads,
        })
    }

    /// What was asked for.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Threads that drive the connections.
    pub fn threads(&self) -> usize {
        self.threads
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The requests as they go over the wire; at least one.
    pub(crate) fn requests(&self) -> &[Bytes] {
        &self.requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_done_is_refused() {
        let second = Duration::from_secs(1);
        type Change = fn(&mut Options);
        let cases: [(Change, &str); 9] = [
            (|o| o.connections = 0, "connections 0 is not possible"),
            (|o| o.connections = 10_001, "it takes 1 to 10000"),
            (|o| o.rate = Some(0.0), "the rate 0 is not possible"),
            (|o| o.rate = Some(f64::NAN), "the rate NaN is not possible"),
            (|o| o.requests = Some(0), "requests 0 is not possible"),
            (|o| o.duration = Duration::ZERO, "more than 0 s"),
            (|o| o.timeout = Duration::from_secs(3601), "at most 3600 s"),
            (
                |o| o.warm_up = Duration::MAX,
                "a run takes at most 3600 s, so that no load is forgotten",
            ),
            (|o| o.threads = Some(0), "the number of threads 0"),
        ];
        for (change, words) in cases {
            let mut options = Options::new("http://127.0.0.1:1/");
            change(&mut options);
            let error = Plan::new(options).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
        let mut hour = Options::new("http://127.0.0.1:1/");
        hour.duration = LONGEST - second;
        hour.warm_up = second;
        assert!(Plan::new(hour.clone()).is_ok());
        hour.warm_up = second * 2;
        let error = Plan::new(hour).expect_err("more than an hour");
        assert_eq!(error, PlanError::Long { seconds: 3601.0 });
    }

    #[test]
    fn a_single_connection_needs_a_single_thread() {
        let mut options = Options::new("http://127.0.0.1:1/");
        options.connections = 1;
        options.threads = Some(8);
        assert_eq!(Plan::new(options).expect("possible").threads(), 1);
    }
}
