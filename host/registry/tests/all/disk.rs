//! A full disk: changes are refused, nothing acknowledged is lost, and all goes on once there is room.
//!
//! The disk is full for one process only, by a limit on the size of its files (`RLIMIT_FSIZE`), which its parent lifts
//! while it runs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{at, check, name};
use hyaline_control::Settings;
use hyaline_registry::{ChangeError, Deployment};

/// Names the directory to the process whose disk is full.
const DIRECTORY: &str = "HYALINE_TEST_REGISTRY";
const TEST: &str = "disk::a_full_disk_refuses_changes_until_there_is_room";

#[test]
fn a_full_disk_refuses_changes_until_there_is_room() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return fill(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    // A shell, because only a process itself can decide not to be killed by the signal that comes with the error.
    let mut child = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ && ulimit -S -f 2048 && exec \"$0\" --exact \"$1\" --nocapture",
        ])
        .arg(program)
        .arg(TEST)
        .env(DIRECTORY, directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut report = String::new();
    while !report.ends_with("full\n") {
        assert!(errors.read_line(&mut report).unwrap() > 0, "{report}");
    }
    let lifted = Command::new("prlimit")
        .args(["--fsize=unlimited:", "--pid", &child.id().to_string()])
        .status()
        .expect("this test needs `prlimit`, of the package util-linux");
    assert!(lifted.success());
    child.stdin.take().unwrap().write_all(b"room\n").unwrap();
    std::io::Read::read_to_string(&mut errors, &mut report).unwrap();
    assert!(child.wait().unwrap().success(), "{report}");
    let registry = crate::reopened(directory.path());
    let acknowledged = report
        .lines()
        .filter(|line| line.starts_with("kept "))
        .count();
    assert_eq!(registry.catalog().len(), acknowledged, "{report}");
    assert!(acknowledged > 10);
    check(&registry);
}

/// Makes functions with long settings until the disk is full, waits for room, and makes more.
fn fill(directory: &Path) {
    let registry = crate::reopened(directory);
    let component = registry.put_component(b"a component").unwrap();
    let deploy = |function: &str| {
        let deployment = Deployment {
            settings: Some(Settings {
                description: Some(format!("{function} ").repeat(10_000)),
                ..Settings::default()
            }),
            ..Deployment::of(*component.digest())
        };
        let outcome = registry.deploy(&name(function), deployment, at(0));
        if outcome.is_ok() {
            eprintln!("kept {function}");
        }
        outcome
    };
    let error = (0..1000)
        .find_map(|count| deploy(&format!("f{count}")).err())
        .expect("the disk is full some time");
    let path = registry.directory().join("state.redb");
    assert_eq!(
        error.to_string(),
        format!(
            "cannot write the change to `{}`, so nothing has changed: a file may not grow further; raise the limit \
             (`ulimit -f`), then try again",
            path.display()
        )
    );
    let ChangeError::Refused { source, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(source.to_string().contains("File too large"), "{source}");
    for _ in 0..3 {
        let before = registry.catalog();
        deploy("one-more").unwrap_err();
        assert_eq!(before.generation(), registry.catalog().generation());
        check(&registry);
    }
    let large = registry.put_component(&vec![7; 4 << 20]).unwrap_err();
    assert!(
        large.to_string().ends_with(
            "partial/1`: a file may not grow further; raise the limit (`ulimit -f`), then try again"
        ),
        "{large}"
    );
    assert_eq!(
        std::fs::read_dir(directory.join("partial"))
            .unwrap()
            .count(),
        0
    );
    eprintln!("full");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    assert_eq!(line, "room\n");
    for count in 0..10 {
        deploy(&format!("later{count}")).unwrap();
    }
    registry.put_component(&vec![7; 4 << 20]).unwrap();
}
