//! Who may push and pull.

use hyaline_oci::{Credentials, OciError, Options, pull, push};

use crate::component::{component, description};
use crate::registry::{Registry, anonymous, chain};

fn ask_as(credentials: Credentials) -> Options {
    Options {
        credentials,
        ..Options::default()
    }
}

fn basic(user: &str, password: &str) -> Options {
    ask_as(Credentials::Basic {
        user: user.into(),
        password: password.into(),
    })
}

#[tokio::test]
async fn a_user_with_a_password_gets_in() {
    let registry = Registry::start_for_ada();
    let place = registry.at("credit:1");
    let bytes = component(1);
    push(
        &place,
        bytes.clone(),
        &description("credit"),
        &basic("ada", "lovelace"),
    )
    .await
    .unwrap();
    let pulled = pull(&place, &basic("ada", "lovelace")).await.unwrap();
    assert_eq!(pulled.component, bytes);
}

#[tokio::test]
async fn whoever_is_logged_in_with_docker_gets_in() {
    let registry = Registry::start_for_ada();
    let place = registry.at("credit:1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    // `printf ada:lovelace | base64`
    let text = format!(
        r#"{{"auths":{{"{}":{{"auth":"YWRhOmxvdmVsYWNl"}}}}}}"#,
        registry.address()
    );
    std::fs::write(&path, text).unwrap();
    let options = ask_as(Credentials::File(path));
    push(&place, component(1), &description("credit"), &options)
        .await
        .unwrap();
    pull(&place, &options).await.unwrap();
}

#[tokio::test]
async fn everybody_else_is_told_to_log_in() {
    let registry = Registry::start_for_ada();
    let place = registry.at("credit:1");
    push(
        &place,
        component(1),
        &description("credit"),
        &basic("ada", "lovelace"),
    )
    .await
    .unwrap();
    let address = registry.address();
    for (options, who) in [
        (anonymous(), "callers without credentials"),
        (basic("ada", "byron"), "the user `ada`"),
        (basic("eve", "lovelace"), "the user `eve`"),
    ] {
        let error = pull(&place, &options).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "`{address}` does not let {who} pull `{place}`; log in with `docker login {address}` or `podman login \
                 {address}`, or give a user and a password"
            )
        );
        let error = push(&place, component(2), &description("credit"), &options)
            .await
            .unwrap_err();
        assert!(
            matches!(error, OciError::Denied { .. }),
            "{}",
            chain(&error)
        );
        for password in ["byron", "lovelace"] {
            assert!(!chain(&error).contains(password), "{}", chain(&error));
        }
    }
}
