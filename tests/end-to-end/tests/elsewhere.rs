//! The same function elsewhere: as handler of Lambda, in other platforms' files, in a registry.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use end_to_end::{Host, golden, hyaline, packed, patiently};
use serde_json::Value;

/// A process that is killed when this is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_command_answers_the_events_of_lambdas_runtime_api() -> Result<()> {
    let api = tiny_http::Server::http("127.0.0.1:0").map_err(anyhow::Error::msg)?;
    let address = api.server_addr().to_ip().context("an address")?;
    let _bootstrap = Process(
        hyaline()
            .arg("lambda")
            .arg(packed("credit"))
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "credit")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "group")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .spawn()
            .context("start hyaline lambda")?,
    );
    let row = &golden("credit")?[0]["row"];
    let patience = std::time::Duration::from_secs(60);
    let next = api
        .recv_timeout(patience)?
        .context("the bootstrap asks for an event")?;
    assert_eq!(next.url(), "/2018-06-01/runtime/invocation/next");
    let mut event = tiny_http::Response::from_string(row.to_string());
    for header in [
        "lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "lambda-runtime-deadline-ms: 4102444800000",
        "lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-central-1:123456789012:function:credit",
        "lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
    ] {
        event.add_header(
            header
                .parse::<tiny_http::Header>()
                .map_err(|()| anyhow::anyhow!("{header}"))?,
        );
    }
    next.respond(event)?;
    let mut answer = api
        .recv_timeout(patience)?
        .context("the bootstrap answers")?;
    assert_eq!(
        answer.url(),
        "/2018-06-01/runtime/invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd/response"
    );
    let body: Value = serde_json::from_reader(answer.as_reader())?;
    let folder = tempfile::tempdir()?;
    let host = Host::up(&folder.path().join("state"), &[])?;
    host.deploy(&["credit"])?;
    assert_eq!(body, host.predict("credit", row)?.json()?);
    Ok(())
}

#[test]
fn every_target_gets_its_files() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for target in [
        "spin",
        "kubernetes",
        "spinkube",
        "knative",
        "lambda",
        "azure",
        "cloudrun",
        "systemd",
        "container",
    ] {
        let into = folder.path().join(target);
        let export = |more: &[&str]| {
            hyaline()
                .args([
                    "export",
                    "--target",
                    target,
                    "--image",
                    "registry.example/team/credit:1",
                    "--output",
                ])
                .arg(&into)
                .arg(packed("credit"))
                .args(more)
                .output()
                .context("start hyaline export")
        };
        let output = export(&[])?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{target}: {words}");
        assert!(count(&into)? > 0, "{target}: no files");
        // What somebody may have changed is not written over.
        assert_eq!(export(&[])?.status.code(), Some(1), "{target}");
        let again = export(&["--force"])?;
        ensure!(
            again.status.success(),
            "{target}: {}",
            String::from_utf8_lossy(&again.stderr)
        );
    }
    Ok(())
}

/// Files with something in them, in a folder and below.
fn count(folder: &Path) -> Result<usize> {
    let mut files = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        files += match path.is_dir() {
            true => count(&path)?,
            false => usize::from(std::fs::metadata(&path)?.len() > 0),
        };
    }
    Ok(files)
}

#[test]
fn a_function_travels_through_a_registry_unchanged_and_is_deployed_out_of_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let configuration = folder.path().join("registry.yml");
    std::fs::write(
        &configuration,
        format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n  \
             secret: test\n",
            folder.path().join("storage").display()
        ),
    )?;
    let _registry = Process(
        Command::new("docker-registry")
            .arg("serve")
            .arg(&configuration)
            .env_remove("OTEL_TRACES_EXPORTER")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start docker-registry; `cargo xtask setup` installs it")?,
    );
    patiently("the registry listens", || {
        Ok(TcpStream::connect(("127.0.0.1", port))
            .is_ok()
            .then_some(()))
    })?;
    let credit = packed("credit");
    let host = Host::up(&folder.path().join("state"), &[])?;
    let access = ["--plain-http", "--anonymous"];
    for layout in ["wasm", "spin"] {
        let reference = format!("127.0.0.1:{port}/team/credit:{layout}");
        let file = credit.to_string_lossy();
        host.run(
            &[
                &["push", &file, &reference, "--layout", layout],
                &access[..],
            ]
            .concat(),
        )?;
        let pulled = folder.path().join(layout);
        let output = pulled.to_string_lossy();
        host.run(&[&["pull", &reference, "-o", &output], &access[..]].concat())?;
        assert!(
            std::fs::read(&pulled)? == std::fs::read(&credit)?,
            "{layout}: other bytes"
        );
        let name = format!("credit-{layout}");
        let source = format!("oci://{reference}");
        host.run(&[&["deploy", &name, &source], &access[..]].concat())?;
        let answer = host.predict(&name, &golden("credit")?[0]["row"])?;
        ensure!(answer.status == 200, "{layout}: {}", answer.text());
    }
    Ok(())
}
