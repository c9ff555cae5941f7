//! Functions that are exported in tests and examples.

use hyaline_export::{Architecture, Replicas, Secret, Subject, VariableName};

/// Everything at its default, with an image because some targets need one.
pub fn plain() -> Subject {
    Subject {
        image: Some("registry.example/team/credit:1.2".parse().unwrap()),
        ..Subject::new("credit".parse().unwrap(), "credit.wasm".parse().unwrap())
    }
}

/// Everything that can be set, and a description that every format could mistake for syntax.
pub fn full() -> Subject {
    let mut subject = Subject {
        description: Some(hostile().into()),
        allowed_outbound_hosts: vec!["https://example.org".into(), "http://*.example.net".into()],
        listen: "127.0.0.1:8443".parse().unwrap(),
        memory_mib: 1024,
        cpu_millis: 1500,
        replicas: Replicas { least: 3, most: 3 },
        architecture: Architecture::Arm64,
        ..plain()
    };
    subject.limits.deadline_ms = Some(2500);
    subject.limits.memory_mib = Some(64);
    subject.limits.concurrency = Some(8);
    subject.limits.body_bytes = Some(3_000_000);
    subject
}

/// [`full`] with secrets, for the targets that have a place for them.
pub fn with_secrets() -> Subject {
    let secret = |name: &str, variable: &str| Secret {
        name: name.parse().unwrap(),
        variable: VariableName::new(variable).unwrap(),
    };
    Subject {
        secrets: vec![
            secret("certificate", "HYALINE_TEST_CERTIFICATE"),
            secret("key", "HYALINE_TEST_KEY"),
        ],
        ..full()
    }
}

/// A text that is syntax in YAML, JSON, TOML, shell, `make`, systemd and build files.
pub fn hostile() -> &'static str {
    "\"quoted\" 'text' \u{1b}[31m\nExecStart=/bin/evil\n---\n- yes: {a: b} # %n %% $HOME ${HOME} $(id) `id` &anchor *alias \
     !tag \t| > \u{2028}\u{feff}ü日本 \\\"\\"
}
