//! Debian's `docker-registry` on a free port of 127.0.0.1, with its storage in a temporary folder.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hyaline_control::Digest;
use hyaline_oci::{Credentials, Options, Reference};

/// A running registry; stopped when it is dropped.
pub(crate) struct Registry {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
    _certificate: Option<tempfile::TempDir>,
}

/// User `ada`, password `lovelace`, as `htpasswd -nbBC 5 ada lovelace` prints it.
const USERS: &str = "ada:$2y$05$tc6830J9YU6.7Tkxi1jFY.gOaLfI8fBocKs3.M7I0HhwKAC0Cwj9C\n";

impl Registry {
    /// Open to everybody, without TLS.
    pub(crate) fn start() -> Self {
        Registry::start_with(|_| String::new(), "")
    }

    /// Open to `ada` with the password `lovelace`.
    pub(crate) fn start_for_ada() -> Self {
        Registry::start_with(
            |folder| {
                let path = folder.join("users");
                fs::write(&path, USERS).unwrap();
                format!(
                    "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
                    path.display()
                )
            },
            "",
        )
    }

    /// Open to everybody, with TLS.
    pub(crate) fn start_with_certificate(certificate: &str, key: &str) -> Self {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let folder = tempfile::tempdir().unwrap();
        let paths = [("certificate", certificate), ("key", key)].map(|(name, text)| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        });
        let tls = format!(
            "  tls:\n    certificate: {}\n    key: {}\n",
            paths[0].display(),
            paths[1].display()
        );
        let registry = Registry::start_with(|_| String::new(), &tls);
        Registry::keep(registry, folder)
    }

    fn keep(mut registry: Registry, folder: tempfile::TempDir) -> Registry {
        registry._certificate = Some(folder);
        registry
    }

    fn start_with(more: impl Fn(PathBuf) -> String, http: &str) -> Self {
        // Somebody else may take the port between its choice and the registry's start; then the registry exits.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let folder = tempfile::tempdir().unwrap();
            let configuration = folder.path().join("configuration.yml");
            let text = format!(
                "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    \
                 rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n  secret: test\n{http}{}",
                folder.path().join("storage").display(),
                more(folder.path().into()),
            );
            fs::write(&configuration, text).unwrap();
            let mut process = Command::new("docker-registry")
                .arg("serve")
                .arg(&configuration)
                .env_remove("OTEL_TRACES_EXPORTER")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("`docker-registry` runs; `apt-get install docker-registry` brings it");
            let patience = Instant::now() + Duration::from_secs(60);
            while Instant::now() < patience {
                if process.try_wait().unwrap().is_some() {
                    break;
                }
                if TcpStream::connect(("127.0.0.1", port)).is_ok()
                    && process.try_wait().unwrap().is_none()
                {
                    return Registry {
                        process,
                        port,
                        folder,
                        _certificate: None,
                    };
                }
                std::thread::park_timeout(Duration::from_millis(20));
            }
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("docker-registry does not start");
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The artefact at a path such as `team/credit:1`.
    pub(crate) fn at(&self, path: &str) -> Reference {
        Reference::new(&format!("{}/{path}", self.address())).unwrap()
    }

    /// Where the registry notes which manifest a tag leads to.
    pub(crate) fn tag_link(&self, place: &Reference) -> PathBuf {
        self.folder
            .path()
            .join("storage/docker/registry/v2/repositories")
            .join(place.repository())
            .join("_manifests/tags")
            .join(place.tag().unwrap())
            .join("current/link")
    }

    /// Where the registry keeps a blob or a manifest.
    pub(crate) fn stored(&self, digest: Digest) -> PathBuf {
        let hex = digest.to_hex();
        self.folder
            .path()
            .join("storage/docker/registry/v2/blobs/sha256")
            .join(&hex[..2])
            .join(&hex)
            .join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Nobody asks, whatever the machine's own credential files say.
pub(crate) fn anonymous() -> Options {
    Options {
        credentials: Credentials::Anonymous,
        ..Options::default()
    }
}

/// The whole chain of an error, as the command shows it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
