//! `hyaline up` and `hyaline serve`

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyaline_server::{Application, Config, Drained, Server, Startup, termination};

#[derive(clap::Args)]
pub(crate) struct Up {
    /// The manifest, as Spin reads it
    #[arg(long, value_name = "FILE", default_value = "spin.toml")]
    from: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args)]
pub(crate) struct Serve {
    /// A packed function, or any other component with a wasi:http door
    function: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args)]
struct Settings {
    /// Address and port; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Where compiled functions are kept; the user's cache folder when absent
    #[arg(long, value_name = "FOLDER", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Compile at every start
    #[arg(long)]
    no_cache: bool,
    /// Requests that run at once
    #[arg(long, value_name = "REQUESTS", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    concurrency: u32,
    /// Seconds a request may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    deadline: u64,
    /// MiB of memory a request may use
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=4096))]
    memory: u64,
    /// MiB of the longest request body
    #[arg(long, value_name = "MIB", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    body: u16,
}

pub(crate) fn up(arguments: &Up) -> Result<()> {
    let application = Application::from_manifest(&arguments.from)?;
    for warning in application.warnings() {
        eprintln!("warning: {warning}");
    }
    let missing = application
        .components()
        .iter()
        .find(|component| !component.path.is_file());
    if let Some(component) = missing {
        let build = component
            .build
            .as_ref()
            .map(|build| build.commands.join(" && "));
        let remedy = build.map_or(String::new(), |command| format!("; `{command}` makes it"));
        bail!(
            "the component `{}` is not there: {}{remedy}",
            component.id,
            component.path.display()
        );
    }
    run(&application, &arguments.settings)
}

pub(crate) fn serve(arguments: &Serve) -> Result<()> {
    run(
        &Application::single(&arguments.function),
        &arguments.settings,
    )
}

fn run(application: &Application, settings: &Settings) -> Result<()> {
    let mut config = Config {
        listen: settings.listen,
        concurrency: settings.concurrency,
        body_limit: usize::from(settings.body) << 20,
        cache: if settings.no_cache {
            None
        } else {
            settings.cache.clone().or_else(cache_folder)
        },
        ..Config::default()
    };
    config.limits.deadline = Duration::from_secs(settings.deadline);
    config.limits.memory = settings.memory << 20;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to serve with")?;
    runtime.block_on(async {
        let server = Server::bind(config, application).await?;
        announce(server.startup())?;
        match server.serve(termination()).await {
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
    for route in &startup.routes {
        writeln!(output, "\n{}  {}", route.url, route.description)?;
        writeln!(output, "  {}", route.curl)?;
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
