//! Repository tasks: `cargo xtask up` and `cargo xtask test` are the two commands of the README.

mod bench;
mod commands;
mod functions;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask <task>

  up [ARGS]    set up, pack the demonstration models and serve them (ARGS go to `hyaline up`)
  test         set up and run every check and test; what CI runs
  bench        run the benchmarks beside their rivals and write benches/RESULTS.md
  pack         pack the demonstration models into target/functions
  setup        install what the tests need: wasm targets, Debian's chromium and docker-registry, jco, Python clients
  tidy         check the repository's own rules (ARCHITECTURE.md, invariants)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let (task, rest) = arguments
        .split_first()
        .map_or(("", [].as_slice()), |(task, rest)| (task.as_str(), rest));
    if task != "up" && task != "bench" && !rest.is_empty() {
        bail!(
            "`{task}` takes no arguments, got `{}`\n\n{USAGE}",
            rest.join(" ")
        );
    }
    match task {
        "up" => functions::up(rest),
        "test" => test::run_everything(),
        "bench" => bench::run_parts(rest),
        "pack" => setup::for_packing().and_then(|()| functions::pack(&functions::build()?)),
        "setup" => setup::for_tests().map(drop),
        "tidy" => tidy::run(),
        "" | "help" | "-h" | "--help" => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("no task is called `{other}`\n\n{USAGE}"),
    }
}
