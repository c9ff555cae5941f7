//! `hyaline up` and `hyaline serve`

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hyaline_server::{
    Application, Component, Configuration, Drained, Server, Startup, termination,
};

use super::flags::Flags;
use super::watch;

/// The manifest that is read when none is named.
const DEFAULT_MANIFEST: &str = "spin.toml";

#[derive(clap::Args)]
pub(crate) struct Up {
    /// The manifest, as Spin reads it; `spin.toml` in this folder, if there is one, when absent. Without a manifest the
    /// functions that were deployed to the state folder are served
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Run the manifest's build commands first
    #[arg(long)]
    build: bool,
    /// Build and deploy again whenever a file changes that a function is made of
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    flags: Flags,
}

#[derive(clap::Args)]
pub(crate) struct Serve {
    /// A packed function, or any other component with a wasi:http door
    function: PathBuf,
    #[command(flatten)]
    flags: Flags,
}

pub(crate) fn up(arguments: &Up) -> Result<()> {
    let manifest = match &arguments.from {
        Some(path) => Some(path.clone()),
        None => Path::new(DEFAULT_MANIFEST)
            .is_file()
            .then(|| DEFAULT_MANIFEST.into()),
    };
    let application = match &manifest {
        None => Application::nothing(),
        Some(path) => read_manifest(path)?,
    };
    if arguments.build {
        for component in application.components() {
            watch::build(component)?;
        }
    }
    require_files(&application)?;
    let watched = match (arguments.watch, manifest) {
        (true, None) => bail!("there is no manifest to watch; name one with `--from`"),
        (true, Some(manifest)) => Some(manifest),
        (false, _) => None,
    };
    run(&application, &arguments.flags.configuration(&[])?, watched)
}

/// One function, nothing kept: what it needs to remember lies in a temporary folder, and only compiled code stays.
pub(crate) fn serve(arguments: &Serve) -> Result<()> {
    let cache = cache_folder().map(|folder| folder.to_string_lossy().into_owned());
    let own = [
        ("state", ""),
        ("control", "off"),
        ("cache", cache.as_deref().unwrap_or_default()),
    ];
    let application = Application::single(&arguments.function);
    require_files(&application)?;
    run(&application, &arguments.flags.configuration(&own)?, None)
}

pub(super) fn read_manifest(path: &Path) -> Result<Application> {
    let application = Application::from_manifest(path)?;
    for warning in application.warnings() {
        eprintln!("warning: {warning}");
    }
    Ok(application)
}

fn require_files(application: &Application) -> Result<()> {
    let missing = application
        .components()
        .iter()
        .find(|component| !component.path.is_file());
    if let Some(component) = missing {
        bail!(
            "the component `{}` is not there: {}{}",
            component.id,
            component.path.display(),
            remedy(component)
        );
    }
    Ok(())
}

fn remedy(component: &Component) -> String {
    match &component.build {
        Some(build) => format!("; `{}` makes it", build.commands.join(" && ")),
        None => "; make it with `hyaline pack`".into(),
    }
}

fn run(
    application: &Application,
    configuration: &Configuration,
    watched: Option<PathBuf>,
) -> Result<()> {
    let _log = hyaline_server::start_log(configuration).context("cannot start the log")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(hyaline_runtime::be_prompt)
        .build()
        .context("no threads to serve with")?;
    runtime.block_on(async {
        let server = Server::start(configuration, application).await?;
        announce(server.startup())?;
        // Only a service manager that waits for it listens; for everybody else there is nobody to tell.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        let watching = watched.map(|manifest| watch::start(manifest, server.applier()));
        let drained = server
            .serve(async {
                termination().await;
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
            })
            .await;
        if let Some(watching) = watching {
            watching.abort();
        }
        match drained {
            Drained::Completely => Ok(()),
            Drained::CutOff => {
                bail!("some requests took longer than the time to drain and were cut off")
            }
        }
    })
}

fn announce(startup: &Startup) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(
        output,
        "{} on {} (ready in {:.0} ms)",
        startup.application, startup.base_url, startup.ready_ms
    )?;
    if let Some(control) = &startup.control_url {
        writeln!(output, "control plane and dashboard on {control}/")?;
    }
    for route in &startup.routes {
        writeln!(output, "\n{}  {}", route.url, route.description)?;
        writeln!(output, "  {}", route.curl)?;
    }
    if startup.more_routes > 0 {
        writeln!(
            output,
            "\nand {} more functions; `hyaline functions` lists them",
            startup.more_routes
        )?;
    }
    output.flush()?;
    Ok(())
}

/// `$XDG_CACHE_HOME/hyaline` or `~/.cache/hyaline`.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute());
    Some(
        named
            .or_else(|| Some(std::env::home_dir()?.join(".cache")))?
            .join("hyaline"),
    )
}
