//! `hyaline verify`

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::inspect::read;
use crate::progress::Progress;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Packed functions
    #[arg(required = true)]
    functions: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    for path in &arguments.functions {
        let (component, _) = read(path)?;
        let mut progress = Progress::new();
        progress.step(format_args!("verifying {}", path.display()));
        let verified = hyaline_pack::verify(&component);
        drop(progress);
        let verified = verified.with_context(|| format!("{} is not verified", path.display()))?;
        writeln!(
            std::io::stdout(),
            "{}: `{}` {} answers its {} golden rows to the bit, predictions and explanations; imports: {}",
            path.display(),
            verified.card.name,
            verified.card.version,
            verified.rows,
            verified.imports.join(", ")
        )?;
    }
    Ok(())
}
