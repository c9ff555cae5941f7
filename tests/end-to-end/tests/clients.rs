//! The clients people have, pointed at a host: AWS's and Triton's, makers of tokens, readers of metrics.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use end_to_end::{Host, root, variable};

/// Runs a script of `tests/clients` against a host of its own that serves these functions.
fn client(script: &str, functions: &[&str]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::up(&folder.path().join("state"), &[])?;
    host.deploy(functions)?;
    let output = Command::new(variable("HYALINE_CLIENTS_PYTHON"))
        .arg(root().join("tests/clients").join(script))
        .args([&host.url, "--control", &host.control])
        // No credentials and no proxy of whoever runs the tests.
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("NO_PROXY", "127.0.0.1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .context("start Python")?;
    ensure!(
        output.status.success(),
        "{script}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[test]
fn boto3_invokes_a_function_as_one_of_lambda() -> Result<()> {
    client("aws_lambda.py", &["credit"])
}

#[test]
fn boto3_invokes_a_function_as_an_endpoint_of_sagemaker_with_explanations_behind_a_gate()
-> Result<()> {
    client("aws_sagemaker.py", &["credit", "reviews"])
}

#[test]
fn the_triton_client_infers_and_gets_attributions_in_binary_tensors() -> Result<()> {
    client("triton.py", &["credit", "wine"])
}

#[test]
fn tokens_made_elsewhere_open_a_function_and_forged_ones_do_not() -> Result<()> {
    client("tokens.py", &["credit"])
}

#[test]
fn the_prometheus_client_reads_the_metrics_and_finds_every_call() -> Result<()> {
    client("metrics.py", &["credit", "wine"])
}
