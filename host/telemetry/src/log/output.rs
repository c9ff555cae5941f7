//! Where the log goes and what it shows.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::invocation::TARGET;
use crate::error::TelemetryError;

/// How lines of the log look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// Text for people.
    Text,
}

/// Where the log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogDestination {
    /// Standard error.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
    /// The end of a file, made when it does not exist.
    File(PathBuf),
}

/// What is logged, how and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// Where they go.
    pub destination: LogDestination,
    /// Levels, overall and per target: `info,hyaline_server=debug`.
    pub filter: String,
    /// Whether every invocation is recorded: see [`crate::InvocationRecord`].
    pub invocations: bool,
    /// How many lines may wait to be written; further ones are dropped and counted.
    pub queue: usize,
}

impl Default for LogConfig {
    /// Everything from `info` on, without invocations, to standard error; 16384 lines may wait.
    fn default() -> Self {
        LogConfig {
            format: LogFormat::default(),
            destination: LogDestination::default(),
            filter: "info".into(),
            invocations: false,
            queue: 16_384,
        }
    }
}

/// Counts the lines that were dropped because they came faster than they could be written.
#[derive(Clone, Debug)]
pub struct LogDrops(ErrorCounter);

impl LogDrops {
    /// How many so far.
    pub fn count(&self) -> u64 {
        self.0.dropped_lines() as u64
    }
}

/// Keeps the log going; what waits to be written is written when this is dropped.
#[must_use = "the log ends when this is dropped"]
#[derive(Debug)]
pub struct LogGuard {
    _worker: WorkerGuard,
    drops: LogDrops,
}

impl LogGuard {
    /// The count of dropped lines.
    pub fn drops(&self) -> LogDrops {
        self.drops.clone()
    }
}

/// Sets up the log of this process: from now on `tracing`'s events are written.
///
/// # Errors
/// [`TelemetryError`]: the filter is not understood, the file cannot be opened, or the process has a log already.
pub fn init(config: &LogConfig) -> Result<LogGuard, TelemetryError> {
    let filter = filter(config)?;
    let (writer, terminal): (Box<dyn Write + Send>, bool) = match &config.destination {
        LogDestination::Stderr => (Box::new(io::stderr()), io::stderr().is_terminal()),
        LogDestination::Stdout => (Box::new(io::stdout()), io::stdout().is_terminal()),
        LogDestination::File(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.map_err(|source| TelemetryError::LogFile {
                path: path.clone(),
                source,
            })?;
            (Box::new(file), false)
        }
    };
    let (writer, guard) = non_blocking(BufWriter::new(writer), config.queue);
    let json = match config.format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let installed = if json {
        tracing::subscriber::set_global_default(lines_of_json(filter, writer))
    } else {
        tracing::subscriber::set_global_default(lines_of_text(filter, writer, terminal))
    };
    installed.map_err(|_| TelemetryError::LogInstalled)?;
    Ok(guard)
}

fn filter(config: &LogConfig) -> Result<EnvFilter, TelemetryError> {
    let refused = |source| TelemetryError::Filter {
        filter: config.filter.clone(),
        source,
    };
    let filter = EnvFilter::try_new(&config.filter).map_err(refused)?;
    let invocations = if config.invocations { "info" } else { "off" };
    let directive = format!("{TARGET}={invocations}").parse().map_err(refused)?;
    Ok(filter.add_directive(directive))
}

/// A writer that hands lines to a thread, and drops and counts them when more than `queue` wait.
fn non_blocking(writer: impl Write + Send + 'static, queue: usize) -> (NonBlocking, LogGuard) {
    let (writer, worker) = NonBlockingBuilder::default()
        .buffered_lines_limit(queue.max(1))
        .lossy(true)
        .thread_name("log")
        .finish(writer);
    let drops = LogDrops(writer.error_counter());
    (
        writer,
        LogGuard {
            _worker: worker,
            drops,
        },
    )
}

fn lines_of_json(filter: EnvFilter, writer: NonBlocking) -> impl Subscriber + Send + Sync {
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_writer(writer)
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .finish()
}

fn lines_of_text(
    filter: EnvFilter,
    writer: NonBlocking,
    terminal: bool,
) -> impl Subscriber + Send + Sync {
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(terminal)
        .with_writer(writer)
        .finish()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::InvocationRecord;

    /// Tells a channel what is written to it.
    struct Sent(mpsc::Sender<Vec<u8>>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn record() -> InvocationRecord<'static> {
        InvocationRecord {
            function: "credit",
            version: 3,
            caller: None,
            request_id: "id",
            trace_id: None,
            status: 200,
            wall: Duration::from_micros(90),
            cpu: Some(Duration::from_micros(80)),
            init: None,
            peak_memory: 1 << 20,
            bytes_in: 10,
            bytes_out: 20,
            error_type: None,
            stdout: "",
            stderr: "a \x1b[31mred\x1b[0m \"line\"\nand another",
        }
    }

    fn written(config: &LogConfig, json: bool, log: impl FnOnce()) -> String {
        let (sender, receiver) = mpsc::channel();
        let (writer, guard) = non_blocking(Sent(sender), config.queue);
        let filter = filter(config).unwrap();
        if json {
            tracing::subscriber::with_default(lines_of_json(filter, writer), log);
        } else {
            tracing::subscriber::with_default(lines_of_text(filter, writer, false), log);
        }
        drop(guard);
        String::from_utf8(receiver.iter().flatten().collect()).unwrap()
    }

    #[test]
    fn an_invocation_is_one_line_of_json() {
        let config = LogConfig {
            invocations: true,
            ..LogConfig::default()
        };
        let text = written(&config, true, || record().log());
        assert_eq!(text.lines().count(), 1, "{text}");
        let mut line: serde_json::Value = serde_json::from_str(&text).unwrap();
        let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        assert_eq!(
            line,
            serde_json::json!({
                "level": "INFO", "target": "invocation", "function": "credit", "version": 3, "request_id": "id",
                "status": 200, "outcome": "answered", "wall_us": 90, "cpu_us": 80, "cold": false,
                "peak_memory": 1 << 20, "bytes_in": 10, "bytes_out": 20,
                "stderr": "a \x1b[31mred\x1b[0m \"line\"\nand another",
            })
        );
    }

    #[test]
    fn what_a_guest_says_cannot_leave_its_line() {
        let config = LogConfig {
            invocations: true,
            ..LogConfig::default()
        };
        let text = written(&config, false, || record().log());
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\x1b'), "{text:?}");
        assert!(text.contains(r#"stderr="a \u{1b}[31mred"#), "{text}");
    }

    #[test]
    fn the_filter_decides_per_target() {
        let config = LogConfig {
            filter: "warn,loud=debug".into(),
            ..LogConfig::default()
        };
        let text = written(&config, false, || {
            record().log();
            tracing::info!(target: "quiet", "no");
            tracing::warn!(target: "quiet", "yes");
            tracing::debug!(target: "loud", "yes, too");
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.contains("WARN quiet: yes") && text.contains("DEBUG loud: yes, too"),
            "{text}"
        );
        let config = LogConfig {
            filter: "hyaline=loud".into(),
            ..LogConfig::default()
        };
        let refusal = filter(&config).unwrap_err().to_string();
        assert_eq!(
            refusal,
            "`hyaline=loud` does not say what to log; it looks like info,hyaline=debug"
        );
    }

    /// Blocks in its first write until it is told to go on.
    struct Blocked(mpsc::Receiver<()>);

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_or_a_slow_terminal_never_stops_the_host() {
        let (go_on, blocked) = mpsc::channel();
        let (writer, guard) = non_blocking(Blocked(blocked), 4);
        let drops = guard.drops();
        let filter = filter(&LogConfig::default()).unwrap();
        tracing::subscriber::with_default(lines_of_json(filter, writer), || {
            (0..100).for_each(|number| tracing::info!(number));
        });
        // One line is being written, four wait.
        assert!((95..=96).contains(&drops.count()), "{}", drops.count());
        drop(go_on);
        drop(guard);
    }
}
