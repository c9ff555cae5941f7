//! `hyaline export`: ready files for other platforms

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use hyaline_control::FunctionName;
use hyaline_export::{
    Architecture, File, FileName, Image, Replicas, Secret, Subject, Target, export as files,
};

use crate::inspect;

#[derive(clap::Args)]
pub(crate) struct Export {
    /// A packed function
    function: PathBuf,
    /// The platform: spin, kubernetes, spinkube, knative, lambda, azure, cloudrun, systemd or container
    #[arg(long)]
    target: Target,
    /// The folder the files go to; files that are there are kept unless `--force` is given
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// What everything is called; the name on the function's card when absent
    #[arg(long)]
    name: Option<FunctionName>,
    /// The container image that will hold `hyaline` and the function; for SpinKube the OCI artefact
    #[arg(long)]
    image: Option<Image>,
    /// Where the `hyaline` command listens
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:3000")]
    listen: SocketAddr,
    /// Where the function may send HTTP requests
    #[arg(long = "outbound", value_name = "HOST")]
    outbound: Vec<String>,
    /// MiB of memory for one process, container or instance
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    memory: u32,
    /// Thousandths of a processor for one container
    #[arg(long, value_name = "MILLIS", default_value_t = 250)]
    cpu: u32,
    /// How many containers run, at least and at most
    #[arg(long, value_name = "LEAST-MOST", default_value = "1-4", value_parser = replicas)]
    replicas: Replicas,
    /// Lambda functions on Graviton
    #[arg(long)]
    arm64: bool,
    /// A secret file and the variable that says where it is, such as `tls-key=HYALINE_TLS_KEY`
    #[arg(long = "secret", value_name = "NAME=VARIABLE", value_parser = secret)]
    secrets: Vec<Secret>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

pub(crate) fn export(arguments: &Export) -> Result<()> {
    let (component, place) = inspect::read(&arguments.function)?;
    let card = hyaline_pack::read_card(&component).context(place)?;
    let file = arguments
        .function
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => FunctionName::new(&card.name).context("give it another name with `--name`")?,
    };
    let subject = Subject {
        description: Some(card.description.clone()).filter(|text| !text.is_empty()),
        image: arguments.image.clone(),
        listen: arguments.listen,
        allowed_outbound_hosts: arguments.outbound.clone(),
        memory_mib: arguments.memory,
        cpu_millis: arguments.cpu,
        replicas: arguments.replicas,
        architecture: if arguments.arm64 {
            Architecture::Arm64
        } else {
            Architecture::X86_64
        },
        secrets: arguments.secrets.clone(),
        ..Subject::new(name, FileName::new(&file)?)
    };
    let made = files(arguments.target, &subject)?;
    let folder = &arguments.output;
    let beside = folder.join(&file);
    let brings = arguments.target.takes_component() && holds_other(&beside, &component)?;
    if !arguments.force {
        let present = made
            .iter()
            .map(|file| folder.join(&file.path))
            .chain(brings.then(|| beside.clone()))
            .find(|path| path.exists());
        if let Some(path) = present {
            bail!(
                "`{}` is there already; replace it with `--force`",
                path.display()
            );
        }
    }
    for file in &made {
        write(folder, file)?;
    }
    if brings {
        std::fs::write(&beside, &component)
            .with_context(|| format!("cannot write `{}`", beside.display()))?;
    }
    let mut output = std::io::stdout().lock();
    for file in &made {
        writeln!(output, "{}", folder.join(&file.path).display())?;
    }
    eprintln!("next: {}", arguments.target.next_step());
    Ok(())
}

/// Whether there is anything but `contents` at `path`, or nothing.
fn holds_other(path: &Path, contents: &[u8]) -> Result<bool> {
    match std::fs::read(path) {
        Ok(present) => Ok(present != contents),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    }
}

fn write(folder: &Path, file: &File) -> Result<()> {
    let path = folder.join(&file.path);
    let context = || format!("cannot write `{}`", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(context)?;
    }
    std::fs::write(&path, &file.contents).with_context(context)?;
    #[cfg(unix)]
    if file.executable {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .with_context(context)?;
    }
    Ok(())
}

fn replicas(text: &str) -> Result<Replicas> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let number = |part: &str| {
        part.trim()
            .parse()
            .map_err(|_| anyhow!("`{text}` is no range; write it as `1-4`"))
    };
    Ok(Replicas {
        least: number(least)?,
        most: number(most)?,
    })
}

fn secret(text: &str) -> Result<Secret> {
    let (name, variable) = text
        .split_once('=')
        .with_context(|| format!("`{text}` has no `=`; write it as `tls-key=HYALINE_TLS_KEY`"))?;
    Ok(Secret {
        name: FunctionName::new(name)?,
        variable: variable.parse()?,
    })
}
