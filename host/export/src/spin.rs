//! Spin's manifest, version 2.

use serde::Serialize;

use crate::error::ExportError;
use crate::file::File;
use crate::subject::Subject;
use crate::target::Target;

/// The manifest's file name.
pub(crate) const MANIFEST: &str = "spin.toml";

#[derive(Serialize)]
struct Manifest<'a> {
    spin_manifest_version: u32,
    application: Application<'a>,
    trigger: Triggers<'a>,
    component: std::collections::BTreeMap<&'a str, Component<'a>>,
}

#[derive(Serialize)]
struct Application<'a> {
    name: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

#[derive(Serialize)]
struct Triggers<'a> {
    http: [Trigger<'a>; 1],
}

#[derive(Serialize)]
struct Trigger<'a> {
    route: &'a str,
    component: &'a str,
}

#[derive(Serialize)]
struct Component<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    allowed_outbound_hosts: &'a [String],
}

/// The manifest of an application that answers every path with one function.
pub(crate) fn manifest(subject: &Subject) -> File {
    let name = subject.name.as_str();
    let description = subject.description.as_deref();
    let manifest = Manifest {
        spin_manifest_version: 2,
        application: Application {
            name,
            version: "1.0.0",
            description,
        },
        trigger: Triggers {
            http: [Trigger {
                route: "/...",
                component: name,
            }],
        },
        component: std::iter::once((
            name,
            Component {
                source: subject.component.as_str(),
                description,
                allowed_outbound_hosts: &subject.allowed_outbound_hosts,
            },
        ))
        .collect(),
    };
    let text = toml::to_string(&manifest).expect("tables of texts are TOML");
    File::new(MANIFEST, text)
}

pub(crate) fn files(subject: &Subject) -> Result<Vec<File>, ExportError> {
    subject.without_secrets(
        Target::Spin,
        "give the function what it needs as a Spin variable",
    )?;
    Ok(vec![manifest(subject)])
}
