//! Many at once: changes share transactions, readers see whole states, and garbage is nobody's component.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::common::{alias, at, check, deploy, name, number, split};
use hyaline_registry::{Collected, Deployment, Promote, Registry};

#[test]
fn many_clients_change_many_functions() {
    let directory = tempfile::tempdir().unwrap();
    let registry = crate::reopened(directory.path());
    let transactions = std::sync::Arc::new(AtomicU32::new(0));
    let counter = std::sync::Arc::clone(&transactions);
    registry.observe(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    std::thread::scope(|scope| {
        for client in 0..8 {
            let registry = &registry;
            scope.spawn(move || {
                for count in 0..25 {
                    let bytes = format!("{client} {count}");
                    deploy(
                        registry,
                        &format!("own{client}"),
                        bytes.as_bytes(),
                        Promote::Live,
                    );
                    deploy(registry, "shared", bytes.as_bytes(), Promote::Later);
                }
            });
        }
    });
    let catalog = registry.catalog();
    assert_eq!(catalog.len(), 9);
    assert_eq!(catalog.generation(), 400);
    for client in 0..8 {
        let function = catalog.function_named(&format!("own{client}")).unwrap();
        assert_eq!(function.versions().len(), 25);
    }
    let shared = catalog.function_named("shared").unwrap();
    let numbers: Vec<_> = shared
        .versions()
        .map(|version| version.number().get())
        .collect();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
    assert!(
        transactions.load(Ordering::Relaxed) < 400,
        "changes at the same time share a transaction"
    );
    drop(registry);
    let again = crate::reopened(directory.path());
    assert!(again.catalog().functions().eq(catalog.functions()));
    check(&again);
}

#[test]
fn readers_see_whole_states_while_others_change() {
    let registry = Registry::in_directory_of_its_own().unwrap();
    let f = name("f");
    deploy(&registry, "f", b"0", Promote::Live);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let catalog = registry.catalog();
                assert!(catalog.generation() >= last);
                last = catalog.generation();
                let function = catalog.function(&f).unwrap();
                let newest = function.latest().unwrap().number();
                // Each deployment promotes in the same transaction.
                assert_eq!(
                    function
                        .choose(&"live".parse().unwrap(), 0)
                        .unwrap()
                        .number(),
                    newest
                );
            }
        });
        for count in 1..60 {
            deploy(&registry, "f", count.to_string().as_bytes(), Promote::Live);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn garbage_is_what_no_version_has_and_nobody_is_about_to_deploy() {
    let registry = Registry::in_directory_of_its_own().unwrap();
    let f = name("f");
    for bytes in ["one", "two", "three"] {
        deploy(&registry, "f", bytes.as_bytes(), Promote::Live);
    }
    let held = registry.put_component(b"held").unwrap();
    let forgotten = *registry.put_component(b"forgotten").unwrap().digest();
    assert_eq!(
        registry.collect_garbage().unwrap(),
        Collected {
            components: vec![forgotten],
            bytes: 9
        }
    );
    registry
        .set_alias(&f, &alias("live"), split(&[(3, 1)]), at(0))
        .unwrap();
    let function = registry.catalog().function(&f).unwrap().clone();
    let one = *function.version(number(1)).unwrap().digest();
    registry.delete_version(&f, number(1), at(0)).unwrap();
    assert_eq!(
        registry.collect_garbage().unwrap(),
        Collected {
            components: vec![one],
            bytes: 3
        }
    );
    check(&registry);
    registry
        .deploy(&f, Deployment::of(*held.digest()), at(0))
        .unwrap();
    drop(held);
    assert_eq!(registry.collect_garbage().unwrap(), Collected::default());
    registry.delete_function(&f).unwrap();
    assert_eq!(registry.collect_garbage().unwrap().components.len(), 3);
}

#[test]
fn collecting_never_takes_a_component_from_a_deployment() {
    let registry = Registry::in_directory_of_its_own().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut collected = 0;
            while !done.load(Ordering::Relaxed) {
                collected += registry.collect_garbage().unwrap().components.len();
            }
            collected
        });
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let registry = &registry;
                scope.spawn(move || {
                    let function = format!("f{client}");
                    for count in 0..30 {
                        // Components that come, go and come again.
                        let bytes = format!("{}", count % 3);
                        deploy(registry, &function, bytes.as_bytes(), Promote::Live);
                        let catalog = registry.catalog();
                        let latest = catalog.function_named(&function).unwrap().latest();
                        let component = registry.component(latest.unwrap().digest()).unwrap();
                        assert_eq!(component, bytes.as_bytes());
                        registry.delete_function(&name(&function)).unwrap();
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(collector.join().unwrap() > 0);
    });
}

#[test]
fn the_same_bytes_are_one_file() {
    let registry = Registry::in_directory_of_its_own().unwrap();
    let bytes = vec![3; 300_000];
    let digests: Vec<_> = std::thread::scope(|scope| {
        let put = || *registry.put_component(&bytes).unwrap().digest();
        let stream = || *registry.put_component_from(&bytes[..]).unwrap().digest();
        let threads = [
            scope.spawn(put),
            scope.spawn(stream),
            scope.spawn(put),
            scope.spawn(stream),
        ];
        threads.map(|thread| thread.join().unwrap()).into()
    });
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    let files = std::fs::read_dir(registry.directory().join("blobs/sha256")).unwrap();
    assert_eq!(files.count(), 1);
    assert_eq!(registry.component(&digests[0]).unwrap(), bytes);
}

#[test]
fn a_registry_in_a_directory_of_its_own_leaves_nothing() {
    let registry = Registry::in_directory_of_its_own().unwrap();
    deploy(&registry, "f", b"1", Promote::Live);
    let directory = registry.directory().to_owned();
    drop(registry);
    assert!(!directory.exists());
}
