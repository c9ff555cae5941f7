//! The components of an application and the routes to them.

use std::path::{Path, PathBuf};

use crate::data::Route;
use crate::error::ApplicationError;
use crate::manifest;

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
    /// Where it may send requests, as Spin writes it.
    pub allowed_outbound_hosts: Vec<String>,
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
    /// Files, by patterns relative to that folder, whose change makes building again worth it.
    pub watch: Vec<String>,
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
        // A file named without a folder lies in this one, which the empty path is no name for.
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        manifest::parse(&text, &path, directory)
    }

    /// No components: for a host that serves what is deployed to it.
    pub fn nothing() -> Self {
        Application {
            name: "hyaline".into(),
            version: String::new(),
            description: String::new(),
            components: Vec::new(),
            routes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// One component, at every path, under a name made of its file's.
    pub fn single(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let id = function_name(&path.file_stem().unwrap_or_default().to_string_lossy());
        let route = Route::parse("/...").expect("a constant route is sound");
        Application {
            name: id.clone(),
            version: String::new(),
            description: String::new(),
            components: vec![Component {
                id: id.clone(),
                description: String::new(),
                path: path.into(),
                allowed_outbound_hosts: Vec::new(),
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

    /// The routes that lead to a component.
    pub(crate) fn routes_of(&self, component: &str) -> impl Iterator<Item = &Route> {
        let routes = self
            .routes
            .iter()
            .filter(move |routed| routed.component == component);
        routes.map(|routed| &routed.route)
    }

    /// What the manifest says that this host ignores, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// A file's name as that of a function: other characters become hyphens.
fn function_name(stem: &str) -> String {
    let mut name: String = stem
        .to_lowercase()
        .chars()
        .map(|character| match character {
            'a'..='z' | '0'..='9' => character,
            _ => '-',
        })
        .skip_while(|character| !character.is_ascii_lowercase())
        .take(63)
        .collect();
    name.truncate(name.trim_end_matches('-').len());
    if name.is_empty() {
        "function".into()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::function_name;

    #[test]
    fn any_file_name_makes_a_name_of_a_function() {
        for (stem, name) in [
            ("credit", "credit"),
            ("My Model (2)", "my-model--2"),
            ("2nd", "nd"),
            ("42", "function"),
            ("", "function"),
            ("\u{e4}\u{f6}", "function"),
        ] {
            assert_eq!(function_name(stem), name, "{stem}");
            assert!(hyaline_control::FunctionName::new(name).is_ok());
        }
    }
}
