//! Who asks a registry: nobody, a user with a password, or whoever is logged in with Docker or Podman.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;

use crate::reference::Reference;

/// Who asks a registry.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Whoever is logged in with `docker login` or `podman login` for that registry; nobody if nobody is. Looked for
    /// in `$REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json`, `~/.docker/config.json`,
    /// `$XDG_RUNTIME_DIR/containers/auth.json` and `~/.config/containers/auth.json`; the first file that knows the
    /// registry decides. A helper program that such a file names is run.
    #[default]
    LoggedIn,
    /// Whoever that file, in Docker's format, knows for the registry; nobody if it knows nobody.
    File(PathBuf),
    /// Nobody.
    Anonymous,
    /// A user with a password. Not shown by `Debug`.
    Basic {
        /// The user's name.
        user: String,
        /// The password, or an access token in its place.
        password: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::LoggedIn => f.write_str("LoggedIn"),
            Credentials::File(path) => f.debug_tuple("File").field(path).finish(),
            Credentials::Anonymous => f.write_str("Anonymous"),
            Credentials::Basic { user, .. } => f
                .debug_struct("Basic")
                .field("user", user)
                .finish_non_exhaustive(),
        }
    }
}

/// Why the credentials cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file cannot be read.
    #[error("cannot read the credentials in `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not in Docker's format.
    #[error("`{}` is not a credential file of Docker or Podman", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The credential in the file, or its helper program, is of no use.
    #[error("the credential for `{server}` in `{}` is of no use: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The registry, as the file names it.
        server: String,
        /// Why. Never the credential itself.
        reason: &'static str,
    },
    /// The credential is an identity token.
    #[error(
        "the credential for `{server}` in `{}` is an identity token, which is not taken here; log in with a user and \
         an access token", path.display()
    )]
    IdentityToken {
        /// The file.
        path: PathBuf,
        /// The registry, as the file names it.
        server: String,
    },
}

/// As much of a credential file as says whether it knows a registry.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: std::collections::BTreeMap<String, serde_json::Value>,
    cred_helpers: std::collections::BTreeMap<String, String>,
    creds_store: Option<String>,
}

impl Credentials {
    /// Reads files and may run a helper program, so it blocks.
    pub(crate) fn resolve(&self, reference: &Reference) -> Result<RegistryAuth, CredentialError> {
        self.resolve_with(reference, |name| std::env::var_os(name))
    }

    fn resolve_with(
        &self,
        reference: &Reference,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<RegistryAuth, CredentialError> {
        match self {
            Credentials::Anonymous => Ok(RegistryAuth::Anonymous),
            Credentials::Basic { user, password } => {
                Ok(RegistryAuth::Basic(user.clone(), password.clone()))
            }
            Credentials::File(path) => {
                Ok(in_file(path, reference)?.unwrap_or(RegistryAuth::Anonymous))
            }
            Credentials::LoggedIn => {
                for path in files(variable) {
                    if path.is_file()
                        && let Some(found) = in_file(&path, reference)?
                    {
                        return Ok(found);
                    }
                }
                Ok(RegistryAuth::Anonymous)
            }
        }
    }
}

/// Where `docker login` and `podman login` keep credentials, the first to be asked first.
fn files(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let variable = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let home = variable("HOME");
    let docker = variable("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
    let configuration =
        variable("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    [
        variable("REGISTRY_AUTH_FILE"),
        docker.map(|folder| folder.join("config.json")),
        variable("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
        configuration.map(|folder| folder.join("containers/auth.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Under which names a file may know the registry, the most particular first: Podman's may name a repository.
fn servers(reference: &Reference) -> Vec<String> {
    let registry = reference.registry();
    let mut names = Vec::new();
    let mut repository = Some(reference.repository());
    while let Some(part) = repository {
        names.push(format!("{registry}/{part}"));
        repository = part.rsplit_once('/').map(|(front, _)| front);
    }
    names.push(registry.into());
    names.push(format!("https://{registry}"));
    names.push(format!("https://{registry}/v1/"));
    names.push(format!("https://{registry}/v2/"));
    if registry == "docker.io" {
        names.push("https://index.docker.io/v1/".into());
        names.push("index.docker.io".into());
    }
    names
}

fn in_file(path: &Path, reference: &Reference) -> Result<Option<RegistryAuth>, CredentialError> {
    let text = fs::read_to_string(path).map_err(|source| CredentialError::Read {
        path: path.into(),
        source,
    })?;
    let file: File = serde_json::from_str(&text).map_err(|source| CredentialError::Format {
        path: path.into(),
        source,
    })?;
    let names = servers(reference);
    let known = names
        .iter()
        .find(|name| file.cred_helpers.contains_key(*name) || file.auths.contains_key(*name));
    let store = || {
        file.creds_store
            .as_ref()
            .map(|_| reference.registry().to_owned())
    };
    let Some(server) = known.cloned().or_else(store) else {
        return Ok(None);
    };
    let unusable = |reason| {
        Err(CredentialError::Unusable {
            path: path.into(),
            server: server.clone(),
            reason,
        })
    };
    match docker_credential::get_credential_from_reader(text.as_bytes(), &server) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(Some(RegistryAuth::Basic(user, password)))
        }
        Ok(DockerCredential::IdentityToken(_)) => Err(CredentialError::IdentityToken {
            path: path.into(),
            server,
        }),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        // What every helper says of a registry it does not know (docker-credential-helpers, credentials/error.go).
        Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. })
            if [&stdout, &stderr]
                .iter()
                .any(|text| text.contains("credentials not found")) =>
        {
            Ok(None)
        }
        Err(CredentialRetrievalError::HelperCommunicationError) => {
            unusable("its helper program cannot be run")
        }
        Err(CredentialRetrievalError::HelperFailure { .. }) => {
            unusable("its helper program has failed")
        }
        Err(CredentialRetrievalError::MalformedHelperResponse) => {
            unusable("its helper program does not answer with JSON")
        }
        Err(CredentialRetrievalError::CredentialMismatchError) => {
            unusable("`auth` differs from `username` and `password`")
        }
        Err(_) => unusable("it is not the base64 of a user, a colon and a password"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> Reference {
        Reference::new(text).unwrap()
    }

    fn basic(user: &str, password: &str) -> RegistryAuth {
        RegistryAuth::Basic(user.into(), password.into())
    }

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn found(text: &str, at: &str) -> Result<RegistryAuth, CredentialError> {
        let (_folder, path) = written(text);
        Credentials::File(path).resolve(&reference(at))
    }

    // `dXNlcjpwYXNzOndvcmQ=` is `user:pass:word`.
    const DOCKER: &str = r#"{"auths":{
        "registry.example:5000":{"auth":"dXNlcjpwYXNzOndvcmQ="},
        "https://index.docker.io/v1/":{"auth":"aHViOmh1Yg=="},
        "shared.example/team/credit":{"auth":"dGVhbTp0ZWFt"},
        "shared.example":{"auth":"YWxsOmFsbA=="},
        "token.example":{"identitytoken":"abc"},
        "broken.example":{"auth":"***"}
    }}"#;

    #[test]
    fn a_docker_file_knows_its_registries() {
        let cases = [
            ("registry.example:5000/credit", basic("user", "pass:word")),
            ("docker.io/team/credit", basic("hub", "hub")),
            ("shared.example/team/credit:1", basic("team", "team")),
            ("shared.example/team/creditors", basic("all", "all")),
            ("registry.example/credit", RegistryAuth::Anonymous),
        ];
        for (at, expected) in cases {
            assert_eq!(found(DOCKER, at).unwrap(), expected, "{at}");
        }
    }

    #[test]
    fn useless_credentials_are_errors_that_do_not_show_them() {
        let error = found(DOCKER, "broken.example/credit").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("is of no use: it is not the base64 of a user, a colon and a password"),
            "{error}"
        );
        let error = found(DOCKER, "token.example/credit").unwrap_err();
        assert!(matches!(error, CredentialError::IdentityToken { .. }));
        assert!(!error.to_string().contains("abc"));
        let error = found("{", "broken.example/credit").unwrap_err();
        assert!(matches!(error, CredentialError::Format { .. }));
        let missing = Credentials::File("/nowhere/config.json".into());
        let error = missing.resolve(&reference("a.example/b")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the credentials in `/nowhere/config.json`"
        );
        let helper = r#"{"credHelpers":{"a.example":"hyaline-that-is-not-there"}}"#;
        let error = found(helper, "a.example/b").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("is of no use: its helper program cannot be run"),
            "{error}"
        );
    }

    #[test]
    fn the_first_file_that_knows_the_registry_decides() {
        let (docker_folder, _) = written(r#"{"auths":{"a.example":{"auth":"YTpkb2NrZXI="}}}"#);
        let home = tempfile::tempdir().unwrap();
        let podman = home.path().join(".config/containers");
        fs::create_dir_all(&podman).unwrap();
        fs::write(
            podman.join("auth.json"),
            r#"{"auths":{"a.example":{"auth":"YTpwb2RtYW4="},"b.example":{"auth":"YjpwYg=="}}}"#,
        )
        .unwrap();
        let variable = |name: &str| match name {
            "HOME" => Some(home.path().into()),
            "DOCKER_CONFIG" => Some(docker_folder.path().into()),
            "REGISTRY_AUTH_FILE" => Some(OsString::new()),
            _ => None,
        };
        let ask = |at: &str| {
            Credentials::LoggedIn
                .resolve_with(&reference(at), variable)
                .unwrap()
        };
        assert_eq!(ask("a.example/credit"), basic("a", "docker"));
        assert_eq!(ask("b.example/credit"), basic("b", "pb"));
        assert_eq!(ask("c.example/credit"), RegistryAuth::Anonymous);
    }

    #[test]
    fn a_password_is_not_shown() {
        let credentials = Credentials::Basic {
            user: "ada".into(),
            password: "secret".into(),
        };
        assert_eq!(format!("{credentials:?}"), "Basic { user: \"ada\", .. }");
    }
}
