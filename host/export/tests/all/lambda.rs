//! What `sam build` and Lambda do with the files: `make` collects them, `bootstrap` starts the command.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hyaline_export::{Target, export};

use crate::{contents, documents, subjects};

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn make_collects_what_bootstrap_starts() {
    let [source, built] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for file in export(Target::Lambda, &subjects::plain()).unwrap() {
        let path = source.path().join(&file.path);
        if file.executable {
            program(&path, &file.contents);
        } else {
            fs::write(path, &file.contents).unwrap();
        }
    }
    fs::write(source.path().join("credit.wasm"), "component").unwrap();
    program(
        &source.path().join("hyaline"),
        "#!/bin/sh\necho \"$0 $*\"; cat \"$2\"\n",
    );
    let template = documents(&contents(
        Target::Lambda,
        &subjects::plain(),
        "template.yaml",
    ));
    let function = &template[0]["Resources"]["Function"];
    assert_eq!(function["Metadata"]["BuildMethod"], "makefile");
    assert_eq!(function["Properties"]["Runtime"], "provided.al2023");
    // `sam build` calls the target `build-` and the resource's name.
    let made = Command::new("make")
        .current_dir(source.path())
        .arg("build-Function")
        .arg(format!("ARTIFACTS_DIR={}", built.path().display()))
        .output()
        .expect("`make` runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let started = Command::new(built.path().join("bootstrap"))
        .env("LAMBDA_TASK_ROOT", built.path())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&started.stdout),
        "./hyaline lambda credit.wasm\ncomponent"
    );
}
