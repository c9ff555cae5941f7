//! How the `hyaline` command is started to serve one function.

use serde_json::{Value, json};

use crate::file::File;
use crate::spin;
use crate::subject::Subject;

/// The path that answers 200 while the command serves.
pub(crate) const HEALTH: &str = "/healthz";
/// Where the command keeps its state inside a container.
pub(crate) const STATE: &str = "/var/lib/hyaline";
/// Where the component lies inside a container.
pub(crate) const FUNCTIONS: &str = "/functions";
/// Where secrets lie inside a container.
pub(crate) const SECRETS: &str = "/run/secrets/hyaline";
/// The user that the command is inside a container; not root, and no user of the base image.
pub(crate) const USER: u32 = 65532;

/// Arguments of the command: `serve` for a function that keeps to itself, `up` with a manifest for one that may call
/// others, because only a manifest can allow that.
pub(crate) fn arguments(subject: &Subject, folder: &str, listen: Option<String>) -> Vec<String> {
    let mut arguments = if subject.allowed_outbound_hosts.is_empty() {
        vec!["serve".into(), format!("{folder}{}", subject.component)]
    } else {
        vec![
            "up".into(),
            "--from".into(),
            format!("{folder}{}", spin::MANIFEST),
        ]
    };
    let mut flag = |name: &str, value: Option<u64>| {
        if let Some(value) = value {
            arguments.push(name.into());
            arguments.push(value.to_string());
        }
    };
    let limits = &subject.limits;
    flag("--deadline", subject.deadline_seconds());
    flag("--memory", limits.memory_mib);
    flag("--concurrency", limits.concurrency.map(u64::from));
    flag(
        "--body",
        limits
            .body_bytes
            .map(|bytes| bytes.div_ceil(1 << 20).max(1)),
    );
    if let Some(listen) = listen {
        arguments.push("--listen".into());
        arguments.push(listen);
    }
    arguments
}

/// The manifest, if the arguments name it.
pub(crate) fn manifest(subject: &Subject) -> Option<File> {
    (!subject.allowed_outbound_hosts.is_empty()).then(|| spin::manifest(subject))
}

/// Arguments inside a container, where the command listens on every address.
pub(crate) fn in_container(subject: &Subject) -> Vec<String> {
    let listen = format!("0.0.0.0:{}", subject.listen.port());
    arguments(subject, &format!("{FUNCTIONS}/"), Some(listen))
}

/// Environment variables of the command inside a container, in the form of Kubernetes.
pub(crate) fn environment(subject: &Subject) -> Vec<Value> {
    let mut variables = vec![
        json!({"name": "HYALINE_STATE", "value": STATE}),
        json!({"name": "XDG_CACHE_HOME", "value": format!("{STATE}/cache")}),
    ];
    for secret in &subject.secrets {
        variables.push(json!({
            "name": secret.variable.as_str(),
            "value": format!("{SECRETS}/{}", secret.name)
        }));
    }
    variables
}

/// Labels and annotations of a Kubernetes object.
pub(crate) fn metadata(subject: &Subject) -> Value {
    let mut metadata = json!({
        "name": subject.name.as_str(),
        "labels": labels(subject)
    });
    if let Some(description) = &subject.description {
        metadata["annotations"] =
            json!({"kubernetes.io/description": crate::text::shortened(description, 4096)});
    }
    metadata
}

/// Labels by which a function's objects find each other.
pub(crate) fn labels(subject: &Subject) -> Value {
    json!({
        "app.kubernetes.io/name": subject.name.as_str(),
        "app.kubernetes.io/part-of": "hyaline"
    })
}

/// What a container of Kubernetes may do: nothing but compute.
pub(crate) fn confinement() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsGroup": USER,
        "runAsNonRoot": true,
        "runAsUser": USER,
        "seccompProfile": {"type": "RuntimeDefault"}
    })
}

/// What a container of Kubernetes gets. No limit of processor time, which would only slow requests down.
pub(crate) fn resources(subject: &Subject) -> Value {
    let memory = format!("{}Mi", subject.memory_mib);
    json!({
        "requests": {"cpu": format!("{}m", subject.cpu_millis), "memory": memory},
        "limits": {"memory": memory}
    })
}

/// Volumes and where they are mounted: the state, and the secrets if there are any.
pub(crate) fn volumes(subject: &Subject) -> (Vec<Value>, Vec<Value>) {
    let mut volumes = vec![json!({"name": "state", "emptyDir": {"sizeLimit": "1Gi"}})];
    let mut mounts = vec![json!({"name": "state", "mountPath": STATE})];
    if !subject.secrets.is_empty() {
        let items: Vec<Value> = subject
            .secrets
            .iter()
            .map(|secret| json!({"key": secret.name.as_str(), "path": secret.name.as_str()}))
            .collect();
        volumes.push(json!({
            "name": "secrets",
            "secret": {"secretName": subject.name.as_str(), "items": items}
        }));
        mounts.push(json!({"name": "secrets", "mountPath": SECRETS, "readOnly": true}));
    }
    (volumes, mounts)
}
