//! Measures Hyaline beside its rivals in the same run and writes a Markdown table. `cargo xtask bench` prepares what this
//! needs (packed functions, a Python with the rivals) and starts it.

mod arguments;
mod clock;
mod cold;
mod functions;
mod http;
mod local;
mod networks;
mod report;
mod rival;
mod rows;
mod sampling;

use anyhow::{Context, Result};

use arguments::Arguments;
use report::Report;

fn main() -> Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let mut report = Report::default();
    if arguments.wants("functions") {
        functions::measure(&arguments, &mut report).context("functions")?;
    }
    if arguments.wants("cold") {
        cold::measure(&arguments, &mut report).context("cold")?;
    }
    if arguments.wants("rows") {
        rows::measure(&arguments, &mut report).context("rows")?;
    }
    if arguments.wants("networks") {
        networks::measure(&arguments, &mut report).context("networks")?;
    }
    if arguments.wants("sampling") {
        sampling::measure(&arguments, &mut report).context("sampling")?;
    }
    if arguments.wants("local") {
        local::measure(&arguments, &mut report).context("local")?;
    }
    if arguments.wants("http") {
        http::measure(&arguments, &mut report).context("http")?;
    }
    let text = report.to_markdown();
    print!("{text}");
    std::fs::write(&arguments.output, text)
        .with_context(|| format!("write {}", arguments.output.display()))
}
