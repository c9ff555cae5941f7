//! Google Cloud Run: a Service in Knative's form (`gcloud run services replace`).

use serde_json::json;

use crate::container;
use crate::error::ExportError;
use crate::file::File;
use crate::knative;
use crate::server::{self, HEALTH};
use crate::subject::Subject;
use crate::target::Target;
use crate::text::shortened;
use crate::yaml;

/// Letters of the longest name of a service.
const LONGEST_NAME: usize = 49;

pub(crate) fn files(subject: &Subject) -> Result<Vec<File>, ExportError> {
    let target = Target::CloudRun;
    let image = subject.image(
        target,
        "the container image that will be built from its Containerfile",
    )?;
    subject.without_secrets(
        target,
        "mount secrets of Secret Manager with `gcloud run services update --update-secrets`",
    )?;
    subject.unprivileged_port()?;
    let name = subject.name.as_str();
    if name.len() > LONGEST_NAME {
        return Err(ExportError::NameTooLong {
            target,
            name: name.into(),
            most: LONGEST_NAME,
        });
    }
    let range = |what, value, unit, least, most| {
        if (least..=most).contains(&value) {
            Ok(())
        } else {
            Err(ExportError::OutOfRange {
                target: "Cloud Run",
                what,
                value,
                unit,
                least,
                most,
            })
        }
    };
    range(
        "the memory",
        subject.memory_mib.into(),
        "MiB",
        128,
        32 << 10,
    )?;
    if let Some(seconds) = subject.deadline_seconds() {
        range("the deadline", seconds, "seconds", 1, 3600)?;
    }
    if let Some(concurrency) = subject.limits.concurrency {
        range("the concurrency", concurrency.into(), "requests", 1, 1000)?;
    }
    // Less than a whole processor is only sold with one request at a time.
    let processors = subject.cpu_millis.div_ceil(1000);
    let processors = [1, 2, 4, 6, 8]
        .into_iter()
        .find(|step| *step >= processors)
        .ok_or(ExportError::OutOfRange {
            target: "Cloud Run",
            what: "the processor share",
            value: subject.cpu_millis.into(),
            unit: "thousandths",
            least: 1,
            most: 8000,
        })?;
    let probe = json!({"httpGet": {"path": HEALTH, "port": subject.listen.port()}});
    let mut startup = probe.clone();
    startup["periodSeconds"] = 1.into();
    startup["failureThreshold"] = 60.into();
    let mut specification = json!({
        "containers": [{
            "name": name,
            "image": image.as_str(),
            "args": server::in_container(subject),
            "env": server::environment(subject),
            "ports": [{"name": "http1", "containerPort": subject.listen.port()}],
            "resources": {"limits": {
                "cpu": processors.to_string(),
                "memory": format!("{}Mi", subject.memory_mib)
            }},
            "startupProbe": startup,
            "livenessProbe": probe
        }]
    });
    knative::limits(subject, &mut specification);
    let mut annotations = json!({"run.googleapis.com/ingress": "all"});
    if let Some(description) = &subject.description {
        annotations["run.googleapis.com/description"] = shortened(description, 500).into();
    }
    let document = json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "template": {
                "metadata": {"annotations": {
                    "autoscaling.knative.dev/minScale": subject.replicas.least.to_string(),
                    "autoscaling.knative.dev/maxScale": subject.replicas.most.to_string(),
                    "run.googleapis.com/startup-cpu-boost": "true"
                }},
                "spec": specification
            }
        }
    });
    let head = format!(
        "# The function `{name}` on Cloud Run: gcloud run services replace service.yaml\n\
         # The image is the one of the Containerfile beside this file. Only callers with the role of an invoker get in;\n\
         # who may call, Cloud Run decides.\n"
    );
    let mut files = vec![File::new(
        "service.yaml",
        yaml::documents(&head, &[document]),
    )];
    files.extend(container::files(subject));
    Ok(files)
}
