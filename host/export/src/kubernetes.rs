//! Kubernetes: a Deployment, its Service, and a HorizontalPodAutoscaler if the number of containers may vary.

use serde_json::{Value, json};

use crate::container;
use crate::error::ExportError;
use crate::file::File;
use crate::server::{self, HEALTH, USER};
use crate::subject::Subject;
use crate::target::Target;
use crate::yaml;

pub(crate) fn files(subject: &Subject) -> Result<Vec<File>, ExportError> {
    subject.always_running(Target::Kubernetes)?;
    subject.unprivileged_port()?;
    let image = subject.image(
        Target::Kubernetes,
        "the container image that will be built from its Containerfile",
    )?;
    let name = subject.name.as_str();
    let mut documents = vec![deployment(subject, image.as_str()), service(subject)];
    if subject.replicas.least < subject.replicas.most {
        documents.push(autoscaler(subject));
    }
    let secrets = if subject.secrets.is_empty() {
        String::new()
    } else {
        format!("# It needs the Secret `{name}` first, with the files of its volume as keys.\n")
    };
    let head = format!(
        "# The function `{name}` on Kubernetes: kubectl apply -f kubernetes.yaml\n\
         # The image is the one of the Containerfile beside this file.\n{secrets}"
    );
    let mut files = vec![File::new(
        "kubernetes.yaml",
        yaml::documents(&head, &documents),
    )];
    files.extend(container::files(subject));
    Ok(files)
}

fn deployment(subject: &Subject, image: &str) -> Value {
    let (volumes, mounts) = server::volumes(subject);
    let probe = |period: u32, failures: u32| {
        json!({
            "httpGet": {"path": HEALTH, "port": "http"},
            "periodSeconds": period,
            "failureThreshold": failures
        })
    };
    // Requests that run when a container is told to stop get their whole deadline to finish.
    let grace = subject.deadline_seconds().unwrap_or(30).saturating_add(10);
    let mut specification = json!({
        "selector": {"matchLabels": {"app.kubernetes.io/name": subject.name.as_str()}},
        "template": {
            "metadata": {"labels": server::labels(subject)},
            "spec": {
                "automountServiceAccountToken": false,
                // Kubernetes would set HYALINE_PORT and the like for a Service named `hyaline`.
                "enableServiceLinks": false,
                "securityContext": {
                    "fsGroup": USER,
                    "runAsGroup": USER,
                    "runAsNonRoot": true,
                    "runAsUser": USER,
                    "seccompProfile": {"type": "RuntimeDefault"}
                },
                "terminationGracePeriodSeconds": grace,
                "containers": [{
                    "name": subject.name.as_str(),
                    "image": image,
                    "args": server::in_container(subject),
                    "env": server::environment(subject),
                    "ports": [{"name": "http", "containerPort": subject.listen.port()}],
                    "resources": server::resources(subject),
                    "securityContext": server::confinement(),
                    "startupProbe": probe(1, 60),
                    "readinessProbe": probe(5, 2),
                    "livenessProbe": probe(10, 3),
                    "volumeMounts": mounts
                }],
                "volumes": volumes
            }
        }
    });
    // With an autoscaler, a number here would undo its work at every `kubectl apply`.
    if subject.replicas.least == subject.replicas.most {
        specification["replicas"] = subject.replicas.most.into();
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": server::metadata(subject),
        "spec": specification
    })
}

fn service(subject: &Subject) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": server::metadata(subject),
        "spec": {
            "selector": {"app.kubernetes.io/name": subject.name.as_str()},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}]
        }
    })
}

/// Scales a Deployment of the function's name by the processor time its containers use.
pub(crate) fn autoscaler(subject: &Subject) -> Value {
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": server::metadata(subject),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1", "kind": "Deployment", "name": subject.name.as_str()
            },
            "minReplicas": subject.replicas.least,
            "maxReplicas": subject.replicas.most,
            "metrics": [{
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 70}
                }
            }]
        }
    })
}
