//! Ready files for other platforms that run a function: [`export`] makes them, whoever calls it writes them.
//!
//! Every set of files is complete: with the component, and where the platform runs our command also the `hyaline`
//! command beside them, the platform's own tools need nothing else. Nothing here reads or writes a file or asks the
//! network, and the same [`Subject`] gives the same bytes.
//!
//! Texts are hostile: a description may hold quotes, line breaks or whatever a format uses as syntax. Formats with a
//! serialiser (YAML, JSON, TOML) are written by it; the others get texts cleaned for them. Names, images and file names
//! are types that cannot hold anything a shell, `make` or systemd would read as syntax.

#![forbid(unsafe_code)]

mod azure;
mod cloud_run;
mod container;
mod error;
mod file;
mod knative;
mod kubernetes;
mod lambda;
mod name;
mod server;
mod spin;
mod spinkube;
mod subject;
mod systemd;
mod target;
mod text;
mod yaml;

pub use error::ExportError;
pub use file::File;
pub use name::{FileName, Image, NameError, VariableName};
pub use subject::{Architecture, Replicas, Secret, Subject};
pub use target::{Target, TargetError};

/// Makes the files that let `target` run the function. Paths are relative and without `..`; whoever writes them puts
/// the component (and the `hyaline` command, where a file says so) into the same folder.
///
/// # Errors
/// [`ExportError`]: the subject asks for something that the target cannot give, or lacks something it needs.
pub fn export(target: Target, subject: &Subject) -> Result<Vec<File>, ExportError> {
    subject.check()?;
    match target {
        Target::Spin => spin::files(subject),
        Target::Kubernetes => kubernetes::files(subject),
        Target::SpinKube => spinkube::files(subject),
        Target::Knative => knative::files(subject),
        Target::Lambda => lambda::files(subject),
        Target::Azure => azure::files(subject),
        Target::CloudRun => cloud_run::files(subject),
        Target::Systemd => systemd::files(subject),
        Target::Container => {
            subject.without_secrets(target, "mount them with `podman run --secret`")?;
            subject.unprivileged_port()?;
            Ok(container::files(subject))
        }
    }
}
