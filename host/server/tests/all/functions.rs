//! Functions come, change and go while the others answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::guests;
use crate::host::Host;

#[test]
fn a_function_is_deployed_called_changed_and_deleted() {
    let host = Host::start(&[]);
    assert_eq!(host.call("/one/").get().status, 404);
    assert_eq!(host.deploy("one", &guests::says("first")), 1);
    let answer = host.call("/one/x").get();
    assert_eq!(
        (
            answer.status,
            answer.text().as_str(),
            answer.header("x-hyaline-version")
        ),
        (200, "first", "1")
    );
    assert_eq!(host.deploy("one", &guests::says("second")), 2);
    assert_eq!(host.call("/one").get().text(), "second");
    assert_eq!(
        host.deploy("one", &guests::says("second")),
        2,
        "the same component is the same version"
    );

    let shown = host.control("/api/functions/one").get().json();
    assert_eq!(shown["state"], "enabled");
    assert_eq!(shown["versions"].as_array().unwrap().len(), 2);
    assert_eq!(
        shown["aliases"]["live"]["traffic"]["shares"],
        json!([{"version": 2, "weight": 1}])
    );
    assert_eq!(
        host.control("/api/functions")
            .get()
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );

    assert_eq!(
        host.control("/api/functions/one/disable").post(b"").json()["state"],
        "disabled"
    );
    let refused = host.call("/one").get();
    assert_eq!(
        (refused.status, refused.refusal().as_str()),
        (503, "the function `one` is disabled")
    );
    host.control("/api/functions/one/enable").post(b"");
    assert_eq!(host.call("/one").get().status, 200);

    let used = host
        .control("/api/functions/one/versions/2")
        .send("DELETE", b"");
    assert_eq!(used.status, 409);
    assert!(
        used.refusal()
            .contains("gets the calls of its alias `live`"),
        "{}",
        used.refusal()
    );
    assert_eq!(
        host.control("/api/functions/one/versions/1")
            .send("DELETE", b"")
            .status,
        204
    );
    assert_eq!(
        host.control("/api/functions/one")
            .send("DELETE", b"")
            .status,
        204
    );
    assert_eq!(host.call("/one").get().status, 404);
    assert_eq!(host.control("/api/functions/one").get().status, 404);
    assert_eq!(
        host.deploy("one", &guests::says("again")),
        1,
        "a name that is free begins anew"
    );

    let kinds: Vec<String> = host
        .control("/api/events")
        .get()
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        kinds,
        [
            "deployed", "deployed", "disabled", "enabled", "deleted", "deleted", "deployed"
        ]
    );
}

#[test]
fn what_is_no_function_is_refused_and_changes_nothing() {
    let host = Host::start(&[]);
    let deploy = |name: &str, component: &[u8]| {
        let request = host.control(&format!("/api/functions/{name}/versions"));
        request
            .header("content-type", "application/wasm")
            .post(component)
    };
    let refused = deploy("text", b"not wasm");
    assert_eq!(refused.status, 422);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert!(
        refused.refusal().starts_with("`text` is not WebAssembly"),
        "{}",
        refused.refusal()
    );
    assert_eq!(deploy("typed", &guests::typed("(unreachable)")).status, 422);
    let named = deploy("Not-A-Name", &guests::hello());
    assert_eq!(named.status, 400);
    assert!(
        named
            .refusal()
            .starts_with("`Not-A-Name` is not the name of a function"),
        "{}",
        named.refusal()
    );
    assert_eq!(host.control("/api/functions").get().json(), json!([]));
    let events = host.control("/api/events").get().json();
    assert_eq!(events, json!([]));
}

#[test]
fn what_is_gone_or_was_refused_leaves_nothing_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::at(folder.path(), &[]);
    let compiled = || {
        let files = std::fs::read_dir(folder.path().join("cache")).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    // All have one engine, which stays.
    host.deploy("kept", &guests::says("kept"));
    let before = compiled();
    host.deploy("gone", &guests::says("one"));
    host.deploy("gone", &guests::says("two"));
    assert_eq!(compiled().len(), before.len() + 2);
    let deleted = host
        .control("/api/functions/gone/versions/1")
        .send("DELETE", b"");
    assert_eq!(deleted.status, 204);
    assert_eq!(compiled().len(), before.len() + 1);
    let deleted = host.control("/api/functions/gone").send("DELETE", b"");
    assert_eq!(deleted.status, 204);
    assert_eq!(compiled(), before);

    let deploy = |component: &[u8]| {
        host.control("/api/functions/kept/versions")
            .header("if-match", "\"999999\"")
            .post(component)
            .status
    };
    assert_eq!(deploy(&guests::says("refused")), 412);
    assert_eq!(compiled(), before);
    assert_eq!(deploy(&guests::says("kept")), 412);
    assert_eq!(compiled(), before, "a version has it");
    assert_eq!(host.call("/kept").get().text(), "kept");
}

#[test]
fn two_functions_cannot_have_one_route() {
    let host = Host::start(&[]);
    host.deploy("one", &guests::says("one"));
    host.deploy("two", &guests::says("two"));
    let refused = host.patch("two", json!({"routes": ["/one/*"]}));
    assert_eq!(refused.status, 409);
    assert_eq!(
        refused.refusal(),
        "the route `/one/*` leads to the function `one`; give one of the two other `routes` in its settings"
    );
    assert_eq!(
        host.patch("one", json!({"routes": ["/first/...", "/1"]}))
            .status,
        200
    );
    assert_eq!(host.patch("two", json!({"routes": ["/one/*"]})).status, 200);
    assert_eq!(host.call("/one/x").get().text(), "two");
    assert_eq!(host.call("/first").get().text(), "one");
    assert_eq!(host.call("/1").get().text(), "one");
    assert_eq!(host.call("/two").get().status, 404);
}

/// Deploys and deletions of others, and new versions of its own, while a function is called all the time.
#[test]
fn no_call_fails_while_functions_come_and_go() {
    let host = Host::start(&[]);
    host.deploy("steady", &guests::says("a"));
    let stop = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = host.call("/steady/").get();
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert!(
                        ["a", "b"].contains(&answer.text().as_str()),
                        "{}",
                        answer.text()
                    );
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..20 {
            let name = format!("guest-{round}");
            host.deploy(&name, &guests::says(&name));
            assert_eq!(host.call(&format!("/{name}")).get().text(), name);
            host.deploy(
                "steady",
                &guests::says(if round % 2 == 0 { "b" } else { "a" }),
            );
            assert_eq!(
                host.control(&format!("/api/functions/{name}"))
                    .send("DELETE", b"")
                    .status,
                204
            );
            assert_eq!(host.call(&format!("/{name}")).get().status, 404);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(calls.load(Ordering::Relaxed) > 20, "{calls:?}");
}

#[test]
fn idle_functions_are_evicted_and_loaded_again_by_their_next_call() {
    let host = Host::start(&[("memory.idle_seconds", "1")]);
    host.deploy("one", &guests::says("one"));
    let loaded = || {
        host.control("/api/overview").get().json()["host"]["loaded"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(loaded(), 0, "nothing is loaded before its first call");
    assert_eq!(host.call("/one").get().text(), "one");
    assert_eq!(loaded(), 1);
    let started = std::time::Instant::now();
    while loaded() != 0 {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "it is evicted when it is idle"
        );
        std::thread::yield_now();
    }
    assert_eq!(host.call("/one").get().text(), "one");
    let usage = host.control("/api/usage?by=function").get().json();
    assert_eq!(
        (&usage[0]["invocations"], &usage[0]["cold_starts"]),
        (&json!(2), &json!(2))
    );
}

#[test]
fn no_more_functions_are_loaded_than_may_be() {
    let host = Host::start(&[("memory.loaded", "2")]);
    for name in ["a", "b", "c"] {
        host.deploy(name, &guests::says(name));
        assert_eq!(host.call(&format!("/{name}")).get().text(), name);
    }
    let overview = host.control("/api/overview").get().json();
    assert_eq!(overview["host"]["loaded"], 2);
    assert_eq!(host.call("/a").get().text(), "a");
}

#[test]
fn bad_neighbours_are_stopped_and_a_good_one_goes_on() {
    let host = Host::start(&[
        ("concurrency", "8"),
        ("limits.concurrency", "2"),
        ("limits.queue", "0"),
    ]);
    host.deploy("good", &guests::says("good"));
    host.deploy("spin", &guests::http("(loop $forever (br $forever))"));
    host.deploy(
        "grow",
        &guests::http("(loop $again (drop (memory.grow (i32.const 1))) (br $again))"),
    );
    host.deploy("trap", &guests::http("(unreachable)"));
    for name in ["spin", "grow", "trap"] {
        assert_eq!(
            host.patch(
                name,
                json!({"limits": {"deadline_ms": 300, "memory_mib": 2}})
            )
            .status,
            200
        );
    }
    std::thread::scope(|scope| {
        let bad: Vec<_> = ["spin", "spin", "grow", "trap"]
            .into_iter()
            .map(|name| {
                scope.spawn({
                    let host = &host;
                    move || (name, host.call(&format!("/{name}")).get().status)
                })
            })
            .collect();
        for _ in 0..20 {
            assert_eq!(host.call("/good").get().text(), "good");
        }
        for thread in bad {
            let (name, status) = thread.join().unwrap();
            let expected = match name {
                "spin" => 504,
                "grow" => 507,
                _ => 500,
            };
            assert_eq!(status, expected, "{name}");
        }
    });
    let usage = host.control("/api/usage?by=function").get().json();
    let failures = |name: &str| {
        let row = usage
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["function"] == name);
        row.unwrap()["failures"].as_u64().unwrap()
    };
    assert_eq!(
        (
            failures("spin"),
            failures("grow"),
            failures("trap"),
            failures("good")
        ),
        (2, 1, 1, 0)
    );
}
