//! What a target cannot do is refused, in words.

use hyaline_export::{Replicas, Subject, Target, export};

use crate::subjects;

fn refusal(target: Target, subject: &Subject) -> String {
    export(target, subject).unwrap_err().to_string()
}

#[test]
fn targets_that_run_an_image_need_one() {
    let subject = Subject {
        image: None,
        ..subjects::plain()
    };
    for target in Target::ALL {
        let needs = matches!(
            target,
            Target::Kubernetes | Target::SpinKube | Target::Knative | Target::CloudRun
        );
        assert_eq!(export(target, &subject).is_err(), needs, "{target}");
    }
    assert_eq!(
        refusal(Target::SpinKube, &subject),
        "the target spinkube needs the OCI artefact that `hyaline push --layout spin` makes; name it with `--image`"
    );
}

#[test]
fn numbers_outside_a_targets_range_are_named() {
    let subject = Subject {
        memory_mib: 64,
        ..subjects::plain()
    };
    assert_eq!(
        refusal(Target::Lambda, &subject),
        "the memory is 64 MiB; AWS Lambda takes 128 to 10240"
    );
    let mut slow = subjects::plain();
    slow.limits.deadline_ms = Some(901_000);
    assert_eq!(
        refusal(Target::Lambda, &slow),
        "the deadline is 901 seconds; AWS Lambda takes 1 to 900"
    );
    slow.limits.deadline_ms = Some(u64::MAX);
    assert!(refusal(Target::CloudRun, &slow).contains("Cloud Run takes 1 to 3600"));
    for target in [Target::Kubernetes, Target::Systemd, Target::Azure] {
        assert!(export(target, &slow).is_ok(), "{target}");
    }
    let none = Subject {
        replicas: Replicas { least: 2, most: 1 },
        ..subjects::plain()
    };
    assert_eq!(
        refusal(Target::Spin, &none),
        "the least number of containers is 2 containers; every target takes 0 to 1"
    );
    let crowd = Subject {
        cpu_millis: 8001,
        ..subjects::plain()
    };
    assert_eq!(
        refusal(Target::CloudRun, &crowd),
        "the processor share is 8001 thousandths; Cloud Run takes 1 to 8000"
    );
    let mut unheard = subjects::plain();
    unheard.listen.set_port(0);
    assert_eq!(
        refusal(Target::Systemd, &unheard),
        "the port is 0 as a number; every target takes 1 to 65535"
    );
}

#[test]
fn a_container_without_root_has_no_low_port() {
    let mut subject = subjects::plain();
    subject.listen.set_port(443);
    for target in [
        Target::Kubernetes,
        Target::Knative,
        Target::CloudRun,
        Target::Container,
    ] {
        assert_eq!(
            refusal(target, &subject),
            "the port is 443 as a number; a container without root takes 1024 to 65535"
        );
    }
    assert!(export(Target::Systemd, &subject).is_ok());
}

#[test]
fn only_some_targets_scale_to_zero() {
    let subject = Subject {
        replicas: Replicas { least: 0, most: 3 },
        ..subjects::plain()
    };
    for target in [Target::Knative, Target::CloudRun] {
        assert!(export(target, &subject).is_ok(), "{target}");
    }
    assert_eq!(
        refusal(Target::Kubernetes, &subject),
        "the target kubernetes cannot scale to zero; ask for at least one container, or export for knative or cloudrun"
    );
}

#[test]
fn secrets_have_a_place_or_are_refused() {
    let subject = Subject {
        allowed_outbound_hosts: Vec::new(),
        ..subjects::with_secrets()
    };
    for target in Target::ALL {
        let has = matches!(
            target,
            Target::Kubernetes | Target::Knative | Target::Systemd
        );
        assert_eq!(export(target, &subject).is_ok(), has, "{target}");
    }
    let mut twice = subject.clone();
    twice.secrets.push(twice.secrets[0].clone());
    assert_eq!(
        refusal(Target::Systemd, &twice),
        "the secret `certificate` is given twice, or its variable is another's; give each secret a name and a variable \
         of its own"
    );
}

#[test]
fn lambda_lets_no_function_call_out() {
    assert_eq!(
        refusal(Target::Lambda, &subjects::full()),
        "the target lambda cannot let the function send requests; remove `allowed_outbound_hosts`, or export for a \
         target that runs a server"
    );
}

#[test]
fn cloud_run_has_shorter_names() {
    let subject = Subject {
        name: "a".repeat(50).parse().unwrap(),
        ..subjects::plain()
    };
    assert!(refusal(Target::CloudRun, &subject).starts_with("the name `aaaa"));
    let fits = Subject {
        name: "a".repeat(49).parse().unwrap(),
        ..subjects::plain()
    };
    assert!(export(Target::CloudRun, &fits).is_ok());
}
