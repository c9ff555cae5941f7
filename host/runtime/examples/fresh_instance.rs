//! How long a request takes from nothing to its answer, in process: a fresh instance, one request, the instance gone.
//!
//! ```text
//! cargo run --release -p hyaline-runtime --example fresh_instance -- credit.wasm /predict '{"age": 30, …}'
//! ```
//!
//! Prints medians in microseconds: instance alone (typed door), and the whole request (HTTP door).

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyaline_runtime::{Engine, EngineConfig, Function, Policy};

const ROUNDS: usize = 2000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments
        .next()
        .ok_or("usage: fresh_instance COMPONENT [PATH [BODY]]")?;
    let path = arguments.next().unwrap_or("/".into());
    let body = Bytes::from(arguments.next().unwrap_or_default());

    let component = std::fs::read(&file)?;
    let started = Instant::now();
    let function = Function::load(
        &Engine::new(EngineConfig::default())?,
        &file,
        &component,
        Policy::default(),
    )?;
    println!(
        "load, not cached   {:>10.1} ms",
        started.elapsed().as_secs_f64() * 1e3
    );

    if function.has_typed_door() {
        let took = times(async || function.instance().map(drop)).await?;
        println!("instance           {:>10.1} µs", median(took));
    }
    if function.has_http_door() {
        let request = || {
            let method = if body.is_empty() { "GET" } else { "POST" };
            let request = Request::builder().method(method).uri(path.as_str());
            request
                .header("content-type", "application/json")
                .body(Full::new(body.clone()))
        };
        let answer = function.handle(request()?).await?;
        println!("status             {:>10}", answer.status().as_u16());
        println!(
            "{}",
            String::from_utf8_lossy(&answer.into_body().collect().await?.to_bytes())
        );
        let took = times(async || {
            function
                .handle(request().expect("it was built before"))
                .await?
                .into_body()
                .collect()
                .await
                .map(drop)
        })
        .await?;
        println!("request            {:>10.1} µs", median(took));
    }
    Ok(())
}

async fn times<E>(mut work: impl AsyncFnMut() -> Result<(), E>) -> Result<Vec<Duration>, E> {
    let mut took = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        work().await?;
        took.push(started.elapsed());
    }
    Ok(took)
}

fn median(mut took: Vec<Duration>) -> f64 {
    took.sort();
    took[took.len() / 2].as_secs_f64() * 1e6
}
