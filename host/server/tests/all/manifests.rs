//! Manifests are read as Spin reads them; refusals are pinned in words.

use std::path::{Path, PathBuf};

use hyaline_server::Application;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/manifests")
        .join(name)
}

#[test]
fn a_manifest_that_spin_takes_is_read_and_what_is_ignored_is_named() {
    let application = Application::from_manifest(fixture("full.toml")).unwrap();
    assert_eq!(
        (
            application.name(),
            application.version(),
            application.description()
        ),
        ("models", "1.0.0", "Models that say why")
    );
    let ids: Vec<&str> = application
        .components()
        .iter()
        .map(|component| component.id.as_str())
        .collect();
    assert_eq!(ids, ["credit", "trigger-3", "wine"]);
    let credit = &application.components()[0];
    assert_eq!(credit.path, fixture("target/credit.wasm"));
    assert_eq!(credit.description, "German credit");
    assert_eq!(credit.allowed_outbound_hosts, ["https://api.example.com"]);
    let build = credit.build.as_ref().unwrap();
    assert_eq!(build.commands, ["hyaline pack models/credit"]);
    assert_eq!(build.directory, fixture("models"));
    assert_eq!(build.watch, ["models/**"]);
    assert_eq!(
        application.warnings(),
        [
            "`extra` is not known here and is ignored",
            "`component.wine.environment` is ignored: a function gets no environment",
            "`component.wine.files` is ignored: a function gets no files",
            "`component.wine.build.shell` is not known here and is ignored",
            "`trigger.http for `/wine/...`: note` is not known here and is ignored",
            "the private http trigger of component `wine` is not served: functions cannot call each other here",
            "route `/twice/` is given twice: `wine` takes it, and `credit` is never reached there",
            "component `idle` has no trigger and is not loaded",
        ]
    );
}

/// Every `refused-*.toml` is refused with the words in its first line, behind `# `.
#[test]
fn refusals_have_the_words_pinned_in_their_fixtures() {
    let mut seen = 0;
    for entry in std::fs::read_dir(fixture("")).unwrap() {
        let path = entry.unwrap().path();
        if !path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("refused-")
        {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = text
            .lines()
            .next()
            .unwrap()
            .strip_prefix("# ")
            .expect("the first line says the refusal");
        let error = Application::from_manifest(&path).expect_err(&path.display().to_string());
        let chain = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let said = chain.replace(&path.display().to_string(), "spin.toml");
        assert_eq!(said.lines().next().unwrap(), expected, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} fixtures were found");
}

#[test]
fn a_missing_manifest_is_named() {
    let error = Application::from_manifest("nowhere/spin.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the manifest `nowhere/spin.toml`"
    );
}

#[test]
fn a_directory_stands_for_the_manifest_in_it() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(fixture("full.toml"), directory.path().join("spin.toml")).unwrap();
    assert_eq!(
        Application::from_manifest(directory.path()).unwrap().name(),
        "models"
    );
}
