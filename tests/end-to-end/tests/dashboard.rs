//! The dashboard of a host in a real browser without a window, used by mouse, keyboard and phone.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use end_to_end::{Host, chromium, golden, root, variable};
use serde_json::{Value, json};

/// Lets the browser visit a host as an operator would and tells what it saw.
fn visit(host: &Host, shots: &str, key: &[&str]) -> Result<Value> {
    let shots = root().join("target").join(shots);
    std::fs::create_dir_all(&shots)?;
    let output = Command::new("node")
        .arg(root().join("tests/page/dashboard.mjs"))
        .arg(chromium())
        .arg(&host.control)
        .arg(&shots)
        .arg("credit")
        .args(key)
        .env("NODE_PATH", variable("HYALINE_NODE_MODULES"))
        .stderr(Stdio::inherit())
        .output()
        .context("start node")?;
    ensure!(
        output.status.success(),
        "the visit failed: {}",
        output.status
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn an_operator_sees_the_host_and_stops_a_function_from_the_dashboard() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::up(&folder.path().join("state"), &[])?;
    host.deploy(&["credit", "wine"])?;
    // What somebody wrote who means harm.
    let settings = r#"{"description": "<img src=x onerror='window.pwned=1'>", "budget": {"usd": 5.0, "period": "day"}}"#;
    let changed = host.api("PUT", "/api/functions/wine/settings", settings.as_bytes())?;
    ensure!(changed.status == 200, "{}", changed.text());
    for row in golden("credit")?.iter().take(5) {
        let answer = host.predict("credit", &row["row"])?;
        ensure!(answer.status == 200, "{}", answer.text());
    }
    // A key that opens the control plane: from now on the dashboard asks for it.
    let issued = host.api("POST", "/api/keys", br#"{"name": "root", "control": true}"#)?;
    let secret = issued.json()?["secret"]
        .as_str()
        .context("a secret")?
        .to_owned();

    let seen = visit(&host, "dashboard", &[&secret])?;
    assert_eq!(seen["failures"], json!([]), "the page logged errors");
    assert_eq!(
        seen["foreign"],
        json!([]),
        "the page asked an outside resource"
    );
    assert!(
        seen["wrongKey"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "a wrong key is refused: {}",
        seen["wrongKey"]
    );
    let functions = seen["functions"].as_object().context("functions by name")?;
    assert_eq!(functions.keys().collect::<Vec<_>>(), ["credit", "wine"]);
    let cells = functions["credit"]["cells"].to_string();
    assert!(cells.contains('5'), "five calls: {cells}");
    assert!(
        functions["wine"]["description"]
            .as_str()
            .is_some_and(|text| text.contains("<img")),
        "what others write stays text: {}",
        functions["wine"]
    );
    assert_eq!(
        (&seen["elementsInTexts"], &seen["scripted"]),
        (&json!(0), &json!(false))
    );
    assert_eq!(
        seen["budgets"].as_array().map(Vec::len),
        Some(1),
        "{}",
        seen["budgets"]
    );
    assert!(
        seen["events"]
            .as_array()
            .is_some_and(|events| events.len() >= 3),
        "{}",
        seen["events"]
    );
    assert_eq!((&seen["roles"], &seen["unnamed"]), (&json!([]), &json!([])));
    assert_eq!(seen["found"], json!(["credit"]));
    assert_eq!(seen["states"], json!(["enabled", "disabled", "enabled"]));
    assert_eq!(seen["postedAfterEscape"], 0, "Escape is no confirmation");
    assert_eq!(
        seen["posted"],
        json!([
            "POST /api/functions/credit/disable",
            "POST /api/functions/credit/enable"
        ])
    );
    assert_eq!(
        (&seen["keptFocus"], &seen["requestsInPause"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(
        seen["back"], true,
        "it says when the host is away and comes back by itself"
    );
    let sizes = seen["sizes"].as_object().context("sizes by name")?;
    assert_eq!(sizes.len(), 6);
    for (name, size) in sizes {
        assert_eq!(size["overflow"], 0, "{name}: nothing sticks out");
    }
    Ok(())
}
