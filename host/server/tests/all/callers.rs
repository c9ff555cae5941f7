//! Who may call, and who may control.

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
        "the control plane would be open to everybody who reaches 0.0.0.0:0: make an API key that opens it first, or bind it \
         to a loopback address such as 127.0.0.1"
    );
}
