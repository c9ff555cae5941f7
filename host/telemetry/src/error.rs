//! What keeps telemetry from starting.

use std::io;
use std::path::PathBuf;

/// Telemetry that cannot be as it is configured. Nothing fails after the start: what cannot be exported or written is
/// counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The collector's address is not one.
    #[error(
        "`{endpoint}` is not the address of an OTLP collector: {reason}; it looks like http://localhost:4318"
    )]
    Endpoint {
        /// What was configured.
        endpoint: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A header for the collector is not one.
    #[error("`{name}` with its value is not an HTTP header for the OTLP collector")]
    Header {
        /// The header's name. The value may be a secret.
        name: String,
    },
    /// The part of the traces to sample is none.
    #[error("{ratio} is not a ratio of sampled traces: it must be between 0 and 1")]
    SampleRatio {
        /// What was configured.
        ratio: f64,
    },
    /// Certificates that collectors are trusted by cannot be read.
    #[error("cannot read the certificates in {}", path.display())]
    CertificateFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate that collectors are to be trusted by is none.
    #[error("{} has no certificate that an OTLP collector could be trusted by", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
    },
    /// The system's certificates cannot be read.
    #[error("cannot read the system's certificates; name a file with the collector's")]
    SystemCertificates(#[source] io::Error),
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// No thread could be started.
    #[error("cannot start the thread that keeps the last minutes and exports")]
    Thread(#[source] io::Error),
    /// What the log shall show is not understood.
    #[error("`{filter}` does not say what to log; it looks like info,hyaline=debug")]
    Filter {
        /// What was configured.
        filter: String,
        /// Why.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The log's file cannot be opened.
    #[error("cannot open the log file {}", path.display())]
    LogFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is a log already.
    #[error("the log of this process is already set up")]
    LogInstalled,
}
