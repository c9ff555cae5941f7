//! What a registry may hold that is no sound function, and how it is refused. The words are pinned.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use hyaline_control::Digest;
use hyaline_oci::{OciError, Options, Reference, pull, push};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::component::{component, description};
use crate::registry::{Registry, anonymous, chain};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Puts anything into a registry, as no well-behaved client would.
struct Vandal {
    client: oci_client::Client,
    place: oci_client::Reference,
}

impl Vandal {
    async fn new(reference: &Reference) -> Self {
        let configuration = ClientConfig {
            protocol: ClientProtocol::Http,
            ..ClientConfig::default()
        };
        let _ = rustls::crypto::CryptoProvider::install_default(
            rustls::crypto::ring::default_provider(),
        );
        let client = oci_client::Client::try_from(configuration).unwrap();
        let place: oci_client::Reference = reference.to_string().parse().unwrap();
        let operation = oci_client::RegistryOperation::Push;
        client
            .auth(&place, &RegistryAuth::Anonymous, operation)
            .await
            .unwrap();
        Vandal { client, place }
    }

    async fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes).to_string();
        self.client
            .push_blob(&self.place, bytes.to_vec(), &digest)
            .await
            .unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    async fn manifest(&self, media_type: &str, manifest: &Value) {
        self.client
            .push_manifest_raw(
                &self.place,
                serde_json::to_vec(manifest).unwrap(),
                media_type.parse().unwrap(),
            )
            .await
            .unwrap();
    }

    async fn artefact(&self, configuration: &Value, layers: &[Value]) {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": configuration, "layers": layers
        });
        self.manifest(MANIFEST, &manifest).await;
    }
}

async fn refusal(reference: &Reference) -> OciError {
    pull(reference, &anonymous()).await.unwrap_err()
}

#[tokio::test]
async fn a_damaged_component_is_refused() {
    let registry = Registry::start();
    let place = registry.at("credit:1");
    let pushed = push(&place, component(100), &description("credit"), &anonymous())
        .await
        .unwrap();
    let path = registry.stored(pushed.component);
    let sound = fs::read(&path).unwrap();
    let mut flipped = sound.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut longer = sound.clone();
    longer.extend_from_slice(b"more");
    let corrupt = format!(
        "the component of `{place}` is damaged or was exchanged: its SHA-256 is not {}; nothing of it was kept",
        pushed.component
    );
    let too_long = format!(
        "the component of `{place}` has more than {0} bytes; the limit is {0}",
        sound.len()
    );
    let shorter = sound[..sound.len() - 5].to_vec();
    for (content, words) in [
        (flipped, &corrupt),
        (longer, &too_long),
        (shorter, &corrupt),
    ] {
        fs::write(&path, content).unwrap();
        assert_eq!(&refusal(&place).await.to_string(), words);
    }
    fs::write(&path, &sound).unwrap();
    assert_eq!(pull(&place, &anonymous()).await.unwrap().component, sound);
}

#[tokio::test]
async fn a_damaged_manifest_is_refused() {
    let registry = Registry::start();
    let place = registry.at("credit:1");
    let pushed = push(&place, component(100), &description("credit"), &anonymous())
        .await
        .unwrap();
    let path = registry.stored(pushed.digest);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"3\"", "\"4\"")).unwrap();
    for reference in [&place, &pushed.reference] {
        let error = refusal(reference).await;
        assert!(
            matches!(error, OciError::Corrupt { .. }),
            "{}",
            chain(&error)
        );
        assert!(
            error.to_string().starts_with("the manifest of `"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_damaged_configuration_is_refused() {
    let registry = Registry::start();
    let place = registry.at("credit:1");
    let pushed = push(&place, component(100), &description("credit"), &anonymous())
        .await
        .unwrap();
    let manifest: Value =
        serde_json::from_slice(&fs::read(registry.stored(pushed.digest)).unwrap()).unwrap();
    let configuration: Digest = manifest["config"]["digest"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let path = registry.stored(configuration);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("wasip2", "wasip1")).unwrap();
    let error = refusal(&place).await.to_string();
    assert!(error.starts_with("the configuration of `"), "{error}");
    assert!(error.contains("is damaged or was exchanged"), "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_unknown() {
    let registry = Registry::start();
    let place = registry.at("credit:1");
    let pushed = push(&place, component(1), &description("credit"), &anonymous())
        .await
        .unwrap();
    let absent = format!("credit@{}", digest(b"something else"));
    for path in ["credit:2", "nothing:1", &absent] {
        let reference = registry.at(path);
        assert_eq!(
            refusal(&reference).await.to_string(),
            format!(
                "there is no `{reference}` in the registry; look for a mistyped name or tag, or push it first"
            )
        );
    }
    fs::remove_file(registry.stored(pushed.component)).unwrap();
    let error = refusal(&place).await;
    assert!(
        matches!(error, OciError::Unknown { .. }),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn other_artefacts_are_refused_by_name() {
    let registry = Registry::start();
    let wasm = "application/wasm";
    let empty = "application/vnd.oci.empty.v1+json";
    let bytes = component(1);

    let place = registry.at("image:1");
    let vandal = Vandal::new(&place).await;
    let configuration = vandal
        .blob("application/vnd.oci.image.config.v1+json", b"{}")
        .await;
    let layer = vandal
        .blob("application/vnd.oci.image.layer.v1.tar+gzip", b"tar")
        .await;
    vandal.artefact(&configuration, &[layer]).await;
    assert_eq!(
        refusal(&place).await.to_string(),
        format!(
            "`{}` is not a function: its layer is of type `application/vnd.oci.image.layer.v1.tar+gzip`, not \
             `application/wasm` (a container image runs under Docker or Kubernetes, not here)",
            pinned(&registry, &place)
        )
    );

    let place = registry.at("two:1");
    let vandal = Vandal::new(&place).await;
    let configuration = vandal.blob(empty, b"{}").await;
    let layers = [
        vandal.blob(wasm, &bytes).await,
        vandal.blob(wasm, &component(2)).await,
    ];
    vandal.artefact(&configuration, &layers).await;
    let error = refusal(&place).await.to_string();
    assert!(
        error.ends_with(
            "is not a function: it has 2 layers, and a function is one component; its first is of type `application/wasm`"
        ),
        "{error}"
    );

    let place = registry.at("module:1");
    let vandal = Vandal::new(&place).await;
    let configuration = vandal.blob(empty, b"{}").await;
    let module = wat::parse_str("(module)").unwrap();
    let layer = vandal.blob(wasm, &module).await;
    vandal.artefact(&configuration, &[layer]).await;
    let error = refusal(&place).await.to_string();
    assert!(
        error.ends_with("is a core module, not a component; a function is a WebAssembly component"),
        "{error}"
    );

    let place = registry.at("index:1");
    let vandal = Vandal::new(&place).await;
    let index = "application/vnd.oci.image.index.v1+json";
    vandal
        .manifest(
            index,
            &json!({"schemaVersion": 2, "mediaType": index, "manifests": []}),
        )
        .await;
    let error = refusal(&place).await.to_string();
    assert!(
        error.ends_with(
            "it is an index of images for several platforms; name one of its manifests by digest"
        ),
        "{error}"
    );
}

/// The reference by the digest of the manifest that the registry has for the tag.
fn pinned(registry: &Registry, place: &Reference) -> Reference {
    let link = registry.tag_link(place);
    let digest: Digest = fs::read_to_string(link).unwrap().trim().parse().unwrap();
    place.pinned(digest)
}

#[tokio::test]
async fn a_configuration_about_another_component_is_refused() {
    let registry = Registry::start();
    let place = registry.at("credit:1");
    let vandal = Vandal::new(&place).await;
    let layer = vandal.blob("application/wasm", &component(1)).await;
    for layers in [json!([digest(b"another").to_string()]), json!([])] {
        let configuration = json!({
            "created": "2026-11-27T09:00:00Z", "architecture": "wasm", "os": "wasip2", "layerDigests": layers
        });
        let configuration = vandal
            .blob(
                "application/vnd.wasm.config.v0+json",
                &serde_json::to_vec(&configuration).unwrap(),
            )
            .await;
        vandal
            .artefact(&configuration, std::slice::from_ref(&layer))
            .await;
        let error = refusal(&place).await;
        assert!(
            matches!(error, OciError::Inconsistent { .. }),
            "{}",
            chain(&error)
        );
    }
    let configuration = vandal
        .blob("application/vnd.wasm.config.v0+json", b"not JSON")
        .await;
    vandal.artefact(&configuration, &[layer]).await;
    let error = refusal(&place).await;
    assert!(
        matches!(error, OciError::Document { .. }),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn spin_applications_that_are_more_than_a_function_are_refused() {
    let registry = Registry::start();
    let place = registry.at("application:1");
    let vandal = Vandal::new(&place).await;
    let configuration = vandal
        .blob("application/vnd.oci.image.config.v1+json", b"{}")
        .await;
    let wasm = vandal
        .blob("application/vnd.wasm.content.layer.v1+wasm", &component(1))
        .await;
    let source = json!({"content_type": "application/wasm", "digest": wasm["digest"]});
    let one = json!({"id": "a", "source": source});
    let elsewhere = json!({"id": "a", "source": {
        "content_type": "application/wasm", "digest": digest(b"elsewhere").to_string()
    }});
    let files = json!({"id": "a", "source": source, "files": [{"path": "/"}]});
    for (components, words) in [
        (
            json!([one, one]),
            "it is a Spin application of 2 components, and a function is one",
        ),
        (
            json!([]),
            "it is a Spin application of 0 components, and a function is one",
        ),
        (
            json!([elsewhere]),
            "the component `a` of the Spin application is not among its layers",
        ),
        (
            json!([files]),
            "the component `a` of the Spin application needs files or other components; functions have none",
        ),
    ] {
        let locked = json!({"spin_lock_version": 1, "triggers": [], "components": components});
        let locked = vandal
            .blob(
                "application/vnd.fermyon.spin.application.v1+config",
                &serde_json::to_vec(&locked).unwrap(),
            )
            .await;
        vandal
            .artefact(&configuration, &[wasm.clone(), locked])
            .await;
        let error = refusal(&place).await.to_string();
        assert!(error.ends_with(words), "{error}");
    }
}

#[tokio::test]
async fn a_component_above_the_limit_is_not_read() {
    let registry = Registry::start();
    let place = registry.at("credit:1");
    let bytes = component(1000);
    let size = bytes.len() as u64;
    push(&place, bytes, &description("credit"), &anonymous())
        .await
        .unwrap();
    let options = |longest| Options {
        longest,
        ..anonymous()
    };
    let error = pull(&place, &options(size - 1)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the component of `{place}` has {size} bytes; the limit is {}",
            size - 1
        )
    );
    assert!(pull(&place, &options(size)).await.is_ok());
}

/// Answers everything that is asked with a body that goes on for ever.
fn endless_registry() -> Reference {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("{}/credit:1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            std::thread::spawn(move || {
                let mut head = BufReader::new(connection.try_clone().unwrap()).lines();
                let asked = head.next().unwrap().unwrap();
                while head.next().unwrap().unwrap() != "" {}
                let is_manifest = asked.contains("/manifests/");
                let answer = if is_manifest {
                    format!("HTTP/1.1 200 OK\r\ncontent-type: {MANIFEST}\r\n\r\n")
                } else {
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".into()
                };
                connection.write_all(answer.as_bytes()).unwrap();
                while is_manifest && connection.write_all(b" ").is_ok() {
                    std::thread::park_timeout(Duration::from_millis(10));
                }
            });
        }
    });
    Reference::new(&place).unwrap()
}

#[tokio::test]
async fn a_manifest_that_never_ends_is_given_up() {
    let place = endless_registry();
    let options = Options {
        patience: Duration::from_millis(100),
        ..anonymous()
    };
    let pulled = tokio::time::timeout(Duration::from_secs(20), pull(&place, &options)).await;
    let error = pulled.expect("it is given up").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the registry `{}` did not send the manifest of `{place}` within 400ms",
            place.registry()
        )
    );
}

#[tokio::test]
async fn sources_outside_the_registry_are_never_asked() {
    let registry = Registry::start();
    let place = registry.at("credit:1");
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let vandal = Vandal::new(&place).await;
    let configuration = vandal
        .blob("application/vnd.oci.empty.v1+json", b"{}")
        .await;
    let mut layer = vandal.blob("application/wasm", &component(1)).await;
    layer["urls"] = json!([format!("http://{}/x.wasm", elsewhere.local_addr().unwrap())]);
    vandal.artefact(&configuration, &[layer.clone()]).await;
    let stored: Digest = layer["digest"].as_str().unwrap().parse().unwrap();
    fs::remove_file(registry.stored(stored)).unwrap();
    let error = refusal(&place).await;
    assert!(
        matches!(error, OciError::Unknown { .. }),
        "{}",
        chain(&error)
    );
    let asked = elsewhere.accept().map(|_| ());
    assert_eq!(asked.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn what_cannot_be_pushed_is_refused_before_anything_is_sent() {
    // Nobody listens on port 1, so any request would fail otherwise.
    let place = Reference::new("127.0.0.1:1/credit:1").unwrap();
    let module = wat::parse_str("(module)").unwrap();
    let error = push(&place, module, &description("credit"), &anonymous())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the file of `credit` is a core module, not a component; a function is a WebAssembly component"
    );
    let pinned = place.pinned(digest(b""));
    let error = push(&pinned, component(1), &description("credit"), &anonymous())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("a digest follows from what is pushed; push to a tag"),
        "{error}"
    );
    let error = push(&place, component(1), &description("credit"), &anonymous())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the registry `127.0.0.1:1` cannot be reached over http"
    );
}
