//! A full disk: nothing new, and nothing lost.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use end_to_end::{Host, golden, packed, variable};

/// Starts the host on a small disk of its own, which nobody else sees and which goes when the host does.
const ON_A_SMALL_DISK: &str =
    r#"mount -t tmpfs -o size=48m,mode=700 none "$1" && shift && exec "$@""#;

#[test]
fn a_full_disk_refuses_deployments_in_clear_words_and_calls_go_on() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let disk = folder.path().join("disk");
    fs::create_dir(&disk)?;
    let namespace = ["--user", "--map-root-user", "--mount"];
    let may = Command::new("unshare")
        .args(namespace)
        .args(["mount", "-t", "tmpfs", "none"])
        .arg(&disk)
        .stderr(Stdio::piped())
        .output();
    match may {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            return skipped(&format!(
                "this system lets nobody mount a small disk: {}",
                why.trim_end()
            ));
        }
        Err(error) => return skipped(&format!("this system has no `unshare`: {error}")),
    }
    let mut command = Command::new("unshare");
    command.args(namespace);
    command.args(["sh", "-c", ON_A_SMALL_DISK, "sh"]).arg(&disk);
    command.arg(variable("HYALINE"));
    let host = Host::start({
        Host::arguments(&mut command, &disk.join("state")).current_dir(&folder);
        command
    })?;
    let row = golden("credit")?[0]["row"].clone();
    host.deploy(&["credit"])?;
    let before = host.predict("credit", &row)?;
    ensure!(before.status == 200, "{}", before.text());

    let inside = PathBuf::from(format!("/proc/{}/root{}", host.pid(), disk.display()));
    let filler = inside.join("filler");
    fill(&filler)?;
    let wine = packed("wine");
    let refused = host.command(&["deploy", "wine", &wine.to_string_lossy()])?;
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{words}");
    assert!(words.contains("No space left on device"), "{words}");
    let status = host.api("POST", "/api/functions/wine/versions", &fs::read(&wine)?)?;
    assert_eq!(status.status, 507, "{}", status.text());
    assert_eq!(
        host.api("GET", "/api/functions/wine", &[])?.status,
        404,
        "what was refused is not there"
    );
    for _ in 0..20 {
        let answer = host.predict("credit", &row)?;
        assert_eq!((answer.status, &answer.body), (200, &before.body));
    }

    fs::remove_file(&filler)?;
    host.deploy(&["wine"])?;
    let answer = host.predict("wine", &golden("wine")?[0]["row"])?;
    ensure!(answer.status == 200, "{}", answer.text());
    let functions = host.api("GET", "/api/functions", &[])?.json()?;
    assert_eq!(functions.as_array().map(Vec::len), Some(2));
    Ok(())
}

/// Says so where it is seen: what `eprintln!` prints, the test harness keeps to itself when a test passes.
fn skipped(why: &str) -> Result<()> {
    writeln!(
        std::io::stderr(),
        "SKIPPED a_full_disk_refuses_deployments_in_clear_words_and_calls_go_on: {why}"
    )?;
    Ok(())
}

/// Writes until nothing more fits.
fn fill(path: &std::path::Path) -> Result<()> {
    let mut file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    for size in [1 << 20, 4096] {
        loop {
            match file.write_all(&vec![1; size]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
