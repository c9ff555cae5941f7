//! `hyaline bench`

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use hyaline_load::{LONGEST, Options, Plan, run};

#[derive(clap::Args)]
pub(crate) struct Bench {
    /// An `http://` URL, such as `http://127.0.0.1:3000/credit/predict`
    url: String,
    /// Connections: the number of requests that can be on the way at once
    #[arg(short, long, value_name = "NUMBER", default_value_t = 10)]
    connections: u32,
    /// How long is measured: `10` (seconds), `500ms`, `2m`; an hour at most, warm-up included
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    duration: Duration,
    /// How long is loaded before that, without measuring
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    warm_up: Duration,
    /// Requests per second that are due whatever the target does; latencies count from when they were due. Without it,
    /// each connection asks again when it has its answer
    #[arg(short, long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// Stop after so many requests
    #[arg(short = 'n', long, value_name = "NUMBER")]
    requests: Option<u64>,
    /// GET, or POST when there is a body, unless given
    #[arg(short, long)]
    method: Option<Method>,
    /// A request header, such as `content-type: application/json`
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// The request body
    #[arg(long, value_name = "TEXT", conflicts_with = "body_file")]
    body: Option<String>,
    /// A file with the request body; the lines of a `.jsonl` file are sent in turn
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
    /// How long an answer is waited for
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// Open a connection for each request
    #[arg(long)]
    no_keep_alive: bool,
    /// Threads that drive the connections; as many as there are cores when absent
    #[arg(long, value_name = "NUMBER")]
    threads: Option<usize>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn bench(arguments: &Bench) -> Result<()> {
    let mut headers = arguments.header.clone();
    let (bodies, kind) = bodies(arguments)?;
    let named = |name| headers.iter().any(|(given, _)| *given == name);
    if let Some(kind) = kind
        && !named(http::header::CONTENT_TYPE)
    {
        headers.push((http::header::CONTENT_TYPE, HeaderValue::from_static(kind)));
    }
    let method = arguments.method.clone().unwrap_or(if bodies.is_empty() {
        Method::GET
    } else {
        Method::POST
    });
    let plan = Plan::new(Options {
        url: arguments.url.clone(),
        method,
        headers,
        bodies,
        connections: arguments.connections,
        rate: arguments.rate,
        duration: arguments.duration,
        warm_up: arguments.warm_up,
        requests: arguments.requests,
        timeout: arguments.timeout,
        keep_alive: !arguments.no_keep_alive,
        threads: arguments.threads,
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no threads to load with")?;
    let report = runtime.block_on(run(plan, interrupted()))?;
    let text = if arguments.json {
        format!("{}\n", serde_json::to_string_pretty(&report)?)
    } else {
        report.to_string()
    };
    std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes())?;
    ensure!(
        report.answers > 0,
        "no request was answered{}",
        report
            .errors
            .example
            .map_or(String::new(), |example| format!(": {example}"))
    );
    Ok(())
}

/// Ready when somebody interrupts the run; never where that cannot be known.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// The bodies, and their media type if the file's name says it.
fn bodies(arguments: &Bench) -> Result<(Vec<Bytes>, Option<&'static str>)> {
    if let Some(body) = &arguments.body {
        let json = serde_json::from_str::<serde_json::Value>(body).is_ok();
        let kind = json.then_some("application/json");
        return Ok((vec![Bytes::from(body.clone().into_bytes())], kind));
    }
    let Some(path) = &arguments.body_file else {
        return Ok((Vec::new(), None));
    };
    let content = Bytes::from(
        std::fs::read(path)
            .with_context(|| format!("cannot read the body in `{}`", path.display()))?,
    );
    let kind = media_type(path);
    if path
        .extension()
        .is_some_and(|extension| extension == "jsonl")
    {
        let lines: Vec<Bytes> = content
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
            .map(|line| content.slice_ref(line))
            .collect();
        if lines.is_empty() {
            bail!("`{}` has no lines to send", path.display());
        }
        return Ok((lines, kind));
    }
    Ok((vec![content], kind))
}

fn media_type(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()? {
        "json" | "jsonl" => Some("application/json"),
        "csv" => Some("text/csv"),
        _ => None,
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue)> {
    let (name, value) = text
        .split_once(':')
        .with_context(|| format!("`{text}` is not a header; write `name: value`"))?;
    Ok((
        name.trim()
            .parse()
            .with_context(|| format!("`{name}` is not the name of a header"))?,
        value
            .trim()
            .parse()
            .with_context(|| format!("`{text}`: the value is not one of a header"))?,
    ))
}

/// Seconds, or a number with a unit.
fn duration(text: &str) -> Result<Duration> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        other => bail!("`{other}` is not a unit of time; write `500ms`, `10s`, `2m` or `1h`"),
    };
    let seconds: f64 = digits
        .parse()
        .ok()
        .filter(|number: &f64| *number >= 0.0 && number.is_finite())
        .with_context(|| format!("`{text}` is not a time; write `500ms`, `10s`, `2m` or `1h`"))?;
    // Longer ones are refused all the same, and this one can be told from them.
    let longest = 2.0 * LONGEST.as_secs_f64();
    Ok(Duration::from_secs_f64((seconds * unit).min(longest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, milliseconds) in [
            ("10", 10_000),
            ("500ms", 500),
            ("1.5s", 1500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1e30h", 7_200_000),
        ] {
            assert_eq!(
                duration(text).expect(text).as_millis(),
                milliseconds,
                "{text}"
            );
        }
        for wrong in ["", "s", "-1s", "1d", "NaN", "inf", "1 s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_have_a_name_and_a_value() {
        let (name, value) = header("X-Key: a:b ").expect("a header");
        assert_eq!((name.as_str(), value.as_bytes()), ("x-key", &b"a:b"[..]));
        for wrong in ["x-key", ": v", "a b: c", "x: \u{0}"] {
            assert!(header(wrong).is_err(), "{wrong}");
        }
    }
}
