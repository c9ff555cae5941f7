//! SpinKube: a SpinApp (`core.spinkube.dev/v1alpha1`), and a HorizontalPodAutoscaler if the number of containers may
//! vary.

use serde_json::json;

use crate::error::ExportError;
use crate::file::File;
use crate::kubernetes;
use crate::server;
use crate::subject::Subject;
use crate::target::Target;
use crate::yaml;

/// The path that Spin itself answers for every application.
const SPIN_HEALTH: &str = "/.well-known/spin/health";

pub(crate) fn files(subject: &Subject) -> Result<Vec<File>, ExportError> {
    let target = Target::SpinKube;
    subject.always_running(target)?;
    subject.without_secrets(target, "give the function what it needs as a Spin variable")?;
    let image = subject.image(
        target,
        "the OCI artefact that `hyaline push --layout spin` makes",
    )?;
    let name = subject.name.as_str();
    let varies = subject.replicas.least < subject.replicas.most;
    let check = json!({"httpGet": {"path": SPIN_HEALTH}});
    let mut specification = json!({
        "image": image.as_str(),
        "executor": "containerd-shim-spin",
        "checks": {"liveness": check, "readiness": check},
        "resources": server::resources(subject)
    });
    // The operator refuses a number of replicas beside an autoscaler.
    if varies {
        specification["enableAutoscaling"] = true.into();
    } else {
        specification["replicas"] = subject.replicas.most.into();
    }
    let mut documents = vec![json!({
        "apiVersion": "core.spinkube.dev/v1alpha1",
        "kind": "SpinApp",
        "metadata": server::metadata(subject),
        "spec": specification
    })];
    if varies {
        documents.push(kubernetes::autoscaler(subject));
    }
    let head = format!(
        "# The function `{name}` under SpinKube's operator: kubectl apply -f spinapp.yaml\n\
         # The image is the one that `hyaline push --layout spin` makes.\n"
    );
    Ok(vec![File::new(
        "spinapp.yaml",
        yaml::documents(&head, &documents),
    )])
}
