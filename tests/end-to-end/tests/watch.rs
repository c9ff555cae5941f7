//! `hyaline up --watch`: whoever changes what a function is made of finds the new one answering.

use anyhow::{Result, ensure};
use end_to_end::{Host, golden, hyaline, packed, patiently};

const MANIFEST: &str = r#"
spin_manifest_version = 2

[application]
name = "watched"
version = "0.1.0"

[[trigger.http]]
route = "/answer/..."
component = "answer"

[component.answer]
source = "answer.wasm"
[component.answer.build]
command = "cp models/source answer.wasm"
watch = ["models/*"]
"#;

#[test]
fn a_changed_file_is_built_and_the_new_version_answers() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("spin.toml"), MANIFEST)?;
    std::fs::create_dir(folder.path().join("models"))?;
    let source = folder.path().join("models/source");
    std::fs::copy(packed("credit"), &source)?;
    let mut command = hyaline();
    Host::arguments(&mut command, &folder.path().join("state"))
        .args(["--build", "--watch"])
        .current_dir(&folder);
    let host = Host::start(command)?;
    let (credit, wine) = (&golden("credit")?[0]["row"], &golden("wine")?[0]["row"]);
    let answer = host.predict("answer", credit)?;
    ensure!(answer.status == 200, "{}", answer.text());
    assert_eq!(host.predict("answer", wine)?.status, 400);

    std::fs::copy(packed("wine"), &source)?;
    patiently("the new version answers", || {
        Ok((host.predict("answer", wine)?.status == 200).then_some(()))
    })?;
    assert_eq!(host.predict("answer", credit)?.status, 400);
    let versions = host.api("GET", "/api/functions/answer/versions", &[])?;
    assert_eq!(versions.json()?.as_array().map(Vec::len), Some(2));
    Ok(())
}

#[test]
fn a_build_that_fails_leaves_the_function_as_it_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let manifest = MANIFEST.replace(
        "cp models/source",
        "test ! -e models/broken && cp models/source",
    );
    std::fs::write(folder.path().join("spin.toml"), manifest)?;
    std::fs::create_dir(folder.path().join("models"))?;
    std::fs::copy(packed("credit"), folder.path().join("models/source"))?;
    let mut command = hyaline();
    Host::arguments(&mut command, &folder.path().join("state"))
        .args(["--build", "--watch"])
        .current_dir(&folder);
    let host = Host::start(command)?;
    let (credit, wine) = (&golden("credit")?[0]["row"], &golden("wine")?[0]["row"]);
    std::fs::write(folder.path().join("models/broken"), "")?;
    std::fs::copy(packed("wine"), folder.path().join("models/source"))?;
    // Long enough for the burst to end and the build to fail.
    std::thread::park_timeout(std::time::Duration::from_secs(2));
    let answer = host.predict("answer", credit)?;
    ensure!(answer.status == 200, "{}", answer.text());
    std::fs::remove_file(folder.path().join("models/broken"))?;
    patiently("the repaired build answers", || {
        Ok((host.predict("answer", wine)?.status == 200).then_some(()))
    })
}
