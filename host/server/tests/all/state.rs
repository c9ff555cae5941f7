//! What was acknowledged is there after a restart, and one directory has one host.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::guests;
use crate::host::{Host, configuration};
use hyaline_server::{Application, Drained, Server};

#[test]
fn a_host_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::at(folder.path(), &[]);
    for answer in ["one", "two"] {
        host.deploy("f", &guests::says(answer));
    }
    host.control("/api/functions/f/aliases/live")
        .json("PUT", json!({"shares": [{"version": 1, "weight": 1}]}));
    host.patch(
        "f",
        json!({"description": "kept", "budget": {"usd": 1.0, "period": "month"}}),
    );
    host.deploy("off", &guests::hello());
    host.control("/api/functions/off/disable").post(b"");
    let key = host
        .control("/api/keys")
        .json("POST", json!({"name": "ada"}))
        .json();
    assert_eq!(host.call("/f").get().text(), "one");
    let events = host.control("/api/events").get().json();
    assert_eq!(host.stop(), Drained::Completely);

    let host = Host::at(folder.path(), &[]);
    assert_eq!(host.call("/f").get().text(), "one");
    assert_eq!(host.call("/off").get().status, 503);
    assert_eq!(
        host.control("/api/functions/f/settings").get().json()["description"],
        "kept"
    );
    assert_eq!(
        host.call("/f")
            .header("x-api-key", key["secret"].as_str().unwrap())
            .get()
            .status,
        200
    );
    let usage = host.control("/api/usage?by=function").get().json();
    assert_eq!(usage[0]["invocations"], 3, "what was counted before counts");
    assert!(
        host.control("/api/budgets").get().json()[0]["spent_usd"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    assert_eq!(host.control("/api/events").get().json(), events);
    let rolled = host
        .control("/api/functions/f/aliases/live/rollback")
        .post(b"");
    assert_eq!(rolled.status, 200);
    assert_eq!(host.call("/f").get().text(), "two");
}

#[tokio::test]
async fn two_hosts_cannot_share_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let configuration = configuration(&[("state", state)]);
    let _first = Server::start(&configuration, &Application::nothing())
        .await
        .unwrap();
    let error = Server::start(&configuration, &Application::nothing())
        .await
        .err()
        .unwrap();
    let said = error.to_string();
    assert!(said.contains("is in use by another host"), "{said}");
    assert!(
        said.contains("stop that one, or give this one a directory of its own"),
        "{said}"
    );
}

#[test]
fn an_application_is_part_of_the_host_and_what_it_drops_is_disabled() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let manifest = folder.path().join("spin.toml");
    let declare = |names: &[&str]| {
        let mut text = String::from("spin_manifest_version = 2\n[application]\nname = \"test\"\n");
        for name in names {
            text.push_str(&format!(
                "[[trigger.http]]\nroute = \"/at/{name}/...\"\ncomponent = \"{name}\"\n[component.{name}]\nsource = \"{name}.wasm\"\n"
            ));
        }
        std::fs::write(&manifest, text).unwrap();
        Application::from_manifest(&manifest).unwrap()
    };
    for name in ["a", "b"] {
        std::fs::write(
            folder.path().join(format!("{name}.wasm")),
            guests::says(name),
        )
        .unwrap();
    }
    let configuration = configuration(&[("state", state.to_str().unwrap())]);
    let host = Host::with(&configuration, &declare(&["a", "b"]));
    assert_eq!(host.call("/at/b").get().text(), "b");
    host.deploy("c", &guests::says("c"));
    host.patch("a", json!({"limits": {"deadline_ms": 1234}}));
    host.stop();

    std::fs::write(folder.path().join("a.wasm"), guests::says("changed")).unwrap();
    let host = Host::with(&configuration, &declare(&["a"]));
    assert_eq!(host.call("/at/a").get().text(), "changed");
    assert_eq!(
        host.call("/at/b").get().status,
        503,
        "the application no longer has it"
    );
    assert_eq!(
        host.call("/c").get().text(),
        "c",
        "what was deployed by hand stays"
    );
    let settings = host.control("/api/functions/a/settings").get().json();
    assert_eq!(
        settings["limits"]["deadline_ms"], 1234,
        "what the application does not say stays"
    );
    host.stop();
    let host = Host::with(&configuration, &declare(&["a", "b"]));
    assert_eq!(host.call("/at/b").get().text(), "b");
}

/// An application of these functions, each named after what it answers, at these routes.
fn application(folder: &Path, functions: &[(&str, &str)]) -> Application {
    let mut text = String::from("spin_manifest_version = 2\n[application]\nname = \"test\"\n");
    for (name, route) in functions {
        let file = folder.join(format!("{name}.wasm"));
        std::fs::write(file, guests::says(name)).unwrap();
        text.push_str(&format!(
            "[[trigger.http]]\nroute = \"{route}\"\ncomponent = \"{name}\"\n[component.{name}]\nsource = \"{name}.wasm\"\n"
        ));
    }
    let manifest = folder.join("spin.toml");
    std::fs::write(&manifest, text).unwrap();
    Application::from_manifest(&manifest).unwrap()
}

#[test]
fn components_may_be_renamed_and_their_routes_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let configuration = configuration(&[("state", state.to_str().unwrap())]);
    let start = |functions: &[(&str, &str)]| {
        Host::with(&configuration, &application(folder.path(), functions))
    };
    let host = start(&[("a", "/x/..."), ("b", "/y/...")]);
    assert_eq!(host.call("/x").get().text(), "a");
    host.stop();

    let host = start(&[("a", "/y/..."), ("b", "/x/...")]);
    assert_eq!(host.call("/x").get().text(), "b");
    assert_eq!(host.call("/y").get().text(), "a");
    host.stop();

    // One that comes before the one it replaces by name, and one that comes after it.
    for renamed in ["z", "aa"] {
        let host = start(&[("a", "/y/..."), (renamed, "/x/...")]);
        assert_eq!(host.call("/x").get().text(), renamed);
        assert_eq!(host.call("/y").get().text(), "a");
        host.stop();
        // The disabled ones have the same route still.
        let host = start(&[("a", "/y/..."), (renamed, "/x/...")]);
        assert_eq!(host.call("/x").get().text(), renamed);
        let refused = host.control("/api/functions/b/enable").post(b"");
        assert_eq!(
            (refused.status, refused.refusal()),
            (
                409,
                format!(
                    "the route `/x/...` leads to the function `{renamed}`; give one of the two other `routes` in its settings"
                )
            )
        );
        host.stop();
    }
}

#[test]
fn what_an_operator_disabled_stays_disabled() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let configuration = configuration(&[("state", state.to_str().unwrap())]);
    let start = |functions: &[(&str, &str)]| {
        Host::with(&configuration, &application(folder.path(), functions))
    };
    let both = [("a", "/a/..."), ("b", "/b/...")];
    let host = start(&both);
    assert_eq!(
        host.control("/api/functions/b/disable").post(b"").status,
        200
    );
    host.stop();
    for functions in [&both[..], &both[..1], &both[..]] {
        let host = start(functions);
        assert_eq!(host.call("/a").get().status, 200);
        assert_eq!(host.call("/b").get().status, 503, "{functions:?}");
        host.stop();
    }
    let host = start(&both[1..]);
    assert_eq!(host.call("/a").get().status, 503);
    host.stop();
    let host = start(&both);
    assert_eq!(
        host.call("/a").get().status,
        200,
        "the application had disabled it"
    );
}

#[test]
fn a_component_that_cannot_be_compiled_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let configuration = configuration(&[("state", state.to_str().unwrap())]);
    let first = application(folder.path(), &[("a", "/a/..."), ("b", "/b/...")]);
    Host::with(&configuration, &first).stop();
    let names = ["c", "d", "e", "broken", "f"].map(|name| (name, format!("/{name}/...")));
    let names = names
        .each_ref()
        .map(|(name, route)| (*name, route.as_str()));
    let second = application(folder.path(), &names);
    std::fs::write(folder.path().join("broken.wasm"), "not wasm").unwrap();
    let error = tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(Server::start(&configuration, &second))
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "component `broken` cannot be served",);
    let host = Host::at(&state, &[]);
    assert_eq!(host.call("/a").get().text(), "a");
    assert_eq!(host.call("/b").get().text(), "b");
    assert_eq!(host.call("/c").get().status, 404);
}

#[test]
fn calls_that_are_cut_off_are_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::at(folder.path(), &[("drain_ms", "100")]);
    host.deploy("f", &guests::http("(loop $forever (br $forever))"));
    let address = host.address();
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream
            .write_all(b"GET /f HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        streams.push(stream);
    }
    let running = || host.control("/metrics").get().text();
    let started = Instant::now();
    while !running().contains("hyaline_invocations_running 2") {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", running());
    }
    assert_eq!(host.stop(), Drained::CutOff);
    let host = Host::at(folder.path(), &[]);
    let usage = host.control("/api/usage?by=function").get().json();
    assert_eq!(
        (&usage[0]["invocations"], &usage[0]["failures"]),
        (&json!(2), &json!(2)),
        "{usage}"
    );
}
