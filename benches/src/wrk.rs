//! The load generator `wrk` (Debian's package of that name), which runs beside what it loads in one thread.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::NamedTempFile;

/// What `wrk` saw.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub requests: f64,
    pub requests_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Connections that broke, answers that did not come, and answers with a status from 400.
    pub errors: f64,
}

/// A request that is sent again and again.
pub struct Shot(NamedTempFile);

impl Shot {
    /// POST of a JSON body.
    ///
    /// # Errors
    /// There is no room for the script.
    pub fn post(body: &str) -> Result<Shot> {
        let mut file = NamedTempFile::with_suffix(".lua")?;
        write!(
            file,
            "wrk.method = 'POST'\nwrk.headers['content-type'] = 'application/json'\nwrk.body = [==[{body}]==]\n\
             done = function(summary, latency)\n\
               local e = summary.errors\n\
               print(string.format('{{\"requests\":%d,\"rps\":%f,\"p50\":%f,\"p99\":%f,\"errors\":%d}}', summary.requests,\n\
                 summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99),\n\
                 e.connect + e.read + e.write + e.status + e.timeout))\n\
             end\n"
        )?;
        Ok(Shot(file))
    }

    /// Sends the request over so many connections at once for so many seconds.
    ///
    /// # Errors
    /// `wrk` is not there or printed no summary.
    pub fn load(&self, url: &str, connections: u32, seconds: u32) -> Result<Load> {
        let output = Command::new("wrk")
            .args(["-t1", "-c", &connections.to_string()])
            .args(["-d", &format!("{seconds}s"), "-s"])
            .arg(self.0.path())
            .arg(url)
            .stderr(Stdio::inherit())
            .output()
            .context("start wrk (Debian's package `wrk`)")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(line) = text.lines().find(|line| line.starts_with('{')) else {
            bail!("wrk printed no summary:\n{text}");
        };
        let summary: Value = serde_json::from_str(line)?;
        let number = |name: &str| {
            summary[name]
                .as_f64()
                .with_context(|| format!("wrk's summary lacks {name}"))
        };
        let load = Load {
            requests: number("requests")?,
            requests_per_second: number("rps")?,
            p50_us: number("p50")?,
            p99_us: number("p99")?,
            errors: number("errors")?,
        };
        if load.requests == 0.0 {
            bail!("{url} answered nothing in {seconds} s");
        }
        Ok(load)
    }
}
