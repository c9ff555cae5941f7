//! Measures Hyaline beside its rivals in the same run and writes a Markdown table. `cargo xtask bench` prepares what this
//! needs (packed functions, a Python with the rivals, other servers) and starts it.

#![forbid(unsafe_code)]

mod arguments;
mod clock;
mod cold;
mod functions;
mod guests;
mod host;
mod local;
mod networks;
mod platform;
mod process;
mod report;
mod rival;
mod rows;
mod sampling;
mod variants;
mod wrk;

use anyhow::{Context, Result, bail};

use arguments::{Arguments, PARTS};
use report::Report;

fn main() -> Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let earlier = std::fs::read_to_string(&arguments.output).unwrap_or_default();
    let mut report = Report::default();
    let mut failed = Vec::new();
    for part in PARTS.into_iter().filter(|part| arguments.wants(part)) {
        eprintln!("{part}");
        // A part that fails must not lose what the others measured.
        if let Err(error) = measure(part, &arguments, &mut report) {
            eprintln!("  {part} failed: {error:#}");
            failed.push(part);
        }
        std::fs::write(&arguments.output, report.merged(&earlier))
            .with_context(|| format!("write {}", arguments.output.display()))?;
    }
    print!("{}", report.merged(""));
    if !failed.is_empty() {
        bail!("these parts failed: {}", failed.join(", "));
    }
    Ok(())
}

fn measure(part: &str, arguments: &Arguments, report: &mut Report) -> Result<()> {
    match part {
        "functions" => functions::measure(arguments, report),
        "cold" => cold::measure(arguments, report),
        "rows" => rows::measure(arguments, report),
        "networks" => networks::measure(arguments, report),
        "sampling" => sampling::measure(arguments, report),
        "local" => local::measure(arguments, report),
        "http" => platform::http::measure(arguments, report),
        "density" => platform::density::measure(arguments, report),
        "neighbours" => platform::neighbours::measure(arguments, report),
        "updates" => platform::updates::measure(arguments, report),
        "budget" => platform::budget::measure(arguments, report),
        "metering" => platform::metering::measure(arguments, report),
        other => bail!("`{other}` is no part"),
    }
}
