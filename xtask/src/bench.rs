//! Benchmarks beside their rivals.

use anyhow::{Result, bail};

/// Runs every benchmark.
pub fn run(_arguments: &[String]) -> Result<()> {
    bail!("no benchmark is registered")
}
