//! Functions come and go while others answer.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use end_to_end::{Host, golden, hyaline, packed};
use serde_json::{Value, json};

#[test]
fn deploying_and_deleting_others_fails_no_call() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::up(&folder.path().join("state"), &[])?;
    host.deploy(&["credit"])?;
    let row = golden("credit")?[0]["row"].clone();
    let before = host.predict("credit", &row)?;
    ensure!(before.status == 200, "{}", before.text());
    let other = std::fs::read(packed("wine"))?;

    let load = hyaline()
        .args(["bench", &format!("{}/credit/predict", host.url)])
        .args(["--json", "-c", "4", "--warm-up", "0", "-d", "5s"])
        .args(["-H", "content-type: application/json"])
        .args(["--body", &row.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .context("start hyaline bench")?;
    let started = Instant::now();
    let mut changes = 0u32;
    while started.elapsed() < Duration::from_secs(5) {
        let path = format!("/api/functions/other-{}", changes / 2);
        if changes.is_multiple_of(2) {
            let deployed = host.api("POST", &format!("{path}/versions"), &other)?;
            ensure!(deployed.status == 201, "{}", deployed.text());
        } else {
            let deleted = host.api("DELETE", &path, &[])?;
            ensure!(deleted.status == 204, "{}", deleted.text());
        }
        changes += 1;
        let due = started + changes * Duration::from_millis(100);
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
    let output = load.wait_with_output()?;
    ensure!(
        output.status.success(),
        "hyaline bench failed: {}",
        output.status
    );
    let report: Value = serde_json::from_slice(&output.stdout)?;
    eprintln!("{changes} changes in 5 s, {} answers", report["answers"]);
    let errors = json!({"connect": 0, "timeout": 0, "closed": 0, "malformed": 0});
    assert_eq!(report["errors"], errors, "{report}");
    assert_eq!(
        report["status"],
        json!({"200": report["answers"]}),
        "{report}"
    );
    assert!(report["answers"].as_u64() > Some(100), "{report}");
    assert!(changes > 2, "nothing changed meanwhile");
    Ok(())
}
