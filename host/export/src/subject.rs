//! What is exported.

use std::net::SocketAddr;

use hyaline_control::{FunctionName, LimitSettings};

use crate::error::ExportError;
use crate::name::{FileName, Image, VariableName};
use crate::target::Target;

/// What is exported: one function, and how it is to run.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The function's name, and the name of everything that is made of it.
    pub name: FunctionName,
    /// The file of the component.
    pub component: FileName,
    /// What people are told about it. Any text.
    pub description: Option<String>,
    /// The container image that will hold `hyaline` and the component; for SpinKube the OCI artefact.
    pub image: Option<Image>,
    /// Where the `hyaline` command listens. In containers only the port counts.
    pub listen: SocketAddr,
    /// Where the function may send HTTP requests, as Spin writes it.
    pub allowed_outbound_hosts: Vec<String>,
    /// What its requests may use. `deadline_ms`, `memory_mib`, `concurrency` and `body_bytes` become flags of the command
    /// and limits of platforms that know the same ones; the others are left to the host.
    pub limits: LimitSettings,
    /// MiB of memory for one process, container or instance.
    pub memory_mib: u32,
    /// Thousandths of a processor for one container.
    pub cpu_millis: u32,
    /// How many containers run.
    pub replicas: Replicas,
    /// What the machines of AWS Lambda are.
    pub architecture: Architecture,
    /// Files that the command finds through environment variables.
    pub secrets: Vec<Secret>,
}

/// How many containers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    /// At least; 0 only where a platform scales to zero (Knative, Cloud Run).
    pub least: u32,
    /// At most.
    pub most: u32,
}

/// What a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// AMD64.
    X86_64,
    /// AArch64, AWS Graviton.
    Arm64,
}

/// A file that the command finds through an environment variable: a key, a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The file's name; under Kubernetes the key in the `Secret` that is named like the function, under systemd the file
    /// in `/etc/hyaline/<function>`.
    pub name: FunctionName,
    /// The variable that says where the file is.
    pub variable: VariableName,
}

impl Subject {
    /// A function on port 3000 of every address, with the host's own limits, 512 MiB, a quarter of a processor, and 1 to
    /// 4 containers.
    pub fn new(name: FunctionName, component: FileName) -> Self {
        Subject {
            name,
            component,
            description: None,
            image: None,
            listen: SocketAddr::from(([0, 0, 0, 0], 3000)),
            allowed_outbound_hosts: Vec::new(),
            limits: LimitSettings::default(),
            memory_mib: 512,
            cpu_millis: 250,
            replicas: Replicas { least: 1, most: 4 },
            architecture: Architecture::X86_64,
            secrets: Vec::new(),
        }
    }

    /// What holds for every target.
    pub(crate) fn check(&self) -> Result<(), ExportError> {
        let range = |what, value, unit, least, most| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(ExportError::OutOfRange {
                    target: "every target",
                    what,
                    value,
                    unit,
                    least,
                    most,
                })
            }
        };
        range("the memory", self.memory_mib.into(), "MiB", 32, 1 << 20)?;
        range(
            "the processor share",
            self.cpu_millis.into(),
            "thousandths",
            1,
            1_000_000,
        )?;
        range(
            "the port",
            self.listen.port().into(),
            "as a number",
            1,
            65535,
        )?;
        range(
            "the largest number of containers",
            self.replicas.most.into(),
            "containers",
            1,
            10_000,
        )?;
        range(
            "the least number of containers",
            self.replicas.least.into(),
            "containers",
            0,
            self.replicas.most.into(),
        )?;
        for (index, secret) in self.secrets.iter().enumerate() {
            let same =
                |other: &Secret| other.name == secret.name || other.variable == secret.variable;
            if self.secrets[..index].iter().any(same) {
                return Err(ExportError::SecretTwice {
                    name: secret.name.to_string(),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn image(&self, target: Target, what: &'static str) -> Result<&Image, ExportError> {
        self.image
            .as_ref()
            .ok_or(ExportError::ImageNeeded { target, what })
    }

    /// Refuses secrets for a target without a place for them.
    pub(crate) fn without_secrets(
        &self,
        target: Target,
        remedy: &'static str,
    ) -> Result<(), ExportError> {
        if self.secrets.is_empty() {
            return Ok(());
        }
        Err(ExportError::Unsupported {
            target,
            what: "put secrets into files",
            remedy,
        })
    }

    /// Refuses a port that a user without privileges cannot open, for targets that run the command as one.
    pub(crate) fn unprivileged_port(&self) -> Result<(), ExportError> {
        let port = self.listen.port();
        if port >= 1024 {
            return Ok(());
        }
        Err(ExportError::OutOfRange {
            target: "a container without root",
            what: "the port",
            value: port.into(),
            unit: "as a number",
            least: 1024,
            most: 65535,
        })
    }

    /// Refuses zero containers for a target that never starts one by itself.
    pub(crate) fn always_running(&self, target: Target) -> Result<(), ExportError> {
        if self.replicas.least > 0 {
            return Ok(());
        }
        Err(ExportError::Unsupported {
            target,
            what: "scale to zero",
            remedy: "ask for at least one container, or export for knative or cloudrun",
        })
    }

    /// Whole seconds that a request may take, if that is set.
    pub(crate) fn deadline_seconds(&self) -> Option<u64> {
        self.limits
            .deadline_ms
            .map(|milliseconds| milliseconds.div_ceil(1000).max(1))
    }
}
