//! The page of a function in a real browser without a window, used by mouse, keyboard and phone.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use end_to_end::{Server, chromium, packed, root, variable};
use serde_json::Value;

#[test]
fn a_person_gets_a_prediction_with_its_reasons_from_the_page() -> Result<()> {
    for name in ["credit", "reviews", "digits"] {
        drop(packed(name));
    }
    let server = Server::up()?;
    let shots = root().join("target/page");
    std::fs::create_dir_all(&shots)?;
    let output = Command::new("node")
        .arg(root().join("tests/page/page.mjs"))
        .arg(chromium())
        .arg(&server.url)
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
    let sizes = seen["sizes"].as_object().context("sizes by name")?;
    assert_eq!(sizes.len(), 5);
    for (name, size) in sizes {
        assert_eq!(size["overflow"], 0, "{name}: nothing sticks out");
    }
    check_views(&seen)?;
    Ok(())
}

/// What every way to explain shows.
fn check_views(seen: &Value) -> Result<()> {
    let texts = |value: &Value| -> Vec<String> {
        let items = value.as_array().into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let methods = texts(&seen["methods"]);
    assert!(
        methods.starts_with(&["auto".to_owned()]) && methods.contains(&"leverage".to_owned()),
        "{methods:?}"
    );
    let unit = seen["estimate"]["unit"].as_str().unwrap_or_default();
    assert!(
        unit.starts_with("Estimated Shapley values") && unit.contains("seed 0"),
        "{unit}"
    );
    assert_eq!(seen["estimate"]["errors"], 9, "an error per feature");
    let views = seen["views"].as_object().context("views by name")?;
    let names: Vec<&String> = views.keys().collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for (name, view) in views {
        assert_eq!(view["pressed"], "true", "{name}");
        let text = view["text"].as_str().unwrap_or_default();
        assert!(text.contains(name.as_str()), "{name}: {text}");
        let parts = view["parts"].as_u64().unwrap_or_default();
        assert!(parts > 0, "{name} shows nothing: {text}");
    }
    assert_eq!(seen["important"], 9, "nine features matter more or less");
    assert_eq!(
        texts(&seen["words"]),
        ["Great", "sound", "but", "a", "terrible", "battery"]
    );
    assert_eq!(seen["text"], "Great sound 👍 but a terrible battery.");
    assert!(
        seen["digit"]
            .as_str()
            .is_some_and(|text| text.starts_with(|first: char| first.is_ascii_digit())),
        "{}",
        seen["digit"]
    );
    assert!(
        seen["drawn"]
            .as_str()
            .is_some_and(|text| text.starts_with('1')),
        "a vertical line is a one, not {}",
        seen["drawn"]
    );
    Ok(())
}
