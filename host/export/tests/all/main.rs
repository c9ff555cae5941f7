//! The files of every target, read back, compared with samples, and tried with the programs that take them.

mod build_file;
mod kubernetes;
mod lambda;
mod refusals;
mod samples;
mod systemd;
mod texts;

#[path = "../subjects/mod.rs"]
mod subjects;

use hyaline_export::{File, Subject, Target, export};

/// The contents of one file of an export.
fn contents(target: Target, subject: &Subject, path: &str) -> String {
    let files = export(target, subject).unwrap();
    let found = files.iter().find(|file| file.path == path);
    let found: &File = found.unwrap_or_else(|| panic!("{target} has no {path}"));
    found.contents.clone()
}

/// The documents of a YAML file.
fn documents(text: &str) -> Vec<serde_json::Value> {
    serde_saphyr::from_multiple(text).unwrap()
}
