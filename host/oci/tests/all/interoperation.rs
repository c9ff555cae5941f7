//! Others read what is pushed here, and what they push is read here: Debian's `skopeo`, and `oci-wasm`, the library of
//! wasmCloud and `wkg`.

use std::path::Path;
use std::process::Command;

use hyaline_oci::{Layout, Options, pull, push};
use oci_client_of_oci_wasm::client::{ClientConfig, ClientProtocol};
use oci_client_of_oci_wasm::secrets::RegistryAuth;
use oci_wasm::{WasmClient, WasmConfig};
use serde_json::Value;

use crate::component::{component, description};
use crate::registry::{Registry, anonymous};

fn skopeo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo")
        .arg("--insecure-policy")
        .args(arguments)
        .output()
        .expect("`skopeo` runs; `apt-get install skopeo` brings it");
    assert!(
        output.status.success(),
        "skopeo {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn shown(path: &Path) -> String {
    format!("dir:{}", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_reads_what_is_pushed_and_its_copy_is_pulled() {
    let registry = Registry::start();
    for layout in [Layout::Wasm, Layout::Spin] {
        let name = format!("{layout:?}").to_lowercase();
        let place = registry.at(&format!("{name}:1"));
        let options = Options {
            layout,
            ..anonymous()
        };
        let bytes = component(5000);
        let pushed = push(&place, bytes.clone(), &description("credit"), &options)
            .await
            .unwrap();

        let source = format!("docker://{place}");
        let manifest = skopeo(&["inspect", "--raw", "--tls-verify=false", &source]);
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(
            manifest["layers"][0]["digest"],
            pushed.component.to_string()
        );
        assert_eq!(
            manifest["annotations"]["org.opencontainers.image.title"],
            "credit"
        );

        let folder = tempfile::tempdir().unwrap();
        let copy = shown(folder.path());
        skopeo(&["copy", "--src-tls-verify=false", &source, &copy]);
        let layer = folder.path().join(pushed.component.to_hex());
        assert_eq!(std::fs::read(layer).unwrap(), bytes);

        let mirror = registry.at(&format!("mirror/{name}:1"));
        let target = format!("docker://{mirror}");
        skopeo(&["copy", "--dest-tls-verify=false", &copy, &target]);
        let pulled = pull(&mirror, &anonymous()).await.unwrap();
        assert_eq!(pulled.component, bytes);
        assert_eq!(pulled.reference.digest(), Some(pushed.digest));
    }
}

fn their_client() -> WasmClient {
    // Their client, too, is built here without a provider of its own.
    let _ =
        rustls::crypto::CryptoProvider::install_default(rustls::crypto::ring::default_provider());
    let configuration = ClientConfig {
        protocol: ClientProtocol::Http,
        ..ClientConfig::default()
    };
    WasmClient::new(oci_client_of_oci_wasm::Client::new(configuration))
}

#[tokio::test]
async fn wasmclouds_library_reads_what_is_pushed() {
    let registry = Registry::start();
    let place = registry.at("credit:1");
    let bytes = component(5000);
    let pushed = push(&place, bytes.clone(), &description("credit"), &anonymous())
        .await
        .unwrap();
    let client = their_client();
    let reference = place.to_string().parse().unwrap();
    let image = client
        .pull(&reference, &RegistryAuth::Anonymous)
        .await
        .unwrap();
    assert_eq!(image.layers[0].data, bytes);
    assert_eq!(image.digest.unwrap(), pushed.digest.to_string());
    let (_, read, _) = client
        .pull_manifest_and_config(&reference, &RegistryAuth::Anonymous)
        .await
        .unwrap();
    // What their library says of the same component.
    let (made, _) = WasmConfig::from_raw_component(bytes, Some("Ada".into())).unwrap();
    assert_eq!(read.created.to_rfc3339(), "2026-11-27T09:00:00+00:00");
    assert_eq!(read.author, made.author);
    assert_eq!(read.architecture, made.architecture);
    assert_eq!(read.os, made.os);
    assert_eq!(read.layer_digests, made.layer_digests);
    let (read, made) = (read.component.unwrap(), made.component.unwrap());
    assert_eq!(read.imports, made.imports);
    assert_eq!(read.exports, made.exports);
}

#[tokio::test]
async fn what_wasmclouds_library_pushes_is_pulled() {
    let registry = Registry::start();
    let place = registry.at("theirs:1");
    let bytes = component(70);
    let (configuration, layer) = WasmConfig::from_raw_component(bytes.clone(), None).unwrap();
    their_client()
        .push(
            &place.to_string().parse().unwrap(),
            &RegistryAuth::Anonymous,
            layer,
            configuration,
            None,
        )
        .await
        .unwrap();
    let pulled = pull(&place, &anonymous()).await.unwrap();
    assert_eq!(pulled.component, bytes);
    assert_eq!(
        pulled.configuration.unwrap().component.unwrap().exports,
        ["load"]
    );
}
