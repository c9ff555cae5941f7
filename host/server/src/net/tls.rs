//! Transport security: a certificate that can be replaced while connections are served.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("`{}` holds no {what} in PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The key does not belong to the certificate, or is of a kind that is not supported.
    #[error("the certificate `{}` cannot be used with the key `{}`", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// How long a certificate is used before its files are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A certificate and its key, read again when their files change. While new files are not usable, the certificate
/// before them stays in use, so replacing two files one after the other cuts nobody off.
pub(crate) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    acceptor: ArcSwap<Acceptor>,
    looked: Mutex<Looked>,
}

struct Acceptor(TlsAcceptor);

struct Looked {
    at: Instant,
    stamp: Option<Stamp>,
}

type Stamp = [(SystemTime, u64); 2];

impl Certificate {
    /// # Errors
    /// [`CertificateError`]: a file cannot be read, holds no PEM, or the two do not belong together.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let stamp = stamp(certificate, key);
        let acceptor = acceptor(certificate, key)?;
        Ok(Certificate {
            certificate: certificate.into(),
            key: key.into(),
            acceptor: ArcSwap::from_pointee(Acceptor(acceptor)),
            looked: Mutex::new(Looked {
                at: Instant::now(),
                stamp,
            }),
        })
    }

    /// What the next connection is accepted with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.look();
        self.acceptor.load().0.clone()
    }

    fn look(&self) {
        let now = Instant::now();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(looked.at) < LOOK_AGAIN {
            return;
        }
        looked.at = now;
        let found = stamp(&self.certificate, &self.key);
        if found == looked.stamp {
            return;
        }
        looked.stamp = found;
        match acceptor(&self.certificate, &self.key) {
            Ok(acceptor) => {
                self.acceptor.store(Arc::new(Acceptor(acceptor)));
                tracing::info!(certificate = %self.certificate.display(), "the certificate was replaced");
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "the new certificate is not usable; the one before it stays in use");
            }
        }
    }
}

fn stamp(certificate: &Path, key: &Path) -> Option<Stamp> {
    let of = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    Some([of(certificate)?, of(key)?])
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, CertificateError> {
    let read = |path: &Path| {
        fs::read(path).map_err(|source| CertificateError::Read {
            path: path.into(),
            source,
        })
    };
    let pem = |path: &Path, what| CertificateError::Pem {
        path: path.into(),
        what,
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|_| pem(certificate, "certificate"))?;
    if chain.is_empty() {
        return Err(pem(certificate, "certificate"));
    }
    let private =
        PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| pem(key, "private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, private))
        .map_err(|source| CertificateError::Pair {
            certificate: certificate.into(),
            key: key.into(),
            source,
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
