//! `hyaline deploy`

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use hyaline_control::{Alias, AliasName, FunctionName, Settings, Traffic, VersionDocument};
use hyaline_oci::{Reference, ReferenceError};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::Method;

use super::registry::Registry;
use super::settings::Assignment;
use super::{Client, Host, print, print_json};

#[derive(clap::Args)]
pub(crate) struct Deploy {
    /// The function; made when there is none of this name
    function: FunctionName,
    /// A packed function, or one in a registry: `oci://registry.example/team/credit:1.2`
    #[arg(value_name = "FILE|oci://REFERENCE")]
    component: Source,
    /// Leave the calls where they go now
    #[arg(long)]
    no_promote: bool,
    /// What to remember about this version
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A setting of the function, such as `limits.deadline_ms=500`; set before the version gets calls
    #[arg(long, value_name = "SETTING=VALUE")]
    set: Vec<Assignment>,
    /// Print the version as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: Registry,
    #[command(flatten)]
    host: Host,
}

/// Where a component comes from.
#[derive(Clone, Debug)]
enum Source {
    File(PathBuf),
    Registry(Reference),
}

impl FromStr for Source {
    type Err = ReferenceError;
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Ok(match text.strip_prefix("oci://") {
            Some(reference) => Source::Registry(Reference::new(reference)?),
            None => Source::File(text.into()),
        })
    }
}

pub(crate) fn deploy(arguments: &Deploy) -> Result<()> {
    let client = Client::new(&arguments.host)?;
    let component = match &arguments.component {
        Source::File(path) => read(path)?,
        Source::Registry(reference) => arguments.registry.pull(reference)?.component.into(),
    };
    let function = &arguments.function;
    // With settings to make first, calls are led to the version afterwards.
    let at_once = !arguments.no_promote && arguments.set.is_empty();
    let mut path = format!("/api/functions/{function}/versions?promote={at_once}");
    if let Some(description) = &arguments.description {
        let text = utf8_percent_encode(description, NON_ALPHANUMERIC);
        path.push_str(&format!("&description={text}"));
    }
    let (document, new): (VersionDocument, bool) = client.upload(&path, component)?;
    if !arguments.set.is_empty() {
        let patch = Assignment::merge_patch(&arguments.set)?;
        let path = format!("/api/functions/{function}/settings");
        client
            .send::<Settings>(Method::PATCH, &path, &patch)
            .with_context(|| {
                format!(
                    "version {} of {function} was deployed, but its settings were refused and no calls go to it",
                    document.version
                )
            })?;
        if !arguments.no_promote {
            let live = AliasName::live();
            let path = format!("/api/functions/{function}/aliases/{live}");
            let traffic = Traffic::all_to(document.version);
            client.send::<Alias>(Method::PUT, &path, &traffic)?;
        }
    }
    if arguments.json {
        return print_json(&document);
    }
    let what = if new {
        "deployed"
    } else {
        "was deployed before"
    };
    let calls = if arguments.no_promote {
        "calls go where they went"
    } else {
        "live"
    };
    print(&format!(
        "{function} version {} {what}: {}, {}, {calls}\n",
        document.version,
        crate::table::bytes(document.size),
        document.digest
    ))
}

/// Reads a component and looks at its header; everything else about it is the host's to judge.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read the function `{}`", path.display()))?;
    // Magic, version 13, layer 1.
    if !bytes.starts_with(b"\0asm\x0d\0\x01\0") {
        bail!(
            "`{}` is not a WebAssembly component; `hyaline pack` makes one of a model",
            path.display()
        );
    }
    Ok(bytes)
}
