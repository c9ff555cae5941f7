//! Debian's `systemd-analyze` takes the units.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use hyaline_export::{Subject, Target};

use crate::{contents, subjects};

const UNIT: &str = "hyaline-credit.service";

fn analyze(arguments: &[&str], unit: &Path) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .output()
        .expect("`systemd-analyze` runs; `apt-get install systemd` brings it")
}

/// The unit with a command that is there, as a file.
fn written(subject: &Subject) -> (tempfile::TempDir, std::path::PathBuf) {
    let text = contents(Target::Systemd, subject, UNIT);
    assert!(text.contains("ExecStart=/usr/local/bin/hyaline "), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(UNIT);
    fs::write(&path, text.replace("/usr/local/bin/hyaline ", "/bin/true ")).unwrap();
    (folder, path)
}

#[test]
fn systemd_finds_nothing_wrong() {
    for subject in [
        subjects::plain(),
        subjects::full(),
        subjects::with_secrets(),
    ] {
        let (_folder, path) = written(&subject);
        let output = analyze(&["verify", "--man=no"], &path);
        let said = String::from_utf8_lossy(&output.stderr);
        // What it says of other units of this machine is not about ours.
        let about_ours: Vec<&str> = said.lines().filter(|line| line.contains(UNIT)).collect();
        assert!(output.status.success() && about_ours.is_empty(), "{said}");
    }
}

#[test]
fn a_mistake_in_a_unit_is_noticed() {
    let (_folder, path) = written(&subjects::plain());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("RestartSec=", "RestartSecs=")).unwrap();
    let output = analyze(&["verify", "--man=no"], &path);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("RestartSecs"), "{said}");
}

#[test]
fn the_service_is_confined() {
    let mut low = subjects::plain();
    low.listen.set_port(443);
    for subject in [subjects::plain(), low] {
        let (_folder, path) = written(&subject);
        let output = analyze(
            &["security", "--offline=true", "--no-pager", "--threshold=20"],
            &path,
        );
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

#[test]
fn a_description_cannot_become_a_directive() {
    let text = contents(Target::Systemd, &subjects::full(), UNIT);
    let starts: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("ExecStart="))
        .collect();
    assert_eq!(
        starts,
        [
            "ExecStart=/usr/local/bin/hyaline up --from /usr/local/share/hyaline/credit/spin.toml --deadline 3 \
             --memory 64 --concurrency 8 --body 3 --listen 127.0.0.1:8443"
        ]
    );
    let description = text
        .lines()
        .find(|line| line.starts_with("Description="))
        .unwrap();
    assert!(!description.ends_with('\\'), "{description}");
    assert!(description.contains("%%n %%%%"), "{description}");
}

#[test]
fn only_a_low_port_needs_a_capability() {
    let mut subject = subjects::plain();
    subject.listen.set_port(443);
    let low = contents(Target::Systemd, &subject, UNIT);
    assert!(low.contains("\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"));
    assert!(low.contains("\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"));
    let high = contents(Target::Systemd, &subjects::plain(), UNIT);
    assert!(!high.contains("CAP_"), "{high}");
}

#[test]
fn secrets_are_credentials() {
    let text = contents(Target::Systemd, &subjects::with_secrets(), UNIT);
    assert!(
        text.contains(
            "\nLoadCredential=key:/etc/hyaline/credit/key\nEnvironment=HYALINE_TEST_KEY=%d/key\n"
        ),
        "{text}"
    );
}

#[test]
fn systemd_knows_the_user() {
    let text = contents(Target::Systemd, &subjects::plain(), "hyaline.sysusers.conf");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hyaline.conf");
    fs::write(&path, text).unwrap();
    let output = Command::new("systemd-sysusers")
        .arg("--dry-run")
        .arg(&path)
        .output()
        .expect("`systemd-sysusers` runs; `apt-get install systemd` brings it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
