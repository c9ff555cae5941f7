//! How long a request takes from nothing to its answer, in process: a fresh instance, one request, the instance gone; and
//! what metering and reuse change of it.
//!
//! ```text
//! cargo run --release -p hyaline-runtime --example fresh_instance -- credit.wasm /predict '{"age": 30, …}'
//! ```
//!
//! Prints medians in microseconds: instance alone (typed door), and the whole request (HTTP door) in several ways. The
//! ways take turns, so that whatever else the machine does falls on all of them alike; before each measured request comes
//! one of the same way that is not, so that none finds the caches as another has left them.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyaline_runtime::{Engine, EngineConfig, Function, Invocation, Policy, Reuse};

const ROUNDS: usize = 3000;

type Fallible<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments
        .next()
        .ok_or("usage: fresh_instance COMPONENT [PATH [BODY]]")?;
    let path = arguments.next().unwrap_or("/".into());
    let body = Bytes::from(arguments.next().unwrap_or_default());

    let component = std::fs::read(&file)?;
    let load = |share_code, fuel| -> Fallible<Function> {
        let engine = Engine::new(EngineConfig {
            share_code,
            fuel,
            ..EngineConfig::default()
        })?;
        Ok(Function::load(
            &engine,
            &file,
            &component,
            Policy::default(),
        )?)
    };
    let started = Instant::now();
    let function = load(true, false)?;
    println!(
        "load, not cached   {:>10.1} ms",
        started.elapsed().as_secs_f64() * 1e3
    );
    if function.has_typed_door() {
        let mut took = Vec::new();
        for _ in 0..ROUNDS {
            let started = Instant::now();
            function.instance().map(drop)?;
            took.push(started.elapsed());
        }
        println!("instance           {:>10.1} µs", median(took));
    }
    if !function.has_http_door() {
        return Ok(());
    }
    let answer = function.handle(request(&path, &body)?).await?;
    println!("status             {:>10}", answer.status().as_u16());
    let content = answer.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8_lossy(&content));

    let meter = Policy {
        meter: Some(Arc::new(|_: &Invocation| {})),
        ..Policy::default()
    };
    let reuse = Policy {
        reuse: Some(Reuse {
            requests: u32::MAX,
            idle: Duration::from_secs(60),
        }),
        ..Policy::default()
    };
    let both = Policy {
        meter: meter.meter.clone(),
        ..reuse.clone()
    };
    let ways = [
        ("fresh", function.clone()),
        ("fresh, metered", function.with_policy(meter)?),
        ("fresh, whole code", load(false, false)?),
        ("fresh, with fuel", load(true, true)?),
        ("reused", function.with_policy(reuse)?),
        ("reused, metered", function.with_policy(both)?),
    ];
    let mut took = ways.each_ref().map(|_| Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        for (way, (_, function)) in ways.iter().enumerate() {
            for measured in [false, true] {
                let request = request(&path, &body)?;
                let started = Instant::now();
                let answer = function.handle(request).await?;
                answer.into_body().collect().await?;
                if measured {
                    took[way].push(started.elapsed());
                }
            }
        }
    }
    for ((name, _), took) in ways.iter().zip(took) {
        println!("{name:<18} {:>10.1} µs", median(took));
    }
    Ok(())
}

fn request(path: &str, body: &Bytes) -> Fallible<Request<Full<Bytes>>> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    Ok(Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Full::new(body.clone()))?)
}

fn median(mut took: Vec<Duration>) -> f64 {
    took.sort();
    took[took.len() / 2].as_secs_f64() * 1e6
}
