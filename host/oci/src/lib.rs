//! Functions as OCI artefacts: [`push`] puts a component into a registry, [`pull`] takes one out.
//!
//! [`Layout::Wasm`], the default, is the layout of the CNCF's Wasm working group (tag-runtime.cncf.io,
//! "Wasm OCI Artifact layout"), which wasmCloud, containerd, `wkg` and `spin up -f` (Spin 3.6 and later) take.
//! [`Layout::Spin`] wraps the component into a Spin application with one HTTP trigger, for SpinKube and older Spins.
//! Both are read back, and so is any manifest with a single layer of type `application/wasm`.
//!
//! What comes from a registry is untrusted. Every blob is checked against the SHA-256 in the manifest, and the manifest
//! against the reference's digest if that has one; no more is read of a blob than its descriptor says, and no
//! descriptor may exceed [`Options::longest`]. Tokens and manifests themselves have no bound but
//! time: four times [`Options::patience`]. Sources of blobs outside the registry (`urls`) are never followed.
//! Credentials go to the registry and to the token service that the registry names, as the distribution
//! specification has it, so give them only to registries you trust.

#![forbid(unsafe_code)]

mod annotation;
mod artefact;
mod client;
mod component;
mod configuration;
mod credentials;
mod description;
mod error;
mod options;
mod pull;
mod push;
mod reference;
mod spin;

pub use configuration::{Interface, WasmConfiguration};
pub use credentials::{CredentialError, Credentials};
pub use description::Description;
pub use error::{Action, OciError};
pub use options::{Layout, Options, Transport};
pub use pull::{Pulled, pull};
pub use push::{Pushed, push};
pub use reference::{Reference, ReferenceError};
