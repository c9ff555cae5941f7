//! What the tests of the registry share: names, components, and a check that a registry is consistent.

use hyaline_control::{AliasName, FunctionName, Share, Traffic, VersionNumber};
use hyaline_registry::{Deployment, Promote, Registry};
use jiff::Timestamp;

pub fn name(text: &str) -> FunctionName {
    FunctionName::new(text).unwrap()
}

pub fn alias(text: &str) -> AliasName {
    AliasName::new(text).unwrap()
}

pub fn number(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub fn split(shares: &[(u32, u32)]) -> Traffic {
    let shares = shares.iter().map(|(version, weight)| Share {
        version: number(*version),
        weight: *weight,
    });
    Traffic::new(shares.collect(), None, None).unwrap()
}

/// Puts the bytes and deploys them.
pub fn deploy(registry: &Registry, function: &str, bytes: &[u8], promote: Promote) -> u32 {
    let component = registry.put_component(bytes).unwrap();
    let deployment = Deployment {
        promote,
        ..Deployment::of(*component.digest())
    };
    let deployed = registry.deploy(&name(function), deployment, at(0)).unwrap();
    deployed.version.get()
}

/// That everything the registry names is there and whole.
pub fn check(registry: &Registry) {
    let catalog = registry.catalog();
    for function in catalog.functions() {
        assert!(function.generation() <= catalog.generation());
        for version in function.versions() {
            let bytes = registry.component(version.digest()).unwrap();
            assert_eq!(bytes.len() as u64, version.size());
        }
        for (alias, leads) in function.aliases() {
            for version in leads.traffic.versions() {
                assert!(
                    function.version(version).is_some(),
                    "{} {alias}",
                    function.name()
                );
            }
        }
    }
}
