//! Who may call, and who may control.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use serde_json::json;

use crate::guests;
use crate::host::Host;

#[test]
fn a_function_that_requires_it_takes_only_callers_with_a_key_for_it() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::hello());
    host.deploy("g", &guests::hello());
    for name in ["f", "g"] {
        assert_eq!(
            host.patch(name, json!({"access": {"required": true}}))
                .status,
            200
        );
    }
    let refused = host.call("/f").get();
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (401, "Bearer realm=\"hyaline\"")
    );
    let key = host
        .control("/api/keys")
        .json("POST", json!({"name": "ada", "functions": ["f"]}));
    assert_eq!(key.status, 201);
    let secret = key.json()["secret"].as_str().unwrap().to_owned();
    assert_eq!(
        host.call("/f").header("x-api-key", &secret).get().status,
        200
    );
    let bearer = format!("Bearer {secret}");
    assert_eq!(
        host.call("/f")
            .header("authorization", &bearer)
            .get()
            .status,
        200
    );
    let scope = host.call("/g").header("x-api-key", &secret).get();
    assert_eq!(
        (scope.status, scope.refusal().as_str()),
        (403, "the API key ada may not call g")
    );
    let listed = host.control("/api/keys").get();
    assert!(
        !listed.text().contains(&secret),
        "the host does not know the secret"
    );
    assert_eq!(listed.json()[0]["name"], "ada");
    assert_eq!(
        host.control("/api/keys/ada").send("DELETE", b"").status,
        204
    );
    assert_eq!(
        host.call("/f").header("x-api-key", &secret).get().status,
        401,
        "revoked at once"
    );
    let hidden = host.call("/nowhere").get();
    assert_eq!(
        hidden.refusal(),
        "no function is served at `/nowhere`",
        "routes that need a key are not told"
    );
}

#[test]
fn the_function_does_not_see_the_key() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::http(crate::http::TELL_HEADERS));
    let key = host
        .control("/api/keys")
        .json("POST", json!({"name": "ada"}));
    let secret = key.json()["secret"].as_str().unwrap().to_owned();
    let told = host
        .call("/f")
        .header("x-api-key", &secret)
        .header("x-own", "kept")
        .get()
        .text();
    assert!(told.contains("x-own: kept"), "{told}");
    assert!(
        !told.contains("hyk_") && !told.contains("x-api-key"),
        "{told}"
    );
}

#[test]
fn once_there_is_a_control_key_the_control_plane_takes_nothing_else() {
    let host = Host::start(&[]);
    assert_eq!(
        host.control("/api/functions").get().status,
        200,
        "open on loopback until then"
    );
    let issued = host
        .control("/api/keys")
        .json("POST", json!({"name": "root", "control": true}));
    let secret = issued.json()["secret"].as_str().unwrap().to_owned();
    for path in ["/api/functions", "/api/keys", "/metrics", "/api/overview"] {
        let refused = host.control(path).get();
        assert_eq!(refused.status, 401, "{path}");
        assert_eq!(
            host.control(path).header("x-api-key", &secret).get().status,
            200,
            "{path}"
        );
    }
    for path in ["/", "/healthz", "/readyz"] {
        assert_eq!(host.control(path).get().status, 200, "{path}");
    }
    let caller = host
        .control("/api/keys")
        .header("x-api-key", &secret)
        .json("POST", json!({"name": "ada"}));
    let caller = caller.json()["secret"].as_str().unwrap().to_owned();
    assert_eq!(
        host.control("/api/functions")
            .header("x-api-key", &caller)
            .get()
            .status,
        403
    );
}

#[test]
fn a_web_page_elsewhere_cannot_use_the_open_control_plane() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::hello());
    let foreign = host
        .control("/api/functions/f/disable")
        .header("origin", "https://evil.example")
        .post(b"");
    assert_eq!(foreign.status, 403);
    let rebound = host
        .control("/api/functions")
        .header("host", "evil.example:3001")
        .get();
    assert_eq!(rebound.status, 403);
    assert_eq!(host.call("/f").get().status, 200);
}

#[tokio::test]
async fn a_control_plane_that_others_reach_needs_a_key_first() {
    let application = hyaline_server::Application::nothing();
    let exposed = crate::host::configuration(&[("control", "0.0.0.0:0")]);
    let error = hyaline_server::Server::start(&exposed, &application)
        .await
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "the control plane would be open to everybody who reaches 0.0.0.0:0: make an API key that opens it first (`hyaline keys \
         new NAME --control --state DIRECTORY`), or bind it to a loopback address such as 127.0.0.1"
    );
}

#[test]
fn a_key_that_was_made_before_the_host_started_opens_its_control_plane() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let request = |name: &str| {
        serde_json::from_value(json!({"name": name, "control": true, "quotas": []})).unwrap()
    };
    let secret = hyaline_server::issue_key(&state, request("root"))
        .unwrap()
        .secret;
    let host = Host::at(&state, &[("control", "0.0.0.0:0")]);
    let asked = |secret: &str| {
        let bearer = format!("Bearer {secret}");
        host.control("/api/functions")
            .header("authorization", &bearer)
            .get()
            .status
    };
    assert_eq!((asked(&secret), asked("hyk_of_nobody")), (200, 401));
    assert_eq!(host.control("/api/functions").get().status, 401);
    let refused = hyaline_server::issue_key(&state, request("other")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "`{}` is in use by another host (process {}); stop that one, or give this one a directory of its own",
            state.canonicalize().unwrap().display(),
            std::process::id()
        )
    );
    host.stop();
    let taken = hyaline_server::issue_key(&state, request("root")).unwrap_err();
    assert!(
        taken
            .to_string()
            .starts_with("there is an API key `root` already"),
        "{taken}"
    );
}

#[test]
fn the_keys_of_an_issuer_have_one_reader_however_many_calls_wait() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../gateway/tests/vectors/tokens.json")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicU32::new(0));
    let (counted, set) = (asked.clone(), vectors["sets"]["all"].to_string());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            counted.fetch_add(1, Relaxed);
            let set = set.clone();
            std::thread::spawn(move || {
                // Time enough for all calls to come.
                std::thread::park_timeout(Duration::from_millis(1500));
                let length = set.len();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(
                    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{set}").as_bytes(),
                );
            });
        }
    });
    let host = Host::start(&[("limits.concurrency", "8")]);
    host.deploy("f", &guests::hello());
    let issuer = json!({"issuer": vectors["issuer"], "audience": "another", "keys": {"url": url}});
    let access = json!({"access": {"required": true, "jwt": [issuer]}});
    assert_eq!(host.patch("f", access).status, 200);
    let token = format!("Bearer {}", vectors["cases"][0]["token"].as_str().unwrap());
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| host.call("/f").header("authorization", &token).get()))
            .collect();
        for call in calls {
            let refused = call.join().unwrap();
            assert_eq!(
                (refused.status, refused.refusal().as_str()),
                (401, "the token is not for `another` (aud)"),
                "it was checked with the keys"
            );
        }
    });
    assert_eq!(asked.load(Relaxed), 1);
}

#[test]
fn whoever_has_used_up_a_quota_for_good_is_not_told_to_come_back() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::hello());
    let quotas = json!([{"requests": 1, "period": "total"}]);
    let key = host
        .control("/api/keys")
        .json("POST", json!({"name": "ada", "quotas": quotas}))
        .json();
    let secret = key["secret"].as_str().unwrap();
    let call = || host.call("/f").header("x-api-key", secret).get();
    assert_eq!(call().status, 200);
    let refused = call();
    assert_eq!((refused.status, refused.header("retry-after")), (429, ""));
}
