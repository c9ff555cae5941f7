//! How to reach a registry, and what to put there.

use std::time::Duration;

use crate::credentials::Credentials;

/// How an artefact is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// The CNCF's Wasm OCI artefact layout: a configuration of type `application/vnd.wasm.config.v0+json` that lists
    /// imports and exports, and the component as the single layer of type `application/wasm`.
    #[default]
    Wasm,
    /// A Spin application as `spin registry push` writes it: an image configuration, the component as
    /// `application/vnd.wasm.content.layer.v1+wasm`, and the locked application with one HTTP trigger on `/...`.
    Spin,
}

/// Whether the connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// TLS, except to a registry on this machine (`localhost`, 127.0.0.0/8).
    #[default]
    Automatic,
    /// TLS always.
    Tls,
    /// Never. Credentials and functions can be read and replaced by whoever is on the way.
    Plain,
}

/// How to reach a registry, and what to put there.
#[derive(Clone, Debug)]
pub struct Options {
    /// How [`push`](crate::push()) lays the artefact out; [`pull`](crate::pull()) takes every layout.
    pub layout: Layout,
    /// Who asks.
    pub credentials: Credentials,
    /// Whether the connection is encrypted.
    pub transport: Transport,
    /// Certificates (PEM) that are trusted besides the system's.
    pub roots: Vec<Vec<u8>>,
    /// Bytes of the largest component that is pulled.
    pub longest: u64,
    /// How long a connection may take to open, and how long it may stay silent. A pull may
    /// take four times as long until it has the manifest.
    pub patience: Duration,
}

impl Default for Options {
    /// [`Layout::Wasm`], the user's own credentials, TLS except on this machine, 1 GiB, 30 s.
    fn default() -> Self {
        Options {
            layout: Layout::default(),
            credentials: Credentials::default(),
            transport: Transport::default(),
            roots: Vec::new(),
            longest: 1 << 30,
            patience: Duration::from_secs(30),
        }
    }
}
