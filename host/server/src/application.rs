//! The components of an application and the routes to them.

use std::path::{Path, PathBuf};

use hyaline_runtime::AllowedHosts;

use crate::error::ApplicationError;
use crate::manifest;
use crate::route::Route;

/// What to serve: components, and the routes that lead to them. Nothing of it is loaded yet.
#[derive(Clone, Debug)]
pub struct Application {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) components: Vec<Component>,
    pub(crate) routes: Vec<RoutedComponent>,
    pub(crate) warnings: Vec<String>,
}

/// A component of an application.
#[derive(Clone, Debug)]
pub struct Component {
    /// Its name in the manifest.
    pub id: String,
    /// What the manifest says about it; may be empty.
    pub description: String,
    /// The Wasm file.
    pub path: PathBuf,
    /// Where it may send requests.
    pub outbound: AllowedHosts,
    /// How to make the file.
    pub build: Option<Build>,
}

/// The `[component.<id>.build]` table. This crate runs no commands; `hyaline up --build` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Shell commands, in order.
    pub commands: Vec<String>,
    /// Where to run them.
    pub directory: PathBuf,
}

#[derive(Clone, Debug)]
pub(crate) struct RoutedComponent {
    pub(crate) route: Route,
    pub(crate) component: String,
}

impl Application {
    /// The application of a `spin.toml`; for a directory, of the `spin.toml` in it.
    ///
    /// # Errors
    ///
    /// [`ApplicationError`]: the file cannot be read, is not a manifest of version 2, or asks for what functions are not
    /// given. Whether the components' files exist is not looked at.
    pub fn from_manifest(path: impl AsRef<Path>) -> Result<Self, ApplicationError> {
        let path = path.as_ref();
        let path = if path.is_dir() {
            path.join("spin.toml")
        } else {
            path.to_path_buf()
        };
        let text = std::fs::read_to_string(&path).map_err(|source| ApplicationError::Read {
            path: path.clone(),
            source,
        })?;
        manifest::parse(&text, &path, path.parent().unwrap_or(Path::new("")))
    }

    /// One component, at every path.
    pub fn single(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let id = path.file_stem().map_or("function".into(), |stem| {
            stem.to_string_lossy().into_owned()
        });
        let route = Route::parse("/...").expect("a constant route is sound");
        Application {
            name: id.clone(),
            version: String::new(),
            description: String::new(),
            components: vec![Component {
                id: id.clone(),
                description: String::new(),
                path: path.into(),
                outbound: AllowedHosts::none(),
                build: None,
            }],
            routes: vec![RoutedComponent {
                route,
                component: id,
            }],
            warnings: Vec::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version; may be empty.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What the manifest says about it; may be empty.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The components that some route leads to.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// What the manifest says that this host ignores, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
