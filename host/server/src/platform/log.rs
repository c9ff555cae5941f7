//! The log of a host, set up once per process.

use std::sync::OnceLock;

use hyaline_telemetry::{LogConfig, LogDrops, LogGuard, TelemetryError};

use crate::configuration::{Configuration, LogFormat, LogInvocations};

static DROPS: OnceLock<LogDrops> = OnceLock::new();

/// Starts writing the log to standard error, as the configuration says. What is written when the guard is dropped is
/// written out.
///
/// # Errors
/// [`TelemetryError`]: the filter is none, or the process has a log already.
pub fn start_log(configuration: &Configuration) -> Result<LogGuard, TelemetryError> {
    let log = &configuration.document().log;
    let config = LogConfig {
        format: match log.format {
            LogFormat::Auto => hyaline_telemetry::LogFormat::Auto,
            LogFormat::Json => hyaline_telemetry::LogFormat::Json,
            LogFormat::Text => hyaline_telemetry::LogFormat::Text,
        },
        filter: log.filter.clone(),
        invocations: log.invocations != LogInvocations::None,
        ..LogConfig::default()
    };
    let guard = hyaline_telemetry::init(&config)?;
    // The first log of the process is the one that drops lines.
    let _ = DROPS.set(guard.drops());
    Ok(guard)
}

pub(super) fn drops() -> Option<LogDrops> {
    DROPS.get().cloned()
}
