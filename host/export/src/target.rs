//! Platforms that files are made for.

use std::fmt;
use std::str::FromStr;

/// A platform that files are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Spin: `spin up`, `spin deploy`. Runs the component itself.
    Spin,
    /// Kubernetes: `kubectl apply`. Runs the `hyaline` command in a container.
    Kubernetes,
    /// SpinKube's operator on Kubernetes: `kubectl apply`. Runs the component itself.
    SpinKube,
    /// Knative Serving: `kubectl apply`. Runs the `hyaline` command in a container.
    Knative,
    /// AWS Lambda: `sam build && sam deploy`. Runs the `hyaline` command as custom runtime.
    Lambda,
    /// Azure Functions: `func azure functionapp publish`. Runs the `hyaline` command as custom handler.
    Azure,
    /// Google Cloud Run: `gcloud run services replace`. Runs the `hyaline` command in a container.
    CloudRun,
    /// systemd: `systemctl enable --now`. Runs the `hyaline` command as a service.
    Systemd,
    /// Docker and Podman: `podman build`. Runs the `hyaline` command in a container.
    Container,
}

/// A text that names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no target; there are: spin, kubernetes, spinkube, knative, lambda, azure, cloudrun, systemd, container"
)]
pub struct TargetError {
    text: String,
}

impl Target {
    /// Every target, in the order in which they are listed.
    pub const ALL: [Target; 9] = [
        Target::Spin,
        Target::Kubernetes,
        Target::SpinKube,
        Target::Knative,
        Target::Lambda,
        Target::Azure,
        Target::CloudRun,
        Target::Systemd,
        Target::Container,
    ];

    /// What the command line calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Target::Spin => "spin",
            Target::Kubernetes => "kubernetes",
            Target::SpinKube => "spinkube",
            Target::Knative => "knative",
            Target::Lambda => "lambda",
            Target::Azure => "azure",
            Target::CloudRun => "cloudrun",
            Target::Systemd => "systemd",
            Target::Container => "container",
        }
    }

    /// Whether the platform's tools read the component beside the files. SpinKube's fetch it from a registry.
    pub fn takes_component(self) -> bool {
        self != Target::SpinKube
    }

    /// What to do with the files, in one line, for people.
    pub fn next_step(self) -> &'static str {
        match self {
            Target::Spin => "put the component beside `spin.toml` and run `spin up`",
            Target::Kubernetes => {
                "put the component and `hyaline` beside the files, `podman build` and push the image, then `kubectl \
                 apply -f kubernetes.yaml`"
            }
            Target::SpinKube => {
                "push the function with `hyaline push --layout spin`, then `kubectl apply -f spinapp.yaml`"
            }
            Target::Knative => {
                "put the component and `hyaline` beside the files, `podman build` and push the image, then `kubectl \
                 apply -f service.yaml`"
            }
            Target::Lambda => {
                "put the component and `hyaline` beside the files, then run `sam build` and `sam deploy --guided`"
            }
            Target::Azure => {
                "put the component and `hyaline` beside the files, then run `func azure functionapp publish <app>`"
            }
            Target::CloudRun => {
                "put the component and `hyaline` beside the files, `podman build` and push the image, then `gcloud \
                 run services replace service.yaml`"
            }
            Target::Systemd => "follow the lines at the head of the `.service` file",
            Target::Container => {
                "put the component and `hyaline` beside the `Containerfile` and run `podman build -t <name> .`"
            }
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;
    fn from_str(text: &str) -> Result<Self, TargetError> {
        Target::ALL
            .into_iter()
            .find(|target| target.as_str() == text)
            .ok_or_else(|| TargetError {
                text: text.chars().take(100).collect(),
            })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_survive_their_text() {
        for target in Target::ALL {
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        let error = "heroku".parse::<Target>().unwrap_err().to_string();
        for target in Target::ALL {
            assert!(error.contains(target.as_str()), "{error}");
        }
    }
}
