//! Keys of annotations (OCI image specification, annotations.md) and media types of both layouts.

pub(crate) const TITLE: &str = "org.opencontainers.image.title";
pub(crate) const CREATED: &str = "org.opencontainers.image.created";
pub(crate) const VERSION: &str = "org.opencontainers.image.version";
pub(crate) const DESCRIPTION: &str = "org.opencontainers.image.description";
pub(crate) const AUTHORS: &str = "org.opencontainers.image.authors";
/// The model's name on the function's card.
pub(crate) const CARD_NAME: &str = "hyaline.card.name";

/// A manifest of the OCI image specification, which artefacts use, too.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Manifests of several platforms, OCI's and Docker's.
pub(crate) const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
/// The configuration of a Wasm artefact (CNCF).
pub(crate) const WASM_CONFIGURATION: &str = "application/vnd.wasm.config.v0+json";
/// The component of a Wasm artefact (CNCF).
pub(crate) const WASM_LAYER: &str = "application/wasm";
/// The configuration of a container image, which Spin uses.
pub(crate) const IMAGE_CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
/// A component as Spin lays it out.
pub(crate) const SPIN_WASM_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";
/// A locked Spin application.
pub(crate) const SPIN_APPLICATION: &str = "application/vnd.fermyon.spin.application.v1+config";
