//! Where an artefact is: registry, repository, tag, digest.

use std::fmt;
use std::str::FromStr;

use hyaline_control::Digest;

/// A text that does not say where an artefact is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It is not a reference at all.
    #[error(
        "`{text}` is not a reference to an artefact ({reason}); write it as `registry.example/team/credit:1.2` or \
         `registry.example/team/credit@sha256:…`"
    )]
    Malformed {
        /// Its beginning.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// It does not begin with the name of a registry.
    #[error(
        "`{text}` names no registry; begin with one, as in `registry.example/{text}` or `localhost:5000/{text}`"
    )]
    NoRegistry {
        /// It.
        text: String,
    },
    /// Its digest is not a SHA-256.
    #[error("the digest in `{text}` is not a SHA-256, the only one taken here")]
    DigestKind {
        /// It.
        text: String,
    },
}

/// Where an artefact is. Always names its registry: a short name never falls to a public registry by default. Without
/// tag and digest the tag is `latest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    inner: oci_client::Reference,
    digest: Option<Digest>,
}

impl Reference {
    /// # Errors
    /// [`ReferenceError`]: not of the form `registry/repository[:tag][@digest]`, no registry, or a digest other than
    /// SHA-256.
    pub fn new(text: &str) -> Result<Self, ReferenceError> {
        let shown = || text.chars().take(300).collect::<String>();
        let host = text.split_once('/').map_or("", |(host, _)| host);
        let inner: oci_client::Reference =
            text.parse()
                .map_err(|error: oci_client::ParseError| ReferenceError::Malformed {
                    text: shown(),
                    reason: error.to_string(),
                })?;
        if host != "localhost" && !host.contains(['.', ':']) {
            return Err(ReferenceError::NoRegistry { text: shown() });
        }
        let digest = inner
            .digest()
            .map(|digest| digest.parse())
            .transpose()
            .map_err(|_| ReferenceError::DigestKind { text: shown() })?;
        Ok(Reference { inner, digest })
    }

    /// The registry, with its port if one was given.
    pub fn registry(&self) -> &str {
        self.inner.registry()
    }

    /// The repository inside the registry.
    pub fn repository(&self) -> &str {
        self.inner.repository()
    }

    /// The tag; `latest` when neither tag nor digest was given.
    pub fn tag(&self) -> Option<&str> {
        self.inner.tag()
    }

    /// The digest of the manifest.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same artefact, named by the digest of its manifest: what can never change.
    pub fn pinned(&self, manifest: Digest) -> Reference {
        Reference {
            inner: self.inner.clone_with_digest(manifest.to_string()),
            digest: Some(manifest),
        }
    }

    /// Whether the registry is this machine: `localhost` or an address in 127.0.0.0/8.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.registry();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        host == "localhost"
            || host
                .parse::<std::net::Ipv4Addr>()
                .is_ok_and(|address| address.is_loopback())
    }

    pub(crate) fn inner(&self) -> &oci_client::Reference {
        &self.inner
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Reference::new(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_their_parts() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let text = format!("registry.example:5000/team/credit:1.2@{digest}");
        let reference = Reference::new(&text).unwrap();
        assert_eq!(reference.registry(), "registry.example:5000");
        assert_eq!(reference.repository(), "team/credit");
        assert_eq!(reference.tag(), Some("1.2"));
        assert_eq!(reference.digest().unwrap().to_string(), digest);
        assert_eq!(reference.to_string(), text);
        let latest = Reference::new("localhost/credit").unwrap();
        assert_eq!(latest.tag(), Some("latest"));
        assert_eq!(latest.digest(), None);
    }

    #[test]
    fn a_name_without_a_registry_is_refused() {
        for text in ["credit", "credit:1", "team/credit", "team/credit:1.2"] {
            assert_eq!(
                Reference::new(text),
                Err(ReferenceError::NoRegistry { text: text.into() })
            );
        }
        assert_eq!(
            Reference::new("team/credit").unwrap_err().to_string(),
            "`team/credit` names no registry; begin with one, as in `registry.example/team/credit` or \
             `localhost:5000/team/credit`"
        );
    }

    #[test]
    fn malformed_references_are_refused() {
        for text in [
            "",
            "https://registry.example/credit",
            "registry.example/Credit",
            "registry.example/../credit",
            "registry.example/credit:",
            "registry.example/credit@sha256:ab",
            "registry.example/credit 1",
            "registry.example/credit?x=1",
            "user:password@registry.example/credit",
        ] {
            assert!(
                matches!(Reference::new(text), Err(ReferenceError::Malformed { .. })),
                "{text}"
            );
        }
        let long = format!("registry.example/{}", "a".repeat(10_000));
        assert!(Reference::new(&long).unwrap_err().to_string().len() < 600);
        let other = format!("registry.example/credit@sha512:{}", "ab".repeat(64));
        assert!(matches!(
            Reference::new(&other),
            Err(ReferenceError::DigestKind { .. })
        ));
        let upper = format!("registry.example/credit@sha256:{}", "AB".repeat(32));
        assert!(matches!(
            Reference::new(&upper),
            Err(ReferenceError::DigestKind { .. })
        ));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (text, loopback) in [
            ("localhost/credit", true),
            ("localhost:5000/credit", true),
            ("127.0.0.1:5000/credit", true),
            ("127.8.9.1/credit", true),
            ("127.0.0.1.example/credit", false),
            ("localhost.example:5000/credit", false),
            ("10.0.0.1:5000/credit", false),
        ] {
            assert_eq!(
                Reference::new(text).unwrap().is_loopback(),
                loopback,
                "{text}"
            );
        }
    }
}
