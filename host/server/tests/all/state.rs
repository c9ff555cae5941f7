//! What was acknowledged is there after a restart, and one directory has one host.

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
