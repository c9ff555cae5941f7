//! What each change does, and what is refused in which words.

use std::sync::{Arc, Mutex};

use crate::common::{alias, at, check, deploy, name, number, split};
use hyaline_control::{
    AliasName, Budget, Digest, FunctionState, LimitSettings, Period, Qualifier, Settings, Traffic,
};
use hyaline_registry::{ChangeError, Deployed, Deployment, EARLIER, Promote, Registry, Target};

fn registry() -> Registry {
    Registry::in_directory_of_its_own().unwrap()
}

/// The traffic of an alias, as versions and weights.
fn led(registry: &Registry, function: &str, alias: &AliasName) -> Vec<(u32, u32)> {
    let catalog = registry.catalog();
    let alias = catalog.function_named(function).unwrap().alias(alias);
    let shares = alias.unwrap().traffic.shares().iter();
    shares
        .map(|share| (share.version.get(), share.weight))
        .collect()
}

#[test]
fn a_deployment_makes_a_function_and_its_versions_in_order() {
    let registry = registry();
    assert!(registry.catalog().is_empty());
    let component = registry.put_component(b"one").unwrap();
    let deployment = Deployment {
        description: Some("the first".into()),
        summary: serde_json::json!({"task": "regression"}),
        settings: Some(Settings {
            routes: vec!["/price".into()],
            ..Settings::default()
        }),
        ..Deployment::of(*component.digest())
    };
    let deployed = registry.deploy(&name("price"), deployment, at(1)).unwrap();
    assert_eq!(
        deployed,
        Deployed {
            version: number(1),
            is_new: true
        }
    );
    assert_eq!(deploy(&registry, "price", b"two", Promote::Later), 2);
    let catalog = registry.catalog();
    let function = catalog.function(&name("price")).unwrap();
    let first = function.version(number(1)).unwrap();
    assert_eq!(
        (first.description(), first.summary(), first.size()),
        (Some("the first"), r#"{"task":"regression"}"#, 3)
    );
    assert_eq!(function.settings().routes, ["/price"]);
    assert_eq!(function.latest().unwrap().number(), number(2));
    assert_eq!(led(&registry, "price", &AliasName::live()), [(1, 1)]);
    let document = function.document(FunctionState::Enabled);
    assert_eq!(document.versions.len(), 2);
    assert_eq!((document.created, document.changed), (at(1), at(0)));
    assert_eq!(
        function.choose(&Qualifier::default(), 7).unwrap().number(),
        number(1)
    );
    assert!(function.choose(&"canary".parse().unwrap(), 7).is_none());
    check(&registry);
}

#[test]
fn the_same_component_twice_is_one_version() {
    let registry = registry();
    deploy(&registry, "f", b"one", Promote::Later);
    let generation = registry.catalog().generation();
    assert_eq!(deploy(&registry, "f", b"one", Promote::Later), 1);
    assert_eq!(registry.catalog().generation(), generation);
    assert_eq!(deploy(&registry, "f", b"one", Promote::Live), 1);
    assert_eq!(led(&registry, "f", &AliasName::live()), [(1, 1)]);
    assert_eq!(deploy(&registry, "f", b"two", Promote::Live), 2);
    assert_eq!(deploy(&registry, "f", b"one", Promote::Live), 3);
}

#[test]
fn numbers_are_not_used_again() {
    let registry = registry();
    deploy(&registry, "f", b"one", Promote::Live);
    deploy(&registry, "f", b"two", Promote::Later);
    registry
        .delete_version(&name("f"), number(2), at(0))
        .unwrap();
    assert_eq!(deploy(&registry, "f", b"three", Promote::Later), 3);
}

#[test]
fn a_rollback_goes_one_further_back_each_time() {
    let registry = registry();
    let (f, live) = (name("f"), AliasName::live());
    for bytes in [b"1", b"2", b"3"] {
        deploy(&registry, "f", bytes, Promote::Live);
    }
    registry
        .set_alias(&f, &live, split(&[(3, 9), (1, 1)]), at(0))
        .unwrap();
    let back = |_: u32| registry.rollback(&f, &live, at(0));
    assert_eq!(back(1).unwrap(), Traffic::all_to(number(3)));
    assert_eq!(back(2).unwrap(), Traffic::all_to(number(2)));
    assert_eq!(back(3).unwrap(), Traffic::all_to(number(1)));
    assert_eq!(
        back(4).unwrap_err().to_string(),
        "the alias `live` of `f` has led nowhere else before, or only to versions that are deleted"
    );
    assert_eq!(led(&registry, "f", &live), [(1, 1)]);
}

#[test]
fn a_rollback_skips_deleted_versions_and_always_changes_something() {
    let registry = registry();
    let (f, live) = (name("f"), AliasName::live());
    for bytes in [b"1", b"2"] {
        deploy(&registry, "f", bytes, Promote::Later);
    }
    for shares in [[(1, 1)], [(2, 1)], [(1, 1)]] {
        registry
            .set_alias(&f, &live, split(&shares), at(0))
            .unwrap();
    }
    registry.delete_version(&f, number(2), at(0)).unwrap();
    let error = registry.rollback(&f, &live, at(0)).unwrap_err();
    assert!(
        matches!(error, ChangeError::NothingEarlier { .. }),
        "{error}"
    );
}

#[test]
fn an_alias_remembers_only_so_much() {
    let registry = registry();
    let (f, live) = (name("f"), AliasName::live());
    deploy(&registry, "f", b"1", Promote::Live);
    deploy(&registry, "f", b"2", Promote::Later);
    for weight in 1..=2 * EARLIER as u32 {
        registry
            .set_alias(&f, &live, split(&[(1, weight), (2, 1)]), at(0))
            .unwrap();
    }
    let catalog = registry.catalog();
    let earlier = &catalog.function(&f).unwrap().alias(&live).unwrap().earlier;
    assert_eq!(earlier.len(), EARLIER);
    assert_eq!(earlier[0], split(&[(1, 2 * EARLIER as u32 - 1), (2, 1)]));
}

#[test]
fn what_calls_go_to_stays() {
    let registry = registry();
    let f = name("f");
    deploy(&registry, "f", b"1", Promote::Live);
    deploy(&registry, "f", b"2", Promote::Later);
    let shadowed = Traffic::new(split(&[(1, 1)]).shares().to_vec(), None, Some(number(2)));
    registry
        .set_alias(&f, &alias("canary"), shadowed.unwrap(), at(0))
        .unwrap();
    assert_eq!(
        registry
            .delete_version(&f, number(2), at(0))
            .unwrap_err()
            .to_string(),
        "version 2 of `f` gets the calls of its alias `canary`; lead `canary` to another version or delete it first"
    );
    assert_eq!(
        registry
            .delete_alias(&f, &AliasName::live(), at(0))
            .unwrap_err()
            .to_string(),
        "`live` of `f` cannot be deleted, since routes lead to it; disable or delete the function instead"
    );
    registry.delete_alias(&f, &alias("canary"), at(0)).unwrap();
    registry.delete_version(&f, number(2), at(0)).unwrap();
    registry.delete_function(&f).unwrap();
    assert!(registry.catalog().is_empty());
    assert_eq!(deploy(&registry, "f", b"3", Promote::Live), 1);
}

#[test]
fn what_is_not_there_is_named() {
    let registry = registry();
    let f = name("f");
    let words = |outcome: Result<(), ChangeError>| outcome.unwrap_err().to_string();
    assert_eq!(
        words(registry.enable(&f, at(0))),
        "there is no function `f`; `hyaline functions` lists them"
    );
    deploy(&registry, "f", b"1", Promote::Later);
    deploy(&registry, "f", b"2", Promote::Later);
    assert_eq!(
        words(registry.set_alias(&f, &AliasName::live(), split(&[(7, 1)]), at(0))),
        "`f` has no version 7; it has 2, 1"
    );
    assert_eq!(
        words(registry.delete_alias(&f, &alias("canary"), at(0))),
        "`f` has no alias `canary`; set it first, or deploy with promotion for `live`"
    );
    let nowhere = Deployment::of(Digest::from_bytes([0xab; 32]));
    assert_eq!(
        registry.deploy(&f, nowhere, at(0)).unwrap_err().to_string(),
        format!(
            "there is no component sha256:{} here; upload it, then deploy it",
            "ab".repeat(32)
        )
    );
}

#[test]
fn two_who_change_at_once_do_not_overwrite_each_other() {
    let registry = registry();
    let f = name("f");
    deploy(&registry, "f", b"1", Promote::Live);
    let seen = registry.catalog().function(&f).unwrap().generation();
    registry
        .disable(Target::unchanged(&f, seen), at(1))
        .unwrap();
    assert_eq!(
        registry
            .enable(Target::unchanged(&f, seen), at(2))
            .unwrap_err()
            .to_string(),
        "`f` was changed by someone else: expected at generation 1, it is at generation 2; read it again, then repeat \
         the change"
    );
    assert!(!registry.catalog().function(&f).unwrap().is_enabled());
    let component = registry.put_component(b"2").unwrap();
    let again = registry.deploy(
        Target::absent(&f),
        Deployment::of(*component.digest()),
        at(3),
    );
    assert_eq!(
        again.unwrap_err().to_string(),
        "`f` was changed by someone else: expected absent, it is at generation 2; read it again, then repeat the change"
    );
    registry.delete_function(Target::unchanged(&f, 2)).unwrap();
    deploy(&registry, "f", b"1", Promote::Live);
    assert_eq!(registry.catalog().function(&f).unwrap().generation(), 4);
}

#[test]
fn settings_that_would_not_come_back_are_refused() {
    let registry = registry();
    let f = name("f");
    deploy(&registry, "f", b"1", Promote::Live);
    let budget = |usd| Settings {
        budget: Some(Budget {
            usd,
            period: Period::Day,
            warn_at: 0.8,
        }),
        ..Settings::default()
    };
    let error = registry.set_settings(&f, &budget(f64::NAN), at(1));
    assert_eq!(
        error.unwrap_err().to_string(),
        "the settings of `f` cannot be kept: invalid type: null, expected f64 at line 1 column 61"
    );
    registry.set_settings(&f, &budget(2.5), at(2)).unwrap();
    let catalog = registry.catalog();
    assert_eq!(**catalog.function(&f).unwrap().settings(), budget(2.5));
}

#[test]
fn everything_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let before = {
        let registry = crate::reopened(directory.path());
        for (function, bytes) in [("a", b"1"), ("b", b"1"), ("a", b"2"), ("c", b"3")] {
            deploy(&registry, function, bytes, Promote::Live);
        }
        let settings = Settings {
            limits: LimitSettings {
                deadline_ms: Some(50),
                ..LimitSettings::default()
            },
            ..Settings::default()
        };
        registry.set_settings(&name("b"), &settings, at(5)).unwrap();
        registry.disable(&name("b"), at(6)).unwrap();
        registry
            .set_alias(
                &name("a"),
                &alias("canary"),
                split(&[(1, 3), (2, 1)]),
                at(7),
            )
            .unwrap();
        registry.delete_function(&name("c")).unwrap();
        registry.catalog()
    };
    let registry = crate::reopened(directory.path());
    let after = registry.catalog();
    assert_eq!(after.generation(), before.generation());
    assert_eq!(after.len(), 2);
    for (then, now) in before.functions().zip(after.functions()) {
        assert_eq!(then, now);
    }
    check(&registry);
}

#[test]
fn observers_hear_of_every_change_before_it_is_acknowledged() {
    let registry = registry();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    registry.observe(|_| panic!("an observer's fault stays its own"));
    registry.observe(move |committed| {
        let names = committed.functions.iter().map(|name| name.to_string());
        let names: Vec<_> = names.collect();
        sink.lock()
            .unwrap()
            .push((committed.catalog.generation(), names.join(",")));
    });
    deploy(&registry, "f", b"1", Promote::Live);
    assert_eq!(heard.lock().unwrap().len(), 1);
    registry.delete_function(&name("f")).unwrap();
    assert_eq!(
        *heard.lock().unwrap(),
        [(1, "f".to_string()), (2, "f".to_string())]
    );
}
