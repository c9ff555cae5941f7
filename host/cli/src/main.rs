//! The `hyaline` command: pack a trained model into a function, look into it, ask it, serve it, and run the functions of
//! a host.
//!
//! Data goes to standard output; progress, notes and errors go to standard error. Exit codes: 0 done, 1 refused or
//! failed, 2 wrong usage.

#![forbid(unsafe_code)]

mod answers;
mod ask;
mod bench;
mod chart;
mod control;
mod door;
mod host;
mod inspect;
mod overview;
mod pack;
mod progress;
mod question;
mod rows;
mod table;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A request makes and drops a few hundred small objects.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A trained model and its explainer as one WebAssembly component: a function.
#[derive(Parser)]
#[command(name = "hyaline", version)]
struct Hyaline {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a function of a model: import, load, snapshot, prove, stamp
    Pack(Box<pack::Arguments>),
    /// Print what a function says of itself
    Inspect(inspect::Arguments),
    /// Ask a function its golden rows again and compare to the bit
    Verify(verify::Arguments),
    /// Predict rows with a function
    Predict(ask::Predict),
    /// Explain the predictions of a function
    Explain(ask::Explain),
    /// Find the smallest changes of a row that change the answer
    Counterfactual(ask::Counterfactual),
    /// Find the rule that holds an answer in place
    Anchor(ask::Anchor),
    /// Tell which features matter over all rows
    Importance(ask::Importance),
    /// Tell how the answer changes with a feature
    Dependence(ask::Dependence),
    /// Show typical rows, and rows that are not
    Prototypes(ask::Prototypes),
    /// Serve the functions of a spin.toml
    Up(host::Up),
    /// Serve one function
    Serve(host::Serve),
    /// Look at a host's configuration
    Config(host::Config),
    /// Answer AWS Lambda's events: the bootstrap of a `provided.al2023` function
    Lambda(host::Lambda),
    /// Write ready files for another platform
    Export(Box<host::Export>),
    /// Bring a function to a host, as a new version
    Deploy(Box<control::Deploy>),
    /// List a host's functions
    Functions(control::Functions),
    /// List the versions of a function
    Versions(control::Versions),
    /// Show a function's aliases, or lead one to a version
    Alias(control::Alias),
    /// Show which versions get which calls, or split the calls
    Traffic(control::Traffic),
    /// Lead an alias to where it led before
    Rollback(control::Rollback),
    /// Remove a function, a version or an alias
    Rm(control::Remove),
    /// Let a function answer no calls
    Disable(control::Named),
    /// Let a disabled function answer calls again
    Enable(control::Named),
    /// Let a function or a caller spend again whose budget is spent
    Resume(control::Resume),
    /// Show or change what is set for a function
    Settings(control::Settings),
    /// Make, list and revoke API keys
    Keys(control::Keys),
    /// Tell what was used and what it costs
    Usage(Box<control::Usage>),
    /// Tell what was spent of the budgets
    Budgets(control::Budgets),
    /// Tell what happened on a host
    Events(control::Events),
    /// Put a function into an OCI registry
    Push(control::Push),
    /// Take a function out of an OCI registry
    Pull(control::Pull),
    /// Put load on a URL and report throughput and latencies
    Bench(Box<bench::Bench>),
}

fn main() -> ExitCode {
    let done = match Hyaline::parse().command {
        Command::Pack(arguments) => pack::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Predict(arguments) => ask::predict(&arguments),
        Command::Explain(arguments) => ask::explain(&arguments),
        Command::Counterfactual(arguments) => ask::counterfactual(&arguments),
        Command::Anchor(arguments) => ask::anchor(&arguments),
        Command::Importance(arguments) => ask::importance(&arguments),
        Command::Dependence(arguments) => ask::dependence(&arguments),
        Command::Prototypes(arguments) => ask::prototypes(&arguments),
        Command::Up(arguments) => host::up(&arguments),
        Command::Serve(arguments) => host::serve(&arguments),
        Command::Config(arguments) => host::config(&arguments),
        Command::Lambda(arguments) => host::lambda(&arguments),
        Command::Export(arguments) => host::export(&arguments),
        Command::Deploy(arguments) => control::deploy(&arguments),
        Command::Functions(arguments) => control::functions(&arguments),
        Command::Versions(arguments) => control::versions(&arguments),
        Command::Alias(arguments) => control::alias(&arguments),
        Command::Traffic(arguments) => control::traffic(&arguments),
        Command::Rollback(arguments) => control::rollback(&arguments),
        Command::Rm(arguments) => control::remove(&arguments),
        Command::Disable(arguments) => control::disable(&arguments),
        Command::Enable(arguments) => control::enable(&arguments),
        Command::Resume(arguments) => control::resume(&arguments),
        Command::Settings(arguments) => control::settings(&arguments),
        Command::Keys(arguments) => control::keys(&arguments),
        Command::Usage(arguments) => control::usage(&arguments),
        Command::Budgets(arguments) => control::budgets(&arguments),
        Command::Events(arguments) => control::events(&arguments),
        Command::Push(arguments) => control::push(&arguments),
        Command::Pull(arguments) => control::pull(&arguments),
        Command::Bench(arguments) => bench::bench(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the data has gone away, as in `hyaline predict … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn report(error: &anyhow::Error) {
    eprintln!("error: {error}");
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Some libraries repeat their cause in their own text.
        if !said.contains(&text) {
            eprintln!("  because: {}", text.trim_end().replace('\n', "\n    "));
        }
        said = text;
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
