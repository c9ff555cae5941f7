//! Flags that configure a host, over the environment and the configuration file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hyaline_server::Configuration;

/// The configuration file that is read when none is named.
const DEFAULT_FILE: &str = "hyaline.toml";

#[derive(clap::Args)]
pub(crate) struct Flags {
    /// The configuration file; `hyaline.toml` in this folder, if there is one, when absent
    #[arg(long, value_name = "FILE", env = "HYALINE_CONFIG")]
    config: Option<PathBuf>,
    /// Address and port for calls; port 0 takes any free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address and port of the control API and the dashboard, or `off` [default: 127.0.0.1:3001]
    #[arg(long, value_name = "ADDRESS")]
    control: Option<String>,
    /// The folder of the host's state [default: .hyaline]
    #[arg(long, value_name = "FOLDER")]
    state: Option<String>,
    /// Where compiled functions are kept [default: in the state folder]
    #[arg(long, value_name = "FOLDER")]
    cache: Option<String>,
    /// Requests that run at once [default: 64]
    #[arg(long, value_name = "REQUESTS")]
    concurrency: Option<String>,
    /// Seconds a request may take [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=900))]
    deadline: Option<u64>,
    /// MiB of memory a request may use [default: 128]
    #[arg(long, value_name = "MIB")]
    memory: Option<String>,
    /// MiB of the longest request body [default: 8]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1024))]
    body: Option<u64>,
    /// Anything else that can be configured, such as `log.invocations=all`; `hyaline config check` lists it
    #[arg(long = "set", value_name = "KEY=VALUE")]
    others: Vec<String>,
}

impl Flags {
    /// Puts flags, environment and file together. `defaults` hold where the file, the environment and the flags say
    /// nothing, for a command whose defaults are its own.
    pub(crate) fn configuration(&self, own: &[(&str, &str)]) -> Result<Configuration> {
        let file = self.file()?;
        let file = file
            .as_ref()
            .map(|(path, text)| (path.as_path(), text.as_str()));
        let deadline = self.deadline.map(|seconds| (seconds * 1000).to_string());
        let body = self.body.map(|mib| (mib << 20).to_string());
        let named = [
            ("--listen", "listen", &self.listen),
            ("--control", "control", &self.control),
            ("--state", "state", &self.state),
            ("--cache", "cache", &self.cache),
            ("--concurrency", "concurrency", &self.concurrency),
            ("--deadline", "limits.deadline_ms", &deadline),
            ("--memory", "limits.memory_mib", &self.memory),
            ("--body", "limits.body_bytes", &body),
        ];
        let mut flags: Vec<(String, String, String)> = named
            .into_iter()
            .filter_map(|(flag, key, value)| Some((flag.into(), key.into(), value.clone()?)))
            .collect();
        for pair in &self.others {
            let (key, value) = pair
                .split_once('=')
                .with_context(|| format!("`--set {pair}` has no `=`; write `--set KEY=VALUE`"))?;
            flags.push(("--set".into(), key.trim().into(), value.into()));
        }
        let own = own
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()));
        Ok(Configuration::assemble(own, file, std::env::vars(), flags)?)
    }

    fn file(&self) -> Result<Option<(PathBuf, String)>> {
        let path = match &self.config {
            Some(path) => path.clone(),
            None if Path::new(DEFAULT_FILE).is_file() => DEFAULT_FILE.into(),
            None => return Ok(None),
        };
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read the configuration file `{}`", path.display()))?;
        Ok(Some((path, text)))
    }
}
