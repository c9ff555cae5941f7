//! `hyaline lambda`: the bootstrap of an AWS Lambda function

use std::path::PathBuf;

use anyhow::{Context, Result};

#[derive(clap::Args)]
pub(crate) struct Lambda {
    /// A packed function; the file that Lambda's `Handler` names in the folder of its code, or the only component there,
    /// when absent
    function: Option<PathBuf>,
    /// A folder with compiled code; one in the function's package saves the compiler's time on every cold start
    #[arg(long, value_name = "FOLDER", env = "HYALINE_CACHE")]
    cache: Option<PathBuf>,
}

pub(crate) fn lambda(arguments: &Lambda) -> Result<()> {
    let _log = hyaline_server::start_log(&hyaline_server::Configuration::default())
        .context("cannot start the log")?;
    let function = match &arguments.function {
        Some(path) => Ok(path.clone()),
        None => hyaline_lambda::find_component().map_err(anyhow::Error::from),
    };
    let function = function.and_then(|path| hyaline_lambda::load(&path, arguments.cache.clone()));
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to serve with")?
        .block_on(hyaline_lambda::run(function))
}
