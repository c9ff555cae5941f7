//! `hyaline push` and `hyaline pull`, and functions that are deployed out of a registry

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hyaline_control::FunctionName;
use hyaline_oci::{Credentials, Description, Layout, Options, Pulled, Reference, Transport};
use jiff::Timestamp;

use super::print;

#[derive(clap::Args)]
pub(crate) struct Push {
    /// A packed function
    function: PathBuf,
    /// Where it goes, such as `registry.example/team/credit:1.2`
    #[arg(value_name = "REGISTRY/REPOSITORY[:TAG]", value_parser = Reference::new)]
    reference: Reference,
    /// What it is called there; the name on its card when absent
    #[arg(long)]
    name: Option<FunctionName>,
    /// How it is laid out: as the CNCF has it, or as a Spin application
    #[arg(long, value_enum, default_value = "wasm")]
    layout: LayoutName,
    #[command(flatten)]
    registry: Registry,
}

#[derive(clap::Args)]
pub(crate) struct Pull {
    /// Where it is, such as `registry.example/team/credit:1.2`
    #[arg(value_name = "REGISTRY/REPOSITORY[:TAG][@DIGEST]", value_parser = Reference::new)]
    reference: Reference,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    registry: Registry,
}

/// How a registry is reached. Who asks is whoever is logged in with `docker login` or `podman login`.
#[derive(clap::Args)]
pub(crate) struct Registry {
    /// Ask as nobody, whoever is logged in
    #[arg(long, help_heading = "Registry", conflicts_with = "registry_login")]
    anonymous: bool,
    /// A credential file as Docker writes it; the user's own when absent
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    registry_login: Option<PathBuf>,
    /// Certificates (PEM) of registries to trust besides the system's
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    registry_ca: Vec<PathBuf>,
    /// Without encryption: whoever is on the way can read and replace functions and passwords
    #[arg(long, help_heading = "Registry")]
    plain_http: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LayoutName {
    Wasm,
    Spin,
}

impl Registry {
    fn options(&self, layout: Layout) -> Result<Options> {
        let read = |path: &PathBuf| {
            std::fs::read(path)
                .with_context(|| format!("cannot read the certificates in `{}`", path.display()))
        };
        Ok(Options {
            layout,
            credentials: match &self.registry_login {
                Some(path) => Credentials::File(path.clone()),
                None if self.anonymous => Credentials::Anonymous,
                None => Credentials::LoggedIn,
            },
            transport: if self.plain_http {
                Transport::Plain
            } else {
                Transport::Automatic
            },
            roots: self.registry_ca.iter().map(read).collect::<Result<_>>()?,
            ..Options::default()
        })
    }

    /// Takes a function out of a registry.
    pub(super) fn pull(&self, reference: &Reference) -> Result<Pulled> {
        let options = self.options(Layout::default())?;
        Ok(runtime()?.block_on(hyaline_oci::pull(reference, &options))?)
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no threads to reach the registry with")
}

pub(crate) fn push(arguments: &Push) -> Result<()> {
    let path = &arguments.function;
    let component = super::deploy::read(path)?;
    let description = described(&component, arguments)?;
    let options = arguments.registry.options(match arguments.layout {
        LayoutName::Wasm => Layout::Wasm,
        LayoutName::Spin => Layout::Spin,
    })?;
    let pushed = runtime()?.block_on(hyaline_oci::push(
        &arguments.reference,
        component,
        &description,
        &options,
    ))?;
    print(&format!("{}\n", pushed.reference))?;
    eprintln!("pushed `{}` to {}", path.display(), arguments.reference);
    Ok(())
}

pub(crate) fn pull(arguments: &Pull) -> Result<()> {
    let pulled = arguments.registry.pull(&arguments.reference)?;
    let path = &arguments.output;
    write(path, &pulled.component).with_context(|| format!("cannot write `{}`", path.display()))?;
    print(&format!("{}\n", pulled.reference))?;
    eprintln!(
        "pulled {} to `{}`, {}",
        arguments.reference,
        path.display(),
        pulled.digest
    );
    Ok(())
}

/// Whoever looks at the file meanwhile sees the old one or the new one.
fn write(path: &Path, component: &[u8]) -> std::io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let written = std::fs::write(&part, component).and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}

fn name(arguments: &Push, component: &[u8]) -> Result<FunctionName> {
    if let Some(name) = &arguments.name {
        return Ok(name.clone());
    }
    let Ok(card) = hyaline_pack::read_card(component) else {
        bail!(
            "`{}` has no card that names it; name it with `--name`",
            arguments.function.display()
        );
    };
    card.name
        .parse()
        .context("the name on the card is no name of a function; name it with `--name`")
}

/// What the card says; other components have none.
fn described(component: &[u8], arguments: &Push) -> Result<Description> {
    let mut description =
        Description::new(name(arguments, component)?, created(&arguments.function)?);
    if let Ok(card) = hyaline_pack::read_card(component) {
        description.model = Some(card.name);
        description.version = Some(card.version);
        description.summary = Some(card.title).filter(|title| !title.is_empty());
    }
    Ok(description)
}

/// When the function was made, so that pushing a file twice makes the same artefact: `SOURCE_DATE_EPOCH`
/// (reproducible-builds.org), or else the time of the file.
fn created(path: &Path) -> Result<Timestamp> {
    if let Some(seconds) = std::env::var_os("SOURCE_DATE_EPOCH") {
        let seconds = seconds.to_str().and_then(|text| text.parse().ok());
        let seconds = seconds.context("SOURCE_DATE_EPOCH is not a number of seconds")?;
        return Timestamp::from_second(seconds).context("SOURCE_DATE_EPOCH is out of range");
    }
    let modified = std::fs::metadata(path).and_then(|data| data.modified());
    let modified = modified.with_context(|| format!("`{}` has no time", path.display()))?;
    Ok(Timestamp::try_from(modified)?)
}
