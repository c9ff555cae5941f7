//! Transport security, and a certificate that is replaced while the host serves.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::guests;
use crate::host::{Host, configuration};
use hyaline_server::{Application, Server};

fn certificate() -> CertifiedKey<rcgen::KeyPair> {
    generate_simple_self_signed(vec!["localhost".into()]).unwrap()
}

/// Asks over TLS, trusting this certificate alone.
fn get(address: &str, trusted: &CertificateDer<'static>) -> Result<String, String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let asked =
        stream.write_all(b"GET /f HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    asked.map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => Ok(String::from_utf8_lossy(&answer).into_owned()),
        Err(error) if !answer.is_empty() => Err(format!("cut off: {error}")),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_certificate_is_replaced_without_a_restart_and_a_bad_one_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (
        folder.path().join("chain.pem"),
        folder.path().join("key.pem"),
    );
    let first = certificate();
    std::fs::write(&chain, first.cert.pem()).unwrap();
    std::fs::write(&key, first.signing_key.serialize_pem()).unwrap();
    let component = folder.path().join("f.wasm");
    std::fs::write(&component, guests::says("secret")).unwrap();
    let members = [
        ("control", "off"),
        ("tls.certificate", chain.to_str().unwrap()),
        ("tls.key", key.to_str().unwrap()),
    ];
    let host = Host::with(&configuration(&members), &Application::single(&component));
    assert!(host.startup.base_url.starts_with("https://"));
    let address = host.address();
    let answer = get(&address, first.cert.der()).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("secret"),
        "{answer}"
    );

    let second = certificate();
    assert!(
        get(&address, second.cert.der()).is_err(),
        "it is not that one's yet"
    );
    std::fs::write(&chain, second.cert.pem()).unwrap();
    // Between the two files the pair does not fit, and the first one stays in use.
    std::fs::write(&key, second.signing_key.serialize_pem()).unwrap();
    let started = Instant::now();
    while get(&address, second.cert.der()).is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "the new certificate comes into use"
        );
    }
    assert!(get(&address, first.cert.der()).is_err());
    std::fs::write(&chain, "no PEM").unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(2500) {
        get(&address, second.cert.der()).unwrap();
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (
        folder.path().join("chain.pem"),
        folder.path().join("key.pem"),
    );
    let members = [
        ("tls.certificate", chain.to_str().unwrap()),
        ("tls.key", key.to_str().unwrap()),
    ];
    let start = async || {
        let error = Server::start(&configuration(&members), &Application::nothing())
            .await
            .err()
            .unwrap();
        error.to_string()
    };
    assert_eq!(start().await, format!("cannot read `{}`", chain.display()));
    std::fs::write(&chain, "nothing").unwrap();
    std::fs::write(&key, "nothing").unwrap();
    assert_eq!(
        start().await,
        format!("`{}` holds no certificate in PEM", chain.display())
    );
    let (one, other) = (certificate(), certificate());
    std::fs::write(&chain, one.cert.pem()).unwrap();
    assert_eq!(
        start().await,
        format!("`{}` holds no private key in PEM", key.display())
    );
    std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    assert_eq!(
        start().await,
        format!(
            "the certificate `{}` cannot be used with the key `{}`",
            chain.display(),
            key.display()
        )
    );
}
