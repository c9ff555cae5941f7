//! Knative Serving: a Service (`serving.knative.dev/v1`).

use serde_json::{Value, json};

use crate::container;
use crate::error::ExportError;
use crate::file::File;
use crate::server::{self, HEALTH};
use crate::subject::Subject;
use crate::target::Target;
use crate::yaml;

pub(crate) fn files(subject: &Subject) -> Result<Vec<File>, ExportError> {
    let image = subject.image(
        Target::Knative,
        "the container image that will be built from its Containerfile",
    )?;
    subject.unprivileged_port()?;
    let name = subject.name.as_str();
    let (volumes, mounts) = server::volumes(subject);
    let probe = json!({"httpGet": {"path": HEALTH, "port": subject.listen.port()}});
    let mut specification = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "containers": [{
            "name": name,
            "image": image.as_str(),
            "args": server::in_container(subject),
            "env": server::environment(subject),
            "ports": [{"name": "http1", "containerPort": subject.listen.port()}],
            "resources": server::resources(subject),
            "securityContext": server::confinement(),
            "readinessProbe": probe,
            "livenessProbe": probe,
            "volumeMounts": mounts
        }],
        "volumes": volumes
    });
    limits(subject, &mut specification);
    let document = json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": server::metadata(subject),
        "spec": {
            "template": {
                "metadata": {
                    "labels": server::labels(subject),
                    "annotations": {
                        "autoscaling.knative.dev/min-scale": subject.replicas.least.to_string(),
                        "autoscaling.knative.dev/max-scale": subject.replicas.most.to_string()
                    }
                },
                "spec": specification
            }
        }
    });
    let head = format!(
        "# The function `{name}` on Knative Serving: kubectl apply -f service.yaml\n\
         # The image is the one of the Containerfile beside this file.\n"
    );
    let mut files = vec![File::new(
        "service.yaml",
        yaml::documents(&head, &[document]),
    )];
    files.extend(container::files(subject));
    Ok(files)
}

/// What Knative and Cloud Run both call concurrency and time.
pub(crate) fn limits(subject: &Subject, specification: &mut Value) {
    if let Some(concurrency) = subject.limits.concurrency {
        specification["containerConcurrency"] = concurrency.into();
    }
    if let Some(seconds) = subject.deadline_seconds() {
        specification["timeoutSeconds"] = seconds.into();
    }
}
