//! What many functions of one engine cost: time to prepare, load and first call each, memory per loaded idle function.
//!
//! ```text
//! cargo run --release -p hyaline-runtime --example density -- credit.wasm 1000 /predict '{"age": 30, …}'
//! ```
//!
//! The functions are one component under as many digests (a custom section tells them apart), each with files of its own.
//! Every figure comes once with code shared and once with every function compiled whole; of the latter there are fewer.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyaline_runtime::{Engine, EngineConfig, Function, Policy};

type Fallible<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: density COMPONENT FUNCTIONS [PATH [BODY]]";
    let component = std::fs::read(arguments.next().ok_or(usage)?)?;
    let count: u32 = arguments.next().ok_or(usage)?.parse()?;
    let path = arguments.next().unwrap_or("/".into());
    let body = Bytes::from(arguments.next().unwrap_or_default());
    println!(
        "component        {:>9.0} KiB",
        component.len() as f64 / 1024.0
    );
    for (share_code, count) in [(true, count), (false, count.min(20))] {
        measure(&component, share_code, count, &path, &body).await?;
    }
    Ok(())
}

async fn measure(
    component: &[u8],
    share_code: bool,
    count: u32,
    path: &str,
    body: &Bytes,
) -> Fallible<()> {
    println!(
        "\n{count} functions, {}",
        if share_code { "code shared" } else { "whole" }
    );
    let directory = std::env::temp_dir().join(format!("hyaline-density-{}", std::process::id()));
    let engine = || {
        Engine::new(EngineConfig {
            cache: Some(directory.clone()),
            share_code,
            ..EngineConfig::default()
        })
    };
    let mut digests = Vec::new();
    let mut prepared = Vec::new();
    {
        let engine = engine()?;
        for number in 0..count {
            let component = numbered(component, number);
            let started = Instant::now();
            digests.push(Function::prepare(&engine, "function", &component)?.digest());
            prepared.push(started.elapsed());
        }
    }
    println!("prepare, first   {:>9.1} ms", milliseconds(prepared[0]));
    println!(
        "prepare, median  {:>9.1} ms",
        milliseconds(median(prepared))
    );
    println!(
        "artefacts, each  {:>9.0} KiB",
        disk(&directory)? / 1024.0 / f64::from(count)
    );

    let engine = engine()?;
    let before = pss()?;
    let (mut loads, mut calls) = (Vec::new(), Vec::new());
    let mut functions = Vec::new();
    for digest in &digests {
        let started = Instant::now();
        let function =
            Function::load_cached(&engine, "function", *digest, Policy::default(), missing)?;
        loads.push(started.elapsed());
        call(&function, path, body).await?;
        calls.push(started.elapsed());
        functions.push(function);
    }
    println!("load, first      {:>9.2} ms", milliseconds(loads[0]));
    println!("load, median     {:>9.2} ms", milliseconds(median(loads)));
    println!("load+call, median{:>9.2} ms", milliseconds(median(calls)));
    let loaded = pss()?;
    println!(
        "PSS per function {:>9.0} KiB",
        (loaded - before) / f64::from(count)
    );
    let mut warm = Vec::new();
    for _ in 0..1000 {
        let started = Instant::now();
        call(&functions[0], path, body).await?;
        warm.push(started.elapsed());
    }
    println!("warm call, median{:>9.3} ms", milliseconds(median(warm)));
    drop(functions);
    println!("PSS after drop   {:>9.0} KiB", pss()? - before);
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

/// The component with a custom section that nobody reads.
fn numbered(component: &[u8], number: u32) -> Vec<u8> {
    let mut numbered = component.to_vec();
    numbered.extend([0, 8, 3, b'n', b'u', b'm']);
    numbered.extend(number.to_le_bytes());
    numbered
}

fn missing() -> io::Result<Vec<u8>> {
    Err(io::ErrorKind::NotFound.into())
}

async fn call(function: &Function, path: &str, body: &Bytes) -> Fallible<()> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Full::new(body.clone()))?;
    let answer = function.handle(request).await?;
    if !answer.status().is_success() {
        return Err(format!("the function answered {}", answer.status()).into());
    }
    answer.into_body().collect().await?;
    Ok(())
}

/// Proportional set size of this process in KiB.
fn pss() -> Fallible<f64> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib
        .ok_or("the system does not tell the PSS")?
        .trim()
        .parse()?)
}

/// Bytes of all files in a directory.
fn disk(directory: &Path) -> Fallible<f64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes as f64)
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() / 2]
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
