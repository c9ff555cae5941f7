//! The build file of the container.

use hyaline_export::{Target, export};

use crate::{contents, subjects};

#[test]
fn a_description_stays_inside_its_label() {
    let text = contents(Target::Container, &subjects::full(), "Containerfile");
    let label = text
        .lines()
        .find(|line| line.contains("image.description"))
        .unwrap();
    let value = label
        .trim()
        .strip_prefix("org.opencontainers.image.description=\"")
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_else(|| panic!("{label}"));
    // Read as a build file does: a backslash takes the next character as it is, a dollar or a quote would be syntax.
    let mut read = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        assert!(!matches!(character, '"' | '$'), "{value}");
        read.push(if character == '\\' {
            characters.next().unwrap()
        } else {
            character
        });
    }
    assert!(read.starts_with("\"quoted\" 'text' "), "{read}");
    assert!(read.contains(" $HOME ${HOME} $(id) `id` "), "{read}");
    assert!(read.ends_with("\\\"\\"), "{read}");
    let instructions: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with(['#', ' ']))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        instructions,
        [
            "ARG",
            "FROM",
            "LABEL",
            "RUN",
            "COPY",
            "COPY",
            "COPY",
            "ENV",
            "USER",
            "EXPOSE",
            "STOPSIGNAL",
            "ENTRYPOINT",
            "CMD"
        ]
    );
}

#[test]
fn the_command_is_a_list_that_no_shell_reads() {
    let text = contents(Target::Container, &subjects::plain(), "Containerfile");
    let command = text
        .lines()
        .find_map(|line| line.strip_prefix("CMD "))
        .unwrap();
    let command: Vec<String> = serde_json::from_str(command).unwrap();
    assert_eq!(
        command,
        [
            "serve",
            "/functions/credit.wasm",
            "--listen",
            "0.0.0.0:3000"
        ]
    );
}

#[test]
fn the_manifest_comes_along_when_the_command_reads_it() {
    for (subject, manifest) in [(subjects::plain(), false), (subjects::full(), true)] {
        for target in [
            Target::Container,
            Target::Kubernetes,
            Target::Azure,
            Target::Systemd,
        ] {
            let files = export(target, &subject).unwrap();
            assert_eq!(
                files.iter().any(|file| file.path == "spin.toml"),
                manifest,
                "{target}"
            );
        }
    }
}
