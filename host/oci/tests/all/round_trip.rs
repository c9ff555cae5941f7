//! What is pushed is pulled.

use hyaline_oci::{Layout, Options, pull, push};

use crate::component::{component, description};
use crate::registry::{Registry, anonymous};

#[tokio::test]
async fn what_is_pushed_is_pulled_in_either_layout() {
    let registry = Registry::start();
    for layout in [Layout::Wasm, Layout::Spin] {
        let options = Options {
            layout,
            ..anonymous()
        };
        let place = registry.at(&format!(
            "team/{}:1.2",
            format!("{layout:?}").to_lowercase()
        ));
        let bytes = component(1000);
        let pushed = push(&place, bytes.clone(), &description("credit"), &options)
            .await
            .unwrap();
        let pulled = pull(&place, &anonymous()).await.unwrap();
        assert_eq!(pulled.component, bytes);
        assert_eq!(pulled.digest, pushed.component);
        assert_eq!(pulled.reference, pushed.reference);
        assert_eq!(pulled.layout, layout);
        assert_eq!(
            pulled.annotations["org.opencontainers.image.title"],
            "credit"
        );
        assert_eq!(
            pulled.annotations["hyaline.card.name"],
            "Credit risk ü \"1\""
        );
        assert_eq!(
            pulled.annotations["org.opencontainers.image.description"],
            "line one\nline two"
        );
        let interface = pulled.configuration.map(|configuration| {
            assert_eq!(configuration.os, "wasip2");
            assert_eq!(configuration.layer_digests, [pushed.component]);
            configuration.component.unwrap()
        });
        assert_eq!(interface.is_some(), layout == Layout::Wasm);
        if let Some(interface) = interface {
            assert_eq!(interface.imports, ["wasi:http/types@0.2.3"]);
            assert_eq!(interface.exports, ["load"]);
        }
    }
}

#[tokio::test]
async fn a_digest_leads_to_the_old_artefact_after_the_tag_has_moved() {
    let registry = Registry::start();
    let place = registry.at("credit:live");
    let [old, new] = [component(1), component(2)];
    let first = push(&place, old.clone(), &description("credit"), &anonymous())
        .await
        .unwrap();
    let second = push(&place, new.clone(), &description("credit"), &anonymous())
        .await
        .unwrap();
    assert_ne!(first.digest, second.digest);
    assert_eq!(pull(&place, &anonymous()).await.unwrap().component, new);
    let pinned = pull(&first.reference, &anonymous()).await.unwrap();
    assert_eq!(pinned.component, old);
    assert_eq!(pinned.reference, first.reference);
    // Tag and digest together: the digest decides.
    let both = registry.at(&format!("credit:live@{}", first.digest));
    assert_eq!(pull(&both, &anonymous()).await.unwrap().component, old);
}

#[tokio::test]
async fn pushing_twice_changes_nothing() {
    let registry = Registry::start();
    let place = registry.at("credit:1");
    let bytes = component(300_000);
    let once = push(&place, bytes.clone(), &description("credit"), &anonymous())
        .await
        .unwrap();
    let written = || {
        std::fs::metadata(registry.stored(once.component))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = written();
    let twice = push(&place, bytes, &description("credit"), &anonymous())
        .await
        .unwrap();
    assert_eq!(once, twice);
    assert_eq!(written(), before, "the component was sent again");
}

#[tokio::test]
async fn many_push_and_pull_at_once() {
    let registry = Registry::start();
    let tasks: Vec<_> = (0..8_usize)
        .map(|index| {
            let place = registry.at(&format!("many/f{index}:1"));
            tokio::spawn(async move {
                let bytes = component(index);
                let name = format!("f{index}");
                push(&place, bytes.clone(), &description(&name), &anonymous())
                    .await
                    .unwrap();
                assert_eq!(pull(&place, &anonymous()).await.unwrap().component, bytes);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
