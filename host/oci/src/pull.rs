//! Taking a function out of a registry.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyaline_control::Digest;
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use serde::Deserialize;
use tokio::io::AsyncWrite;

use crate::annotation;
use crate::artefact;
use crate::client::Connection;
use crate::component;
use crate::configuration::WasmConfiguration;
use crate::error::{Action, OciError};
use crate::options::{Layout, Options};
use crate::reference::Reference;
use crate::spin::LockedApplication;

/// What was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The component. Its header says that it is one; its code has not been validated.
    pub component: Bytes,
    /// The SHA-256 of the component, which was checked.
    pub digest: Digest,
    /// Where it was, by the manifest's digest.
    pub reference: Reference,
    /// How it was laid out.
    pub layout: Layout,
    /// The configuration of [`Layout::Wasm`]; `None` when the artefact was made without one.
    pub configuration: Option<WasmConfiguration>,
    /// What the manifest tells about it.
    pub annotations: BTreeMap<String, String>,
}

/// Bytes of the longest configuration and locked application that are read.
const LONGEST_DOCUMENT: u64 = 1 << 20;

/// Takes a function out of a registry and checks it: the manifest against the reference's digest, every blob against
/// the manifest.
///
/// # Errors
/// [`OciError`]: the registry cannot be reached, does not know the artefact or who asks, or the artefact is damaged,
/// too long, or not a function.
pub async fn pull(reference: &Reference, options: &Options) -> Result<Pulled, OciError> {
    // The client reads these answers whatever their length, and what never ends never falls silent either.
    let patience = options.patience.saturating_mul(4);
    let found = tokio::time::timeout(patience, async {
        let connection = Connection::open(reference, options, Action::Pull).await?;
        let (manifest, reference) = manifest(&connection).await?;
        Ok((connection, manifest, reference))
    });
    let (connection, manifest, reference) = found.await.unwrap_or_else(|_| {
        Err(OciError::Slow {
            registry: reference.registry().into(),
            reference: reference.to_string(),
            patience,
        })
    })?;
    let not_a_function = |found: String| OciError::NotAFunction {
        reference: reference.to_string(),
        found,
    };
    let is_spin = manifest
        .layers
        .iter()
        .any(|layer| layer.media_type == annotation::SPIN_APPLICATION);
    let layer = if is_spin {
        spin_layer(&connection, &reference, &manifest).await?
    } else {
        single_layer(&manifest).map_err(not_a_function)?
    };
    let digest: Digest = layer
        .digest
        .parse()
        .map_err(|error| not_a_function(format!("the component's digest: {error}")))?;
    let configuration = if manifest.config.media_type == annotation::WASM_CONFIGURATION {
        Some(configuration(&connection, &manifest.config, digest).await?)
    } else {
        None
    };
    let component = blob(&connection, layer, "the component", options.longest).await?;
    component::interface(&component).map_err(|found| OciError::NotAComponent {
        subject: format!("the layer of `{reference}`"),
        found,
    })?;
    Ok(Pulled {
        component,
        digest,
        reference,
        layout: if is_spin { Layout::Spin } else { Layout::Wasm },
        configuration,
        annotations: manifest.annotations.unwrap_or_default(),
    })
}

/// The manifest, and the reference by its digest.
async fn manifest(connection: &Connection<'_>) -> Result<(OciImageManifest, Reference), OciError> {
    let reference = connection.reference;
    let accepted = [
        annotation::MANIFEST,
        annotation::INDEXES[0],
        annotation::INDEXES[1],
    ];
    let (bytes, _) = connection
        .client
        .pull_manifest_raw(reference.inner(), &connection.authentication, &accepted)
        .await
        .map_err(|source| damaged(connection, "the manifest", reference.digest(), source))?;
    let digest = artefact::digest(&bytes);
    if let Some(expected) = reference.digest().filter(|expected| *expected != digest) {
        return Err(OciError::Corrupt {
            part: "the manifest",
            reference: reference.to_string(),
            expected: expected.to_string(),
            source: None,
        });
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kind {
        media_type: Option<String>,
        manifests: Option<Vec<serde_json::Value>>,
    }
    let document = |source| OciError::Document {
        part: "the manifest",
        reference: reference.to_string(),
        source,
    };
    let kind: Kind = serde_json::from_slice(&bytes).map_err(document)?;
    let media_type = kind.media_type.as_deref().unwrap_or(annotation::MANIFEST);
    let found = if annotation::INDEXES.contains(&media_type) || kind.manifests.is_some() {
        "it is an index of images for several platforms; name one of its manifests by digest".into()
    } else if media_type != annotation::MANIFEST {
        format!(
            "its manifest is of type `{}`, not `{}`",
            shown(media_type),
            annotation::MANIFEST
        )
    } else {
        let manifest = serde_json::from_slice(&bytes).map_err(document)?;
        return Ok((manifest, reference.pinned(digest)));
    };
    Err(OciError::NotAFunction {
        reference: reference.to_string(),
        found,
    })
}

/// The one layer of an artefact of the Wasm layout. `Err` says what the manifest holds instead.
fn single_layer(manifest: &OciImageManifest) -> Result<&OciDescriptor, String> {
    let is_wasm = |layer: &OciDescriptor| {
        [annotation::WASM_LAYER, annotation::SPIN_WASM_LAYER].contains(&layer.media_type.as_str())
    };
    match manifest.layers.as_slice() {
        [layer] if is_wasm(layer) => Ok(layer),
        [] => Err("it has no layer".into()),
        [layer] => Err(format!(
            "its layer is of type `{}`, not `{}` (a container image runs under Docker or Kubernetes, not here)",
            shown(&layer.media_type),
            annotation::WASM_LAYER
        )),
        layers => Err(format!(
            "it has {} layers, and a function is one component; its first is of type `{}`",
            layers.len(),
            shown(&layers[0].media_type)
        )),
    }
}

/// The layer with the one component of a Spin application.
async fn spin_layer<'a>(
    connection: &Connection<'_>,
    reference: &Reference,
    manifest: &'a OciImageManifest,
) -> Result<&'a OciDescriptor, OciError> {
    let not_a_function = |found: String| OciError::NotAFunction {
        reference: reference.to_string(),
        found,
    };
    let application = manifest
        .layers
        .iter()
        .find(|layer| layer.media_type == annotation::SPIN_APPLICATION)
        .ok_or_else(|| not_a_function("it has no locked application".into()))?;
    let part = "the locked application";
    let bytes = blob(connection, application, part, LONGEST_DOCUMENT).await?;
    let application: LockedApplication =
        serde_json::from_slice(&bytes).map_err(|source| OciError::Document {
            part,
            reference: reference.to_string(),
            source,
        })?;
    let component = match application.components.as_slice() {
        [component] => component,
        components => {
            return Err(not_a_function(format!(
                "it is a Spin application of {} components, and a function is one",
                components.len()
            )));
        }
    };
    if !component.files.is_empty() || !component.dependencies.is_empty() {
        return Err(not_a_function(format!(
            "the component `{}` of the Spin application needs files or other components; functions have none",
            shown(&component.id)
        )));
    }
    manifest
        .layers
        .iter()
        .find(|layer| Some(&layer.digest) == component.source.digest.as_ref())
        .ok_or_else(|| {
            not_a_function(format!(
                "the component `{}` of the Spin application is not among its layers",
                shown(&component.id)
            ))
        })
}

async fn configuration(
    connection: &Connection<'_>,
    descriptor: &OciDescriptor,
    layer: Digest,
) -> Result<WasmConfiguration, OciError> {
    let part = "the configuration";
    let reference = connection.reference.to_string();
    let bytes = blob(connection, descriptor, part, LONGEST_DOCUMENT).await?;
    let configuration: WasmConfiguration = match serde_json::from_slice(&bytes) {
        Ok(configuration) => configuration,
        Err(source) => {
            return Err(OciError::Document {
                part,
                reference,
                source,
            });
        }
    };
    if configuration.layer_digests != [layer] {
        let configured: Vec<String> = configuration
            .layer_digests
            .iter()
            .take(3)
            .map(ToString::to_string)
            .collect();
        return Err(OciError::Inconsistent {
            reference,
            configured: if configured.is_empty() {
                "no layer".into()
            } else {
                configured.join(", ")
            },
            layer,
        });
    }
    Ok(configuration)
}

/// Reads a blob and checks its digest and its length.
async fn blob(
    connection: &Connection<'_>,
    descriptor: &OciDescriptor,
    part: &'static str,
    limit: u64,
) -> Result<Bytes, OciError> {
    let reference = connection.reference.to_string();
    let too_long = |size, limit, at_least| OciError::TooLong {
        part,
        reference: reference.clone(),
        size,
        at_least,
        limit,
    };
    let corrupt = |source| OciError::Corrupt {
        part,
        reference: reference.clone(),
        expected: descriptor.digest.chars().take(80).collect(),
        source,
    };
    let Ok(size) = u64::try_from(descriptor.size) else {
        return Err(corrupt(None));
    };
    if size > limit {
        return Err(too_long(size, limit, false));
    }
    // Without `urls`, which would let a manifest send this machine to any address.
    let descriptor_here = OciDescriptor {
        digest: descriptor.digest.clone(),
        ..OciDescriptor::default()
    };
    let mut content = Bounded {
        bytes: Vec::new(),
        limit: size,
        exceeded: false,
    };
    let outcome = connection
        .client
        .pull_blob(connection.reference.inner(), &descriptor_here, &mut content)
        .await;
    if content.exceeded {
        return Err(too_long(size, size, true));
    }
    if let Err(source) = outcome {
        return Err(match source {
            OciDistributionError::DigestError(_) => corrupt(Some(Box::new(source))),
            source => connection.error(source),
        });
    }
    if content.bytes.len() as u64 != size
        || artefact::digest(&content.bytes).to_string() != descriptor.digest
    {
        return Err(corrupt(None));
    }
    Ok(content.bytes.into())
}

fn damaged(
    connection: &Connection<'_>,
    part: &'static str,
    expected: Option<Digest>,
    source: OciDistributionError,
) -> OciError {
    match source {
        OciDistributionError::DigestError(_) => OciError::Corrupt {
            part,
            reference: connection.reference.to_string(),
            expected: expected.map_or_else(
                || "what the registry says it is".into(),
                |expected| expected.to_string(),
            ),
            source: Some(Box::new(source)),
        },
        source => connection.error(source),
    }
}

/// The beginning of a text from outside, for errors.
fn shown(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(100)
        .collect()
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    limit: u64,
    exceeded: bool,
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        more: &[u8],
    ) -> Poll<io::Result<usize>> {
        if (self.bytes.len() + more.len()) as u64 > self.limit {
            self.exceeded = true;
            return Poll::Ready(Err(io::Error::other("longer than its descriptor says")));
        }
        self.bytes.extend_from_slice(more);
        Poll::Ready(Ok(more.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
