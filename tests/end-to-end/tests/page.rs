//! The page of a function in a real browser without a window, used by mouse, keyboard and phone.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use end_to_end::{Server, packed, root, variable};
use serde_json::Value;

#[test]
fn a_person_gets_a_prediction_with_its_reasons_from_the_page() -> Result<()> {
    packed("credit");
    let server = Server::up()?;
    let shots = root().join("target/page");
    std::fs::create_dir_all(&shots)?;
    let output = Command::new("node")
        .arg(root().join("tests/page/page.mjs"))
        .arg(chromium())
        .arg(format!("{}/credit/", server.url))
        .arg(&shots)
        .env("NODE_PATH", variable("HYALINE_NODE_MODULES"))
        .stderr(Stdio::inherit())
        .output()
        .context("start node")?;
    ensure!(
        output.status.success(),
        "the visit failed: {}",
        output.status
    );
    let seen: Value = serde_json::from_slice(&output.stdout)?;

    assert_eq!(
        seen["failures"],
        serde_json::json!([]),
        "the page logged errors"
    );
    for request in seen["requests"].as_array().context("requests are a list")? {
        let url = request.as_str().unwrap_or_default();
        assert!(
            url.starts_with(&server.url) || url.starts_with("data:"),
            "the page asked an outside resource: {url}"
        );
    }
    let labels = seen["labels"].as_array().context("labels are a list")?;
    assert_eq!(labels.len(), 9, "one field per feature");
    assert!(
        labels.iter().all(|label| label["tied"] == true),
        "{labels:?}"
    );
    // Base, nine features, total.
    assert_eq!(
        seen["steps"].as_array().map(Vec::len),
        Some(11),
        "{}",
        seen["steps"]
    );
    assert_eq!(seen["sent"]["age"], 67, "typing and Enter send the form");
    assert_ne!(
        seen["steps"], seen["stepsAfter"],
        "another value gives other reasons"
    );
    assert_eq!(seen["refusedWith"], 400);
    assert!(
        seen["alert"]
            .as_str()
            .is_some_and(|text| text.contains("Age")),
        "{}",
        seen["alert"]
    );
    assert_eq!(
        seen["unreachable"],
        serde_json::json!([]),
        "the keyboard reaches every control"
    );
    assert_eq!(
        seen["sizes"]["phone"]["overflow"], 0,
        "nothing sticks out on a phone"
    );
    assert_eq!(seen["sizes"]["desk"]["overflow"], 0);
    Ok(())
}

/// The browser, as a path: it is started by its full name.
fn chromium() -> String {
    let name = variable("HYALINE_CHROMIUM");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(&name))
        .find(|file| file.is_file());
    found.map_or(name, |file| file.to_string_lossy().into_owned())
}
