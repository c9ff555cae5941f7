//! Which version gets which call.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::guests;
use crate::host::Host;

fn three_versions() -> Host {
    let host = Host::start(&[]);
    for answer in ["one", "two", "three"] {
        host.deploy("f", &guests::says(answer));
    }
    host
}

fn lead(host: &Host, alias: &str, traffic: serde_json::Value) -> u16 {
    host.control(&format!("/api/functions/f/aliases/{alias}"))
        .json("PUT", traffic)
        .status
}

#[test]
fn calls_are_split_by_weight() {
    let host = three_versions();
    assert_eq!(
        lead(
            &host,
            "live",
            json!({"shares": [{"version": 1, "weight": 3}, {"version": 2, "weight": 1}]})
        ),
        200
    );
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..40 {
        *counts.entry(host.call("/f").get().text()).or_default() += 1;
    }
    // Shares follow the weights to within a few calls, not only on average.
    assert!((28..=32).contains(&counts["one"]), "{counts:?}");
    assert_eq!(counts["one"] + counts["two"], 40);
}

#[test]
fn calls_with_one_key_go_to_one_version() {
    let host = three_versions();
    let traffic = json!({"shares": [{"version": 1, "weight": 1}, {"version": 2, "weight": 1}], "sticky": {"header": "x-user"}});
    assert_eq!(lead(&host, "live", traffic), 200);
    let call = |user: &str| host.call("/f").header("x-user", user).get().text();
    let mut seen = BTreeMap::new();
    for user in 0..12 {
        let user = format!("user-{user}");
        let first = call(&user);
        for _ in 0..3 {
            assert_eq!(call(&user), first);
        }
        *seen.entry(first).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 2, "both versions have users: {seen:?}");
}

#[test]
fn a_rollback_is_instant_and_goes_back_step_by_step() {
    let host = three_versions();
    let back = || {
        host.control("/api/functions/f/aliases/live/rollback")
            .post(b"")
    };
    assert_eq!(host.call("/f").get().text(), "three");
    assert_eq!(back().status, 200);
    assert_eq!(host.call("/f").get().text(), "two");
    assert_eq!(back().status, 200);
    assert_eq!(host.call("/f").get().text(), "one");
    let refused = back();
    assert_eq!(refused.status, 409);
    assert_eq!(
        refused.refusal(),
        "the alias `live` of `f` has led nowhere else before, or only to versions that are deleted"
    );
}

#[test]
fn a_caller_can_name_a_version_or_an_alias() {
    let host = three_versions();
    assert_eq!(
        lead(
            &host,
            "canary",
            json!({"shares": [{"version": 2, "weight": 1}]})
        ),
        200
    );
    let call = |qualifier: &str| {
        host.call("/f")
            .header("x-hyaline-qualifier", qualifier)
            .get()
    };
    assert_eq!(call("canary").text(), "two");
    assert_eq!(call("1").text(), "one");
    assert_eq!(call("live").text(), "three");
    assert_eq!(
        (call("7").status, call("7").refusal().as_str()),
        (404, "the function `f` has no version 7")
    );
    assert_eq!(
        call("beta").refusal(),
        "the function `f` has no alias `beta`"
    );
    assert_eq!(call("No Alias").status, 400);
    assert_eq!(
        lead(
            &host,
            "live",
            json!({"shares": [{"version": 9, "weight": 1}]})
        ),
        404
    );
    assert_eq!(lead(&host, "live", json!({"shares": []})), 400);
}

#[test]
fn a_version_that_is_not_promoted_waits() {
    let host = three_versions();
    let answer = host
        .control("/api/functions/f/versions?promote=false&description=not%20yet")
        .header("content-type", "application/wasm")
        .post(&guests::says("four"));
    assert_eq!(
        (answer.status, answer.json()["version"].as_u64()),
        (201, Some(4))
    );
    assert_eq!(answer.json()["description"], "not yet");
    assert_eq!(host.call("/f").get().text(), "three");
    assert_eq!(
        host.call("/f")
            .header("x-hyaline-qualifier", "4")
            .get()
            .text(),
        "four"
    );
}

#[test]
fn shadow_answers_are_compared_counted_and_never_returned() {
    let host = Host::start(&[]);
    for answer in ["same", "other"] {
        host.deploy("f", &guests::says(answer));
    }
    let shadow = |share: u32, shadow: u32| {
        lead(
            &host,
            "live",
            json!({"shares": [{"version": share, "weight": 1}], "shadow": shadow}),
        )
    };
    assert_eq!(shadow(1, 2), 200);
    for _ in 0..3 {
        let answer = host.call("/f").get();
        assert_eq!(
            (answer.text().as_str(), answer.header("x-hyaline-version")),
            ("same", "1")
        );
    }
    let counted = |equal: u64, different: u64| {
        let started = Instant::now();
        loop {
            let overview = host.control("/api/overview").get().json();
            let counts = &overview["functions"][0]["shadow"];
            if *counts == json!({"equal": equal, "different": different}) {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "{counts}");
        }
    };
    counted(0, 3);
    // Two components that answer the same.
    assert_eq!(host.deploy("f", &guests::hello()), 3);
    let alike = "(nop) (call $begin (local.get $out) (i32.const 200)) (call $write (i32.const 1024) (i32.const 6)) (call $end)";
    assert_eq!(host.deploy("f", &guests::http(alike)), 4);
    assert_eq!(shadow(3, 4), 200);
    assert_eq!(host.call("/f").get().text(), "hello\n");
    counted(1, 3);
    let metrics = host.control("/metrics").get().text();
    assert!(metrics.contains("shadow"), "{metrics}");
}

#[test]
fn no_caller_pays_or_waits_for_shadow_traffic() {
    let host = Host::start(&[]);
    for answer in ["one", "two"] {
        host.deploy("f", &guests::says(answer));
    }
    let traffic = json!({"shares": [{"version": 1, "weight": 1}], "shadow": 2});
    assert_eq!(lead(&host, "live", traffic), 200);
    let key = host
        .control("/api/keys")
        .json("POST", json!({"name": "ada"}))
        .json();
    let call = || {
        let request = host.call("/f");
        request
            .header("x-api-key", key["secret"].as_str().unwrap())
            .get()
    };
    assert_eq!(call().text(), "one");
    let usage = || {
        let usage = host.control("/api/usage?by=version,caller").get().json();
        let rows = usage.as_array().unwrap().iter();
        rows.map(|row| (row["version"].clone(), row["caller"].clone()))
            .collect::<Vec<_>>()
    };
    let started = Instant::now();
    while usage().len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", usage());
    }
    let mut rows = usage();
    rows.sort_by_key(|(version, _)| version.as_u64());
    assert_eq!(rows, [(json!(1), json!("ada")), (json!(2), json!(""))]);
}
