//! `spin.toml`, version 2, as far as it concerns functions. What this host does not do is refused when the application
//! would behave differently without it, and named in a warning otherwise; nothing is dropped in silence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use hyaline_runtime::AllowedHosts;

use crate::application::{Application, Build, Component, RoutedComponent};
use crate::data::Route;
use crate::error::ApplicationError;

#[derive(Deserialize)]
struct Manifest {
    application: Details,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    #[serde(default)]
    trigger: BTreeMap<String, Vec<Trigger>>,
    #[serde(default)]
    component: BTreeMap<String, Source>,
    #[serde(flatten)]
    unknown: Table,
}

#[derive(Deserialize)]
struct Details {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    description: String,
    #[serde(default, rename = "authors")]
    _authors: Vec<String>,
    #[serde(default, rename = "tool")]
    _tool: Table,
    #[serde(flatten)]
    unknown: Table,
}

#[derive(Deserialize)]
struct Variable {
    default: Option<String>,
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default, rename = "required")]
    _required: bool,
    #[serde(default, rename = "secret")]
    _secret: bool,
    #[serde(flatten)]
    unknown: Table,
}

#[derive(Deserialize)]
struct Trigger {
    #[serde(default)]
    id: String,
    route: Option<Value>,
    component: Option<Value>,
    executor: Option<Table>,
    #[serde(flatten)]
    unknown: Table,
}

#[derive(Deserialize)]
struct Source {
    source: Value,
    #[serde(default)]
    description: String,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    build: Option<BuildTable>,
    #[serde(default, rename = "tool")]
    _tool: Table,
    #[serde(flatten)]
    unknown: Table,
}

#[derive(Deserialize)]
struct BuildTable {
    command: OneOrMany,
    workdir: Option<PathBuf>,
    #[serde(default)]
    watch: Vec<String>,
    #[serde(flatten)]
    unknown: Table,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Reads a manifest. Relative paths in it are relative to `directory`; `path` is for error texts.
pub(crate) fn parse(
    text: &str,
    path: &Path,
    directory: &Path,
) -> Result<Application, ApplicationError> {
    let syntax = |error: toml::de::Error| ApplicationError::Syntax {
        path: path.into(),
        reason: error.to_string(),
    };
    let mut table: Table = text.parse().map_err(syntax)?;
    match table.remove("spin_manifest_version") {
        Some(Value::Integer(2)) => {}
        Some(other) => {
            return Err(ApplicationError::Version {
                found: other.to_string(),
            });
        }
        None => {
            return Err(ApplicationError::Version {
                found: "missing".into(),
            });
        }
    }
    let manifest: Manifest = table.try_into().map_err(syntax)?;
    let mut warnings = Warnings::default();
    warnings.unknown("", &manifest.unknown);
    warnings.unknown("application.", &manifest.application.unknown);
    for (name, variable) in &manifest.variables {
        warnings.unknown(&format!("variables.{name}."), &variable.unknown);
    }
    if let Some(kind) = manifest.trigger.keys().find(|kind| *kind != "http") {
        return Err(ApplicationError::TriggerKind { kind: kind.clone() });
    }

    let mut components = BTreeMap::new();
    for (id, source) in manifest.component {
        let component = component(&id, source, directory, &manifest.variables, &mut warnings)?;
        components.insert(id, component);
    }

    let mut routed: Vec<RoutedComponent> = Vec::new();
    let triggers = manifest.trigger.into_values().next().unwrap_or_default();
    if triggers.is_empty() {
        return Err(ApplicationError::NoTrigger);
    }
    for trigger in triggers {
        let Some(next) = routed_component(
            trigger,
            directory,
            &mut components,
            &manifest.variables,
            &mut warnings,
        )?
        else {
            continue;
        };
        if let Some(position) = routed
            .iter()
            .position(|earlier| earlier.route.same_paths(&next.route))
        {
            let earlier = routed.remove(position);
            warnings.0.push(format!(
                "route `{}` is given twice: `{}` takes it, and `{}` is never reached there",
                next.route.as_str(),
                next.component,
                earlier.component
            ));
        }
        routed.push(next);
    }
    components.retain(|id, _| {
        let used = routed.iter().any(|routed| routed.component == *id);
        if !used {
            warnings
                .0
                .push(format!("component `{id}` has no trigger and is not loaded"));
        }
        used
    });
    Ok(Application {
        name: manifest.application.name,
        version: manifest.application.version,
        description: manifest.application.description,
        components: components.into_values().collect(),
        routes: routed,
        warnings: warnings.0,
    })
}

/// The route and component of one trigger; `None` for a private endpoint, which has no route.
fn routed_component(
    trigger: Trigger,
    directory: &Path,
    components: &mut BTreeMap<String, Component>,
    variables: &BTreeMap<String, Variable>,
    warnings: &mut Warnings,
) -> Result<Option<RoutedComponent>, ApplicationError> {
    let written = match &trigger.route {
        Some(Value::String(route)) => format!("`{route}`"),
        Some(other) => format!("`{other}`"),
        None => "no route".into(),
    };
    let refuse = |reason: &str| ApplicationError::Trigger {
        route: written.clone(),
        reason: reason.into(),
    };
    let component = match trigger.component {
        Some(Value::String(id)) => id,
        Some(Value::Table(inline)) => {
            let id = if trigger.id.is_empty() {
                format!("trigger-{}", components.len())
            } else {
                trigger.id
            };
            let source: Source = inline
                .try_into()
                .map_err(|error| refuse(&format!("its component: {error}")))?;
            components.insert(
                id.clone(),
                self::component(&id, source, directory, variables, warnings)?,
            );
            id
        }
        Some(_) => return Err(refuse("`component` must be a component's name or a table")),
        None => {
            return Err(refuse(
                "it names no `component`; static responses are not served here",
            ));
        }
    };
    let route = match &trigger.route {
        Some(Value::String(route)) => Route::parse(route)?,
        Some(Value::Table(table)) if table.get("private") == Some(&Value::Boolean(true)) => {
            warnings.0.push(format!(
                "the private http trigger of component `{component}` is not served: functions cannot call each other here"
            ));
            return Ok(None);
        }
        Some(_) => {
            return Err(refuse(
                "`route` must be a text, such as `route = \"/credit/...\"`",
            ));
        }
        None => {
            return Err(refuse(
                "it has no `route`; write one, such as `route = \"/credit/...\"`",
            ));
        }
    };
    if !components.contains_key(&component) {
        let known: Vec<&str> = components.keys().map(String::as_str).collect();
        let known = if known.is_empty() {
            "none".into()
        } else {
            known.join(", ")
        };
        return Err(ApplicationError::UnknownComponent {
            route: route.as_str().into(),
            component,
            known,
        });
    }
    match trigger
        .executor
        .as_ref()
        .and_then(|executor| executor.get("type"))
        .map(Value::as_str)
    {
        None | Some(Some("http" | "spin")) => {}
        Some(kind) => {
            return Err(refuse(&format!(
                "executor `{}` is not available; a function is a component with `wasi:http/incoming-handler`",
                kind.unwrap_or("?")
            )));
        }
    }
    warnings.unknown(&format!("trigger.http for {written}: "), &trigger.unknown);
    Ok(Some(RoutedComponent { route, component }))
}

fn component(
    id: &str,
    source: Source,
    directory: &Path,
    variables: &BTreeMap<String, Variable>,
    warnings: &mut Warnings,
) -> Result<Component, ApplicationError> {
    let path = match &source.source {
        Value::String(path) => directory.join(path),
        Value::Table(table) if table.contains_key("url") => {
            return Err(ApplicationError::Source {
                component: id.into(),
                found: "a URL",
            });
        }
        Value::Table(table) if table.contains_key("registry") || table.contains_key("package") => {
            return Err(ApplicationError::Source {
                component: id.into(),
                found: "a package of a registry",
            });
        }
        _ => {
            return Err(ApplicationError::Source {
                component: id.into(),
                found: "neither a text nor a table with a URL",
            });
        }
    };
    let hosts = source
        .allowed_outbound_hosts
        .iter()
        .map(|host| expand(id, host, variables))
        .collect::<Result<Vec<String>, _>>()?;
    AllowedHosts::parse(&hosts).map_err(|source| ApplicationError::Outbound {
        component: id.into(),
        source,
    })?;
    warnings.unknown(&format!("component.{id}."), &source.unknown);
    let build = source.build.map(|build| {
        warnings.unknown(&format!("component.{id}.build."), &build.unknown);
        Build {
            commands: match build.command {
                OneOrMany::One(command) => vec![command],
                OneOrMany::Many(commands) => commands,
            },
            directory: build
                .workdir
                .map_or(directory.into(), |workdir| directory.join(workdir)),
            watch: build.watch,
        }
    });
    Ok(Component {
        id: id.into(),
        description: source.description,
        path,
        allowed_outbound_hosts: hosts,
        build,
    })
}

/// Replaces each `{{ name }}` by the default of that application variable.
fn expand(
    component: &str,
    text: &str,
    variables: &BTreeMap<String, Variable>,
) -> Result<String, ApplicationError> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        let value = variables
            .get(name.trim())
            .and_then(|variable| variable.default.as_deref());
        let value = value.ok_or_else(|| ApplicationError::Variable {
            component: component.into(),
            variable: name.trim().into(),
        })?;
        expanded.push_str(before);
        expanded.push_str(value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[derive(Default)]
struct Warnings(Vec<String>);

/// Keys that Spin has and a function cannot use, with the reason.
const NOT_FOR_FUNCTIONS: [(&str, &str); 8] = [
    ("ai_models", "a function reaches no other model"),
    (
        "dependencies",
        "a function is complete as it is; compose components before serving them",
    ),
    ("environment", "a function gets no environment"),
    ("exclude_files", "a function gets no files"),
    ("files", "a function gets no files"),
    ("key_value_stores", "a function keeps no state"),
    ("sqlite_databases", "a function keeps no state"),
    ("variables", "a function gets no variables"),
];

impl Warnings {
    fn unknown(&mut self, place: &str, table: &Table) {
        for (key, value) in table {
            let empty = matches!(value, Value::Array(array) if array.is_empty())
                || matches!(value, Value::Table(table) if table.is_empty());
            if empty {
                continue;
            }
            let reason = NOT_FOR_FUNCTIONS
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, reason)| *reason);
            self.0.push(match reason {
                Some(reason) => format!("`{place}{key}` is ignored: {reason}"),
                None => format!("`{place}{key}` is not known here and is ignored"),
            });
        }
    }
}
