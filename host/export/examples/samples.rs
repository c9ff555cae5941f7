//! Writes the files of every target for two sample functions: `cargo run -p hyaline-export --example samples FOLDER`.
//! The tests compare their own with those in `tests/samples`; run it there after a wanted change.

use std::fs;
use std::path::PathBuf;

use hyaline_export::{ExportError, Subject, Target, export};

#[path = "../tests/subjects/mod.rs"]
mod subjects;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or("name the folder to write into")?;
    let subjects: [(&str, Subject); 3] = [
        ("plain", subjects::plain()),
        ("full", subjects::full()),
        ("secrets", subjects::with_secrets()),
    ];
    for (name, subject) in subjects {
        for target in Target::ALL {
            let files = match export(target, &subject) {
                Err(ExportError::Unsupported { .. }) => continue,
                files => files?,
            };
            for file in files {
                let path = folder.join(name).join(target.as_str()).join(&file.path);
                fs::create_dir_all(path.parent().ok_or("a file lies in a folder")?)?;
                fs::write(path, file.contents)?;
            }
        }
    }
    Ok(())
}
