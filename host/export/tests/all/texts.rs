//! A hostile description is a description, in every format.

use hyaline_export::{Subject, Target};
use serde_json::Value;

use crate::{contents, documents, subjects};

fn hostile() -> Subject {
    Subject {
        description: Some(subjects::hostile().into()),
        ..subjects::plain()
    }
}

#[test]
fn yaml_keeps_it() {
    for (target, path, pointer) in [
        (
            Target::Kubernetes,
            "kubernetes.yaml",
            "/metadata/annotations/kubernetes.io~1description",
        ),
        (
            Target::SpinKube,
            "spinapp.yaml",
            "/metadata/annotations/kubernetes.io~1description",
        ),
        (
            Target::Knative,
            "service.yaml",
            "/metadata/annotations/kubernetes.io~1description",
        ),
        (
            Target::CloudRun,
            "service.yaml",
            "/metadata/annotations/run.googleapis.com~1description",
        ),
    ] {
        let text = contents(target, &hostile(), path);
        let found = documents(&text);
        let plain = documents(&contents(target, &subjects::plain(), path));
        assert_eq!(found.len(), plain.len(), "{target}: {text}");
        let description = found[0].pointer(pointer).and_then(Value::as_str);
        assert_eq!(description, Some(subjects::hostile()), "{target}: {text}");
    }
}

#[test]
fn texts_that_yaml_could_take_for_something_else_stay_texts() {
    for text in [
        "yes",
        "no",
        "null",
        "~",
        "1",
        "1.0",
        "0x1f",
        "1e3",
        ".nan",
        "2026-11-27",
        "",
        " ",
        "- a",
        "a: b",
        "#a",
        "a #b",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "@a",
        "`a`",
        "%a",
        "{a}",
        "[a]",
        "\"",
        "'",
        "a\nb",
        "a\r\nb",
        "\u{85}",
        "...",
        "---",
        "=",
        "<<",
        "12:30:45",
        "0o7",
        "1_000",
        "true ",
        "\u{feff}a",
        "a\n",
        "\n\na",
        "?",
        ":",
        "\0",
    ] {
        let subject = Subject {
            description: Some(text.into()),
            ..subjects::plain()
        };
        let yaml = contents(Target::Knative, &subject, "service.yaml");
        let found = documents(&yaml);
        let description = &found[0]["metadata"]["annotations"]["kubernetes.io/description"];
        assert_eq!(description, text, "{yaml}");
    }
}

#[test]
fn toml_keeps_it() {
    let manifest = contents(Target::Spin, &subjects::full(), "spin.toml");
    let found: toml::Table = manifest.parse().unwrap();
    assert_eq!(found["spin_manifest_version"].as_integer(), Some(2));
    assert_eq!(
        found["application"]["description"].as_str(),
        Some(subjects::hostile())
    );
    assert_eq!(
        found["component"]["credit"]["description"].as_str(),
        Some(subjects::hostile())
    );
    assert_eq!(found["trigger"]["http"][0]["route"].as_str(), Some("/..."));
    assert_eq!(
        found["trigger"]["http"][0]["component"].as_str(),
        Some("credit")
    );
    assert_eq!(
        found["component"]["credit"]["allowed_outbound_hosts"][1].as_str(),
        Some("http://*.example.net")
    );
}

#[test]
fn lambda_gets_it_on_one_short_line() {
    let subject = Subject {
        description: Some("ü\n".repeat(1000)),
        ..subjects::plain()
    };
    let found = documents(&contents(Target::Lambda, &subject, "template.yaml"));
    let description = found[0]["Resources"]["Function"]["Properties"]["Description"]
        .as_str()
        .unwrap();
    assert!(description.starts_with("ü ü ü") && description.ends_with('…'));
    assert!(description.len() <= 256, "{}", description.len());
}

#[test]
fn azures_documents_are_json() {
    let subject = subjects::full();
    let host: Value =
        serde_json::from_str(&contents(Target::Azure, &subject, "host.json")).unwrap();
    assert_eq!(host["functionTimeout"], "00:00:03");
    assert_eq!(host["customHandler"]["description"]["arguments"][0], "up");
    let function = contents(Target::Azure, &subject, "credit/function.json");
    let function: Value = serde_json::from_str(&function).unwrap();
    assert_eq!(function["bindings"][0]["route"], "{*path}");
}
