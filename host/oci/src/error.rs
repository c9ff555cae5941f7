//! Why a function was not pushed or pulled.

use std::time::Duration;

use hyaline_control::Digest;
use oci_client::errors::{OciDistributionError, OciErrorCode};

use crate::credentials::CredentialError;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Putting a function into a registry.
    Push,
    /// Taking a function out of one.
    Pull,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Action::Push => "push",
            Action::Pull => "pull",
        }
    }
}

/// Why a function was not pushed or pulled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// The credentials cannot be had.
    #[error("cannot find out who asks `{registry}`")]
    Credentials {
        /// The registry.
        registry: String,
        /// Why.
        source: CredentialError,
    },
    /// A certificate to trust is not one, or TLS cannot be set up.
    #[error("cannot set up the connection to `{registry}`")]
    Setup {
        /// The registry.
        registry: String,
        /// Why.
        source: Box<OciDistributionError>,
    },
    /// The registry does not answer.
    #[error("the registry `{registry}` cannot be reached over {protocol}")]
    Unreachable {
        /// The registry.
        registry: String,
        /// `https` or `http`.
        protocol: &'static str,
        /// Why.
        source: Box<OciDistributionError>,
    },
    /// The registry does not come to the end of a manifest.
    #[error(
        "the registry `{registry}` did not send the manifest of `{reference}` within {patience:?}"
    )]
    Slow {
        /// The registry.
        registry: String,
        /// The artefact.
        reference: String,
        /// How long it had.
        patience: Duration,
    },
    /// The registry wants somebody else.
    #[error(
        "`{registry}` does not let {who} {} `{reference}`; log in with `docker login {registry}` or `podman login \
         {registry}`, or give a user and a password", action.word()
    )]
    Denied {
        /// The registry.
        registry: String,
        /// The artefact.
        reference: String,
        /// Who asked.
        who: String,
        /// What was asked.
        action: Action,
        /// What the registry said.
        source: Box<OciDistributionError>,
    },
    /// The registry has no such artefact.
    #[error(
        "there is no `{reference}` in the registry; look for a mistyped name or tag, or push it first"
    )]
    Unknown {
        /// The artefact.
        reference: String,
        /// What the registry said.
        source: Box<OciDistributionError>,
    },
    /// The registry answers something else that does not help.
    #[error("cannot {} `{reference}`", action.word())]
    Registry {
        /// The artefact.
        reference: String,
        /// What was asked.
        action: Action,
        /// What the registry said.
        source: Box<OciDistributionError>,
    },
    /// The reference of a push has a digest.
    #[error("cannot push to `{reference}`: a digest follows from what is pushed; push to a tag")]
    PushToDigest {
        /// The reference.
        reference: String,
    },
    /// What is to be pushed, or was pulled, is not a component.
    #[error("{subject} is {found}; a function is a WebAssembly component")]
    NotAComponent {
        /// What it is called.
        subject: String,
        /// What it is instead.
        found: String,
    },
    /// What was pulled is not what the manifest or the reference says.
    #[error(
        "{part} of `{reference}` is damaged or was exchanged: its SHA-256 is not {expected}; nothing of it was kept"
    )]
    Corrupt {
        /// Which part.
        part: &'static str,
        /// The artefact.
        reference: String,
        /// The digest it should have.
        expected: String,
        /// What the client found.
        source: Option<Box<OciDistributionError>>,
    },
    /// A part is longer than is allowed, or than its descriptor says.
    #[error("{part} of `{reference}` has {}{size} bytes; the limit is {limit}", if *.at_least { "more than " } else { "" })]
    TooLong {
        /// Which part.
        part: &'static str,
        /// The artefact.
        reference: String,
        /// Its bytes.
        size: u64,
        /// Whether it may have more.
        at_least: bool,
        /// How many are allowed.
        limit: u64,
    },
    /// The artefact is something else than a function.
    #[error("`{reference}` is not a function: {found}")]
    NotAFunction {
        /// The artefact.
        reference: String,
        /// What it is, and what was expected.
        found: String,
    },
    /// A document of the artefact cannot be read.
    #[error("{part} of `{reference}` cannot be read")]
    Document {
        /// Which document.
        part: &'static str,
        /// The artefact.
        reference: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The configuration is about other layers than the manifest.
    #[error("the configuration of `{reference}` speaks of {configured}, its manifest of {layer}")]
    Inconsistent {
        /// The artefact.
        reference: String,
        /// The digest in the configuration.
        configured: String,
        /// The digest in the manifest.
        layer: Digest,
    },
}

/// What an error of the client means.
pub(crate) struct Context<'a> {
    pub(crate) reference: &'a crate::Reference,
    pub(crate) who: &'a str,
    pub(crate) protocol: &'static str,
    pub(crate) action: Action,
}

impl Context<'_> {
    pub(crate) fn error(&self, source: OciDistributionError) -> OciError {
        use OciDistributionError as E;
        let reference = self.reference.to_string();
        let registry = self.reference.registry().to_owned();
        let denied =
            |code: &OciErrorCode| matches!(code, OciErrorCode::Unauthorized | OciErrorCode::Denied);
        let unknown = |code: &OciErrorCode| {
            matches!(
                code,
                OciErrorCode::ManifestUnknown
                    | OciErrorCode::NameUnknown
                    | OciErrorCode::NotFound
                    | OciErrorCode::BlobUnknown
            )
        };
        let is_denied = match &source {
            E::AuthenticationFailure(_) | E::UnauthorizedError { .. } => true,
            E::ServerError { code, .. } => matches!(code, 401 | 403),
            E::RegistryError { envelope, .. } => {
                envelope.errors.iter().any(|error| denied(&error.code))
            }
            _ => false,
        };
        let is_unknown = match &source {
            E::ServerError { code, .. } => *code == 404,
            E::RegistryError { envelope, .. } => {
                envelope.errors.iter().any(|error| unknown(&error.code))
            }
            E::ImageManifestNotFoundError(_) => true,
            _ => false,
        };
        let unreachable = matches!(source, E::RequestError(_));
        let source = Box::new(source);
        if is_denied {
            OciError::Denied {
                registry,
                reference,
                who: self.who.into(),
                action: self.action,
                source,
            }
        } else if is_unknown {
            OciError::Unknown { reference, source }
        } else if unreachable {
            OciError::Unreachable {
                registry,
                protocol: self.protocol,
                source,
            }
        } else {
            OciError::Registry {
                reference,
                action: self.action,
                source,
            }
        }
    }
}
