//! Making the functions of an application part of a host.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyaline_control::{EventKind, FunctionName};
use hyaline_registry::Promote;
use jiff::Timestamp;

use super::{NewVersion, Platform, PlatformError};
use crate::application::{Application, Component};

/// Makes the functions of an application part of a running host. Cheap to clone.
#[derive(Clone)]
pub struct Applier(Arc<Platform>);

/// An application that cannot become part of a host. Functions before the one named are part of it.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A component's file cannot be read.
    #[error("component `{component}`: cannot read `{}`{}", path.display(), read_hint(source, build.as_deref()))]
    Read {
        /// The component.
        component: String,
        /// Its file.
        path: PathBuf,
        /// The command that makes it, if the manifest has one.
        build: Option<String>,
        /// Why.
        source: io::Error,
    },
    /// A component's name is none for a function.
    #[error("component `{component}`")]
    Name {
        /// The component.
        component: String,
        /// Why.
        source: hyaline_control::NameError,
    },
    /// A component, or what is set for it, is refused.
    #[error("component `{component}` cannot be served")]
    Refused {
        /// The component.
        component: String,
        /// Why.
        source: Box<PlatformError>,
    },
    /// The list of the application's functions cannot be kept.
    #[error("cannot write `{}`", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The file, in the state directory, that names the functions of the application last applied.
const DECLARED: &str = "declared.json";

impl Applier {
    pub(crate) fn new(platform: Arc<Platform>) -> Self {
        Applier(platform)
    }

    /// Deploys every component of the application that is another one than the version before, and gives the functions
    /// the routes, outbound hosts and descriptions that it says; what else is set for them stays. Functions of the
    /// application applied before that this one lacks are disabled, not deleted. Answers, in sentences, what changed.
    ///
    /// Blocks, as long as compiling takes.
    ///
    /// # Errors
    ///
    /// [`ApplyError`] names the component.
    pub fn apply(&self, application: &Application) -> Result<Vec<String>, ApplyError> {
        let platform = &self.0;
        let mut said = Vec::new();
        let mut names = BTreeSet::new();
        for component in application.components() {
            let name = FunctionName::new(&component.id).map_err(|source| ApplyError::Name {
                component: component.id.clone(),
                source,
            })?;
            let applied = self.apply_one(application, component, &name);
            said.extend(applied.map_err(|error| {
                match error {
                    OneError::Read(source) => ApplyError::Read {
                        component: component.id.clone(),
                        path: component.path.clone(),
                        build: component
                            .build
                            .as_ref()
                            .map(|build| build.commands.join(" && ")),
                        source,
                    },
                    OneError::Refused(source) => ApplyError::Refused {
                        component: component.id.clone(),
                        source: Box::new(source),
                    },
                }
            })?);
            names.insert(name);
        }
        let path = platform.registry().directory().join(DECLARED);
        let before: BTreeSet<FunctionName> = std::fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        if application.components().is_empty() || before == names {
            return Ok(said);
        }
        for gone in before.difference(&names) {
            if self
                .set_enabled(gone, false)
                .map_err(|source| ApplyError::Refused {
                    component: gone.to_string(),
                    source: Box::new(source),
                })?
            {
                said.push(format!(
                    "function `{gone}` is no longer part of the application and is disabled; `hyaline rm {gone}` deletes it"
                ));
            }
        }
        write(&path, &names).map_err(|source| ApplyError::State { path, source })?;
        Ok(said)
    }

    fn apply_one(
        &self,
        application: &Application,
        component: &Component,
        name: &FunctionName,
    ) -> Result<Option<String>, OneError> {
        let platform = &self.0;
        let catalog = platform.registry().catalog();
        let function = catalog.function(name);
        let mut settings = function
            .map(|function| (**function.settings()).clone())
            .unwrap_or_default();
        settings.routes = application
            .routes_of(&component.id)
            .map(|route| route.as_str().to_owned())
            .collect();
        settings.allowed_outbound_hosts = component.allowed_outbound_hosts.clone();
        if !component.description.is_empty() {
            settings.description = Some(component.description.clone());
        }
        let same = function.is_some_and(|function| **function.settings() == settings);
        let bytes = std::fs::read(&component.path)?;
        let version = NewVersion {
            description: None,
            settings: (!same).then_some(settings),
            promote: match function.and_then(|function| function.latest()) {
                // A canary that somebody is looking at must not be ended by a restart.
                Some(latest) if is_component(latest, &bytes) => Promote::Later,
                _ => Promote::Live,
            },
        };
        let deployed = platform.deploy(name, None, &bytes, version)?;
        self.set_enabled(name, true)?;
        Ok(deployed
            .is_new
            .then(|| format!("function `{name}`: version {} is live", deployed.version)))
    }

    /// Enables or disables a function of the application; answers whether that changed anything.
    fn set_enabled(&self, name: &FunctionName, enabled: bool) -> Result<bool, PlatformError> {
        let platform = &self.0;
        let catalog = platform.registry().catalog();
        let Some(function) = catalog.function(name) else {
            return Ok(false);
        };
        if function.is_enabled() == enabled {
            return Ok(false);
        }
        let now = Timestamp::now();
        match enabled {
            true => platform.registry().enable(name, now)?,
            false => platform.registry().disable(name, now)?,
        }
        let (kind, message) = match enabled {
            true => (EventKind::Enabled, "it is part of the application"),
            false => (
                EventKind::Disabled,
                "it is no longer part of the application",
            ),
        };
        platform.events().add(kind, name.as_str(), message.into());
        Ok(true)
    }
}

enum OneError {
    Read(io::Error),
    Refused(PlatformError),
}

impl From<io::Error> for OneError {
    fn from(error: io::Error) -> Self {
        OneError::Read(error)
    }
}

impl From<PlatformError> for OneError {
    fn from(error: PlatformError) -> Self {
        OneError::Refused(error)
    }
}

fn is_component(version: &hyaline_registry::Version, bytes: &[u8]) -> bool {
    use sha2::Digest as _;
    version.size() == bytes.len() as u64
        && version.digest().as_bytes()[..] == sha2::Sha256::digest(bytes)[..]
}

/// Writes the file so that a crash leaves the old or the new one.
fn write(path: &Path, names: &BTreeSet<FunctionName>) -> io::Result<()> {
    let partial = path.with_extension("partial");
    std::fs::write(
        &partial,
        serde_json::to_vec(names).map_err(io::Error::other)?,
    )?;
    std::fs::rename(&partial, path)
}

fn read_hint(source: &io::Error, build: Option<&str>) -> String {
    match (source.kind(), build) {
        (io::ErrorKind::NotFound, Some(command)) => format!("; build it first: `{command}`"),
        (io::ErrorKind::NotFound, None) => "; make it with `hyaline pack`".into(),
        _ => String::new(),
    }
}
