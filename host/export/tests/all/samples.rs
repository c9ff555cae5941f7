//! The files are those in `tests/samples`, which were checked with the platforms' own schemas
//! (`tests/published_schemas.py`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hyaline_export::{ExportError, Target, export};

use crate::subjects;

fn below(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, found);
        } else {
            found.insert(path);
        }
    }
}

#[test]
fn the_files_are_the_checked_samples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let remedy = "look at the difference, and if it is wanted: cargo run -p hyaline-export --example samples \
                  host/export/tests/samples";
    let mut expected = BTreeSet::new();
    below(&folder, &mut expected);
    for (name, subject) in [
        ("plain", subjects::plain()),
        ("full", subjects::full()),
        ("secrets", subjects::with_secrets()),
    ] {
        for target in Target::ALL {
            let files = match export(target, &subject) {
                Err(ExportError::Unsupported { .. }) => continue,
                files => files.unwrap(),
            };
            for file in files {
                let path = folder.join(name).join(target.as_str()).join(&file.path);
                let sample = fs::read_to_string(&path).unwrap_or_default();
                assert_eq!(file.contents, sample, "{}: {remedy}", path.display());
                expected.remove(&path);
            }
        }
    }
    assert!(
        expected.is_empty(),
        "no longer made: {expected:?}; {remedy}"
    );
}

#[test]
fn paths_stay_inside_the_folder() {
    for target in Target::ALL {
        for file in export(target, &subjects::plain()).unwrap() {
            let path = Path::new(&file.path);
            assert!(
                path.is_relative() && !file.path.contains(".."),
                "{}",
                file.path
            );
            assert!(file.contents.ends_with('\n') && !file.contents.contains('\r'));
            assert_eq!(file.executable, file.path == "bootstrap");
        }
    }
}
