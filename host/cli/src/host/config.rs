//! `hyaline config check`

use std::io::Write;

use anyhow::Result;

use super::flags::Flags;

#[derive(clap::Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Put file, environment and flags together, and print every value and who says it
    Check(Check),
}

#[derive(clap::Args)]
struct Check {
    #[command(flatten)]
    flags: Flags,
}

pub(crate) fn config(arguments: &Config) -> Result<()> {
    let Action::Check(check) = &arguments.action;
    let configuration = check.flags.configuration(&[])?;
    let entries = configuration.entries();
    let width =
        |column: fn(&hyaline_server::Entry) -> usize| entries.iter().map(column).max().unwrap_or(0);
    let keys = width(|entry| entry.key.len());
    let values = width(|entry| entry.value.len());
    let mut output = std::io::stdout().lock();
    for entry in entries {
        writeln!(
            output,
            "{:keys$} = {:values$}  # {}",
            entry.key, entry.value, entry.origin
        )?;
    }
    output.flush()?;
    Ok(())
}
