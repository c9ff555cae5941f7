//! Where a collector is, and how it is talked to.

use std::path::Path;
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use hyper_rustls::ConfigBuilderExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::TelemetryError;
use crate::trace::SampleRatio;

/// An OTLP collector, and what is sent to it.
#[derive(Clone, Debug)]
pub struct OtlpConfig {
    pub(crate) traces: Uri,
    pub(crate) metrics: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) tls: ClientConfig,
    /// Which part of the traces that begin here is sampled; all unless set.
    pub sample: SampleRatio,
    /// How many spans may wait for export; further ones are dropped and counted. 4096 unless set.
    pub queue: usize,
    /// Spans are sent when so many are there, or [`OtlpConfig::span_interval`] has passed. 512 unless set.
    pub batch: usize,
    /// Longest time a span waits to be sent. 2 s unless set.
    pub span_interval: Duration,
    /// How often metrics are sent. A minute unless set.
    pub metric_interval: Duration,
    /// Longest time a request to the collector may take. 10 s unless set.
    pub timeout: Duration,
}

impl OtlpConfig {
    /// A collector at `endpoint`: `http` or `https`, `/v1/traces` and `/v1/metrics` are appended to its path. With
    /// `https`, its certificate must lead to one of the system's, or to one in the PEM file `certificates`.
    ///
    /// # Errors
    /// [`TelemetryError`]: `endpoint` is no such address, or there are no certificates to trust.
    pub fn new(endpoint: &str, certificates: Option<&Path>) -> Result<Self, TelemetryError> {
        let refused = |reason| TelemetryError::Endpoint {
            endpoint: endpoint.into(),
            reason,
        };
        let uri: Uri = endpoint.parse().map_err(|_| refused("it is not a URL"))?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(refused("it begins with neither http:// nor https://")),
        };
        if uri.query().is_some() {
            return Err(refused("it has a query"));
        }
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(refused("it has a user; send credentials as a header"));
        }
        let signal = |path: &str| {
            format!("{}{path}", endpoint.trim_end_matches('/'))
                .parse()
                .map_err(|_| refused("it is not a URL"))
        };
        Ok(OtlpConfig {
            traces: signal("/v1/traces")?,
            metrics: signal("/v1/metrics")?,
            headers: HeaderMap::new(),
            tls: tls(secure, certificates)?,
            sample: SampleRatio::default(),
            queue: 4096,
            batch: 512,
            span_interval: Duration::from_secs(2),
            metric_interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
        })
    }

    /// Sends a header with every request, such as a key. It is never logged.
    ///
    /// # Errors
    /// [`TelemetryError::Header`] unless name and value are an HTTP header's.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, TelemetryError> {
        let refused = || TelemetryError::Header { name: name.into() };
        let header = HeaderName::try_from(name).map_err(|_| refused())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| refused())?;
        value.set_sensitive(true);
        self.headers.append(header, value);
        Ok(self)
    }
}

fn tls(secure: bool, certificates: Option<&Path>) -> Result<ClientConfig, TelemetryError> {
    let provider = rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(TelemetryError::Tls)?;
    let builder = match certificates {
        Some(path) => builder.with_root_certificates(roots(path)?),
        None if secure => builder
            .with_native_roots()
            .map_err(TelemetryError::SystemCertificates)?,
        None => builder.with_root_certificates(RootCertStore::empty()),
    };
    Ok(builder.with_no_client_auth())
}

fn roots(path: &Path) -> Result<RootCertStore, TelemetryError> {
    let unreadable = |source| TelemetryError::CertificateFile {
        path: path.into(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots
            .add(certificate.map_err(unreadable)?)
            .map_err(TelemetryError::Tls)?;
    }
    if roots.is_empty() {
        return Err(TelemetryError::Certificate { path: path.into() });
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signals_paths_are_appended() {
        for endpoint in ["http://collector:4318", "http://collector:4318/"] {
            let config = OtlpConfig::new(endpoint, None).unwrap();
            assert_eq!(config.traces, "http://collector:4318/v1/traces");
            assert_eq!(config.metrics, "http://collector:4318/v1/metrics");
        }
        let config = OtlpConfig::new("http://gateway/otlp/", None).unwrap();
        assert_eq!(config.traces, "http://gateway/otlp/v1/traces");
    }

    #[test]
    fn what_is_no_collector_is_refused() {
        let refusal = |endpoint| OtlpConfig::new(endpoint, None).unwrap_err().to_string();
        assert_eq!(
            refusal("localhost:4318"),
            "`localhost:4318` is not the address of an OTLP collector: it begins with neither http:// nor https://; it \
             looks like http://localhost:4318"
        );
        for (endpoint, reason) in [
            ("", "not a URL"),
            ("grpc://a", "neither"),
            ("http://a/?b", "query"),
            ("http://a:b@c", "user"),
        ] {
            assert!(refusal(endpoint).contains(reason), "{}", refusal(endpoint));
        }
        let config = OtlpConfig::new("http://a", None).unwrap();
        let refused = config.header("api-key", "a\nb").unwrap_err().to_string();
        assert_eq!(
            refused,
            "`api-key` with its value is not an HTTP header for the OTLP collector"
        );
    }

    #[test]
    fn certificates_must_be_some() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        let refusal = || {
            OtlpConfig::new("https://a", Some(&path))
                .unwrap_err()
                .to_string()
        };
        assert!(
            refusal().starts_with("cannot read the certificates in "),
            "{}",
            refusal()
        );
        std::fs::write(&path, "no certificate").unwrap();
        assert!(
            refusal().ends_with("has no certificate that an OTLP collector could be trusted by"),
            "{}",
            refusal()
        );
    }
}
