//! The blobs and the manifest that a component becomes.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyaline_control::Digest;
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::annotation;
use crate::configuration::{ARCHITECTURE, Interface, OS, WasmConfiguration};
use crate::description::Description;
use crate::options::Layout;
use crate::spin;

/// What is sent to a registry, in the order in which it is sent: the manifest last.
pub(crate) struct Artefact {
    pub(crate) blobs: Vec<(Digest, Bytes)>,
    pub(crate) manifest: Bytes,
    /// The SHA-256 of the manifest.
    pub(crate) digest: Digest,
    /// The SHA-256 of the component.
    pub(crate) component: Digest,
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Lays a component out. The same arguments give the same bytes.
pub(crate) fn build(
    component: Bytes,
    interface: Interface,
    description: &Description,
    layout: Layout,
) -> Artefact {
    let component_digest = digest(&component);
    let mut blobs = Vec::new();
    let mut add = |media_type: &str, bytes: Bytes, title: Option<String>| {
        let digest = digest(&bytes);
        let descriptor = OciDescriptor {
            media_type: media_type.into(),
            digest: digest.to_string(),
            size: i64::try_from(bytes.len()).expect("memory holds less than 2^63 bytes"),
            annotations: title.map(|title| BTreeMap::from([(annotation::TITLE.into(), title)])),
            ..OciDescriptor::default()
        };
        blobs.push((digest, bytes));
        descriptor
    };
    let file = format!("{}.wasm", description.function);
    let (layers, configuration) = match layout {
        Layout::Wasm => {
            let configuration = WasmConfiguration {
                created: description.created,
                author: description.author.clone(),
                architecture: ARCHITECTURE.into(),
                os: OS.into(),
                layer_digests: vec![component_digest],
                component: Some(interface),
            };
            let layers = vec![add(annotation::WASM_LAYER, component, Some(file))];
            (
                layers,
                add(
                    annotation::WASM_CONFIGURATION,
                    document(&configuration),
                    None,
                ),
            )
        }
        Layout::Spin => {
            let application = document(&spin::application(description, component_digest));
            // Spin names the application here so that two applications never share a configuration, which container
            // runtimes take for the identity of an image.
            let labels =
                json!({"com.fermyon.spin.lockedAppDigest": digest(&application).to_string()});
            let configuration = json!({
                "created": description.created,
                "architecture": ARCHITECTURE,
                "os": "Wasip1",
                "config": {"Labels": labels},
                "rootfs": {"type": "layers", "diff_ids": []}
            });
            let layers = vec![
                add(annotation::SPIN_WASM_LAYER, component, Some(file)),
                add(annotation::SPIN_APPLICATION, application, None),
            ];
            (
                layers,
                add(
                    annotation::IMAGE_CONFIGURATION,
                    document(&configuration),
                    None,
                ),
            )
        }
    };
    let manifest = OciImageManifest {
        media_type: Some(annotation::MANIFEST.into()),
        config: configuration,
        layers,
        annotations: Some(annotations(description)),
        ..OciImageManifest::default()
    };
    let manifest = document(&manifest);
    Artefact {
        blobs,
        digest: digest(&manifest),
        manifest,
        component: component_digest,
    }
}

fn document(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value)
        .expect("documents of strings and lists are JSON")
        .into()
}

fn annotations(description: &Description) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from([
        (
            annotation::TITLE.to_owned(),
            description.function.to_string(),
        ),
        (
            annotation::CREATED.to_owned(),
            description.created.to_string(),
        ),
    ]);
    for (key, value) in [
        (annotation::VERSION, &description.version),
        (annotation::DESCRIPTION, &description.summary),
        (annotation::AUTHORS, &description.author),
        (annotation::CARD_NAME, &description.model),
    ] {
        if let Some(value) = value {
            annotations.insert(key.into(), value.clone());
        }
    }
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyaline_control::FunctionName;

    fn description() -> Description {
        let created = "2026-11-27T09:00:00Z".parse().unwrap();
        Description {
            model: Some("Credit risk".into()),
            version: Some("3".into()),
            summary: Some("Says who pays \"back\"\n".into()),
            author: Some("Ada".into()),
            ..Description::new(FunctionName::new("credit").unwrap(), created)
        }
    }

    fn blob(artefact: &Artefact, digest: &str) -> serde_json::Value {
        let (_, bytes) = artefact
            .blobs
            .iter()
            .find(|(found, _)| found.to_string() == digest)
            .unwrap();
        serde_json::from_slice(bytes).unwrap()
    }

    fn interface() -> Interface {
        Interface {
            exports: vec!["wasi:http/incoming-handler@0.2.3".into()],
            imports: vec!["wasi:http/types@0.2.3".into()],
            target: None,
        }
    }

    #[test]
    fn the_wasm_layout_is_the_cncfs() {
        let artefact = build(
            b"component".as_slice().into(),
            interface(),
            &description(),
            Layout::Wasm,
        );
        let manifest: serde_json::Value = serde_json::from_slice(&artefact.manifest).unwrap();
        // `printf component | sha256sum`
        let component = "sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa";
        let configuration = manifest["config"]["digest"].as_str().unwrap();
        assert_eq!(
            manifest,
            json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {
                    "mediaType": "application/vnd.wasm.config.v0+json",
                    "digest": configuration,
                    "size": manifest["config"]["size"]
                },
                "layers": [{
                    "mediaType": "application/wasm",
                    "digest": component,
                    "size": 9,
                    "annotations": {"org.opencontainers.image.title": "credit.wasm"}
                }],
                "annotations": {
                    "org.opencontainers.image.title": "credit",
                    "org.opencontainers.image.created": "2026-11-27T09:00:00Z",
                    "org.opencontainers.image.version": "3",
                    "org.opencontainers.image.description": "Says who pays \"back\"\n",
                    "org.opencontainers.image.authors": "Ada",
                    "hyaline.card.name": "Credit risk"
                }
            })
        );
        assert_eq!(
            blob(&artefact, configuration),
            json!({
                "created": "2026-11-27T09:00:00Z",
                "author": "Ada",
                "architecture": "wasm",
                "os": "wasip2",
                "layerDigests": [component],
                "component": {
                    "exports": ["wasi:http/incoming-handler@0.2.3"],
                    "imports": ["wasi:http/types@0.2.3"]
                }
            })
        );
    }

    #[test]
    fn the_spin_layout_is_a_locked_application() {
        let described = Description {
            allowed_outbound_hosts: vec!["https://example.org".into()],
            ..description()
        };
        let artefact = build(
            b"component".as_slice().into(),
            interface(),
            &described,
            Layout::Spin,
        );
        let manifest: serde_json::Value = serde_json::from_slice(&artefact.manifest).unwrap();
        let types: Vec<&str> = manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|layer| layer["mediaType"].as_str().unwrap())
            .collect();
        assert_eq!(
            types,
            [
                "application/vnd.wasm.content.layer.v1+wasm",
                "application/vnd.fermyon.spin.application.v1+config"
            ]
        );
        let locked = manifest["layers"][1]["digest"].as_str().unwrap();
        assert_eq!(
            blob(&artefact, locked),
            json!({
                "spin_lock_version": 0,
                "metadata": {
                    "name": "credit",
                    "version": "3",
                    "description": "Says who pays \"back\"\n",
                    "authors": ["Ada"],
                    "trigger": {"type": "http"},
                    "triggers": {"http": {}}
                },
                "triggers": [{
                    "id": "trigger-credit",
                    "trigger_type": "http",
                    "trigger_config": {
                        "component": "credit", "executor": {"type": "http"}, "route": "/..."
                    }
                }],
                "components": [{
                    "id": "credit",
                    "metadata": {"allowed_outbound_hosts": ["https://example.org"]},
                    "source": {
                        "content_type": "application/wasm",
                        "digest": artefact.component.to_string()
                    }
                }]
            })
        );
        let configuration = blob(&artefact, manifest["config"]["digest"].as_str().unwrap());
        assert_eq!(
            configuration["config"]["Labels"]["com.fermyon.spin.lockedAppDigest"],
            locked
        );
    }

    #[test]
    fn the_same_component_and_description_are_the_same_artefact() {
        for layout in [Layout::Wasm, Layout::Spin] {
            let build = || {
                build(
                    b"component".as_slice().into(),
                    interface(),
                    &description(),
                    layout,
                )
            };
            assert_eq!(build().digest, build().digest);
        }
    }
}
