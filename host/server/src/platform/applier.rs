//! Making the functions of an application part of a host.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hyaline_control::{EventKind, FunctionName};
use hyaline_registry::Promote;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{NewVersion, Platform, PlatformError};
use crate::application::{Application, Component};

/// Makes the functions of an application part of a running host. Cheap to clone.
#[derive(Clone)]
pub struct Applier(Arc<Platform>);

/// An application that cannot become part of a host. Where a component is refused after all were compiled, functions
/// before the one named are part of it.
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
    /// application applied before that this one lacks are disabled, not deleted, and enabled again when an application
    /// has them again; what an operator has disabled stays disabled. Answers, in sentences, what changed.
    ///
    /// Nothing changes while a component cannot be read or compiled. Blocks, as long as compiling takes.
    ///
    /// # Errors
    ///
    /// [`ApplyError`] names the component.
    pub fn apply(&self, application: &Application) -> Result<Vec<String>, ApplyError> {
        let named = application
            .components()
            .iter()
            .map(|component| {
                let name = FunctionName::new(&component.id);
                name.map(|name| (name, component))
                    .map_err(|source| ApplyError::Name {
                        component: component.id.clone(),
                        source,
                    })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if named.is_empty() {
            return Ok(Vec::new());
        }
        self.prepare(&named)?;
        let mut said = Vec::new();
        let names: BTreeSet<FunctionName> = named.iter().map(|(name, _)| name.clone()).collect();
        let path = self.0.registry().directory().join(DECLARED);
        let before = Declared::read(&path);
        let mut declared = before.clone();
        let catalog = self.0.registry().catalog();
        let is_disabled = |name: &FunctionName| {
            catalog
                .function(name)
                .is_some_and(|function| !function.is_enabled())
        };
        declared.disabled.retain(is_disabled);
        for gone in before.functions.difference(&names) {
            if self
                .set_enabled(gone, false, &names)
                .map_err(|source| refused(gone.as_str(), source))?
            {
                declared.disabled.insert(gone.clone());
                said.push(format!(
                    "function `{gone}` is no longer part of the application and is disabled; `hyaline rm {gone}` deletes it"
                ));
            }
        }
        declared.functions = names.clone();
        declared.write_over(&before, &path)?;
        for (name, component) in named {
            let bytes = read(component)?;
            let refused = |source| refused(&component.id, source);
            said.extend(
                self.deploy(application, component, &name, &bytes, &names)
                    .map_err(refused)?,
            );
            if declared.disabled.contains(&name) {
                self.set_enabled(&name, true, &names).map_err(refused)?;
            }
        }
        let before = declared.clone();
        declared.disabled.retain(|name| !names.contains(name));
        declared.write_over(&before, &path)?;
        Ok(said)
    }

    /// Reads all components and compiles those that are new, several at a time: compiling one takes mostly one thread.
    fn prepare(&self, named: &[(FunctionName, &Component)]) -> Result<(), ApplyError> {
        let catalog = self.0.registry().catalog();
        let compile = |(name, component): &(FunctionName, &Component)| {
            let bytes = read(component)?;
            let function = catalog.function(name);
            let latest = function.and_then(|function| function.latest());
            if latest.is_some_and(|latest| is_component(latest, &bytes)) {
                return Ok(());
            }
            let fuel = function.is_some_and(|function| function.settings().limits.fuel.is_some());
            match self.0.loader().prepare(name.as_str(), &bytes, fuel) {
                Ok(_summary) => Ok(()),
                Err(error) => Err(refused(&component.id, error.into())),
            }
        };
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        std::thread::scope(|scope| {
            let compile_some = || {
                let mut places = std::iter::from_fn(|| named.get(next.fetch_add(1, Relaxed)));
                places.try_for_each(compile)
            };
            let workers: Vec<_> = (1..threads.min(named.len()))
                .map(|_| scope.spawn(compile_some))
                .collect();
            let own = compile_some();
            workers.into_iter().fold(own, |all, worker| {
                all.and(worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            })
        })
    }

    /// Makes a component a version of its function, if it is a new one, and gives the function what the application says.
    fn deploy(
        &self,
        application: &Application,
        component: &Component,
        name: &FunctionName,
        bytes: &[u8],
        names: &BTreeSet<FunctionName>,
    ) -> Result<Option<String>, PlatformError> {
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
        let version = NewVersion {
            description: None,
            settings: (!same).then_some(settings),
            promote: match function.and_then(|function| function.latest()) {
                // A canary that somebody is looking at must not be ended by a restart.
                Some(latest) if is_component(latest, bytes) => Promote::Later,
                _ => Promote::Live,
            },
            yielding: names.clone(),
        };
        let deployed = platform.deploy(name, None, bytes, version)?;
        Ok(deployed
            .is_new
            .then(|| format!("function `{name}`: version {} is live", deployed.version)))
    }

    /// Enables or disables a function of the application; answers whether that changed anything.
    fn set_enabled(
        &self,
        name: &FunctionName,
        enabled: bool,
        names: &BTreeSet<FunctionName>,
    ) -> Result<bool, PlatformError> {
        let platform = &self.0;
        let catalog = platform.registry().catalog();
        let Some(function) = catalog.function(name) else {
            return Ok(false);
        };
        if function.is_enabled() == enabled {
            return Ok(false);
        }
        match enabled {
            true => platform.enable(name, None, names)?,
            false => platform.registry().disable(name, Timestamp::now())?,
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

fn read(component: &Component) -> Result<Vec<u8>, ApplyError> {
    std::fs::read(&component.path).map_err(|source| ApplyError::Read {
        component: component.id.clone(),
        path: component.path.clone(),
        build: component
            .build
            .as_ref()
            .map(|build| build.commands.join(" && ")),
        source,
    })
}

fn refused(component: &str, source: PlatformError) -> ApplyError {
    ApplyError::Refused {
        component: component.into(),
        source: Box::new(source),
    }
}

/// What the file [`DECLARED`] says.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Declared {
    /// The functions of the application last applied.
    functions: BTreeSet<FunctionName>,
    /// Functions that were disabled because an application lacked them, and by nobody else.
    disabled: BTreeSet<FunctionName>,
}

impl Declared {
    fn read(path: &Path) -> Self {
        std::fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Writes the file, unless it says this already, so that a crash leaves the old or the new one.
    fn write_over(&self, before: &Declared, path: &Path) -> Result<(), ApplyError> {
        if self == before {
            return Ok(());
        }
        let write = || {
            let partial = path.with_extension("partial");
            let bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
            std::fs::write(&partial, bytes)?;
            std::fs::rename(&partial, path)
        };
        write().map_err(|source| ApplyError::State {
            path: path.into(),
            source,
        })
    }
}

fn is_component(version: &hyaline_registry::Version, bytes: &[u8]) -> bool {
    use sha2::Digest as _;
    version.size() == bytes.len() as u64
        && version.digest().as_bytes()[..] == sha2::Sha256::digest(bytes)[..]
}

fn read_hint(source: &io::Error, build: Option<&str>) -> String {
    match (source.kind(), build) {
        (io::ErrorKind::NotFound, Some(command)) => format!("; build it first: `{command}`"),
        (io::ErrorKind::NotFound, None) => "; make it with `hyaline pack`".into(),
        _ => String::new(),
    }
}
