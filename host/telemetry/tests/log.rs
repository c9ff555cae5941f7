//! The log of a process, as it is set up once.

use std::path::PathBuf;

use hyaline_telemetry::{LogConfig, LogDestination, init};

#[test]
fn a_process_has_one_log_and_it_is_complete_when_the_guard_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host.log");
    std::fs::write(&path, "{\"earlier\":true}\n").unwrap();
    let config = LogConfig {
        destination: LogDestination::File(path.clone()),
        ..LogConfig::default()
    };

    let nowhere = LogConfig {
        destination: LogDestination::File(PathBuf::from("/nowhere/host.log")),
        ..config.clone()
    };
    assert_eq!(
        init(&nowhere).unwrap_err().to_string(),
        "cannot open the log file /nowhere/host.log"
    );

    let guard = init(&config).unwrap();
    assert_eq!(
        init(&config).unwrap_err().to_string(),
        "the log of this process is already set up"
    );
    for number in 0..1000 {
        tracing::info!(number, "a line");
    }
    tracing::debug!("not shown");
    assert_eq!(guard.drops().count(), 0);
    drop(guard);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1001);
    assert_eq!(lines[1000]["number"], 999);
    assert_eq!(lines[1000]["message"], "a line");
}
