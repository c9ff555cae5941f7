//! The runtime against guests that behave and guests that do not.

#[path = "../guests/mod.rs"]
mod guests;

mod cache;
mod cached;
mod doors;
mod fuel;
mod misbehaviour;
mod policy;
mod records;
mod refusals;
mod reuse;
mod sharing;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyaline_runtime::{
    Engine, EngineConfig, Failure, Function, Invocation, Limits, Meter, Policy, ResponseBody,
};

fn engine() -> Engine {
    Engine::new(EngineConfig {
        concurrency: 8,
        cache: None,
        ..EngineConfig::default()
    })
    .expect("an engine starts")
}

/// Limits small enough to run into in a test.
fn tight() -> Limits {
    Limits {
        deadline: Duration::from_millis(100),
        memory: 1 << 20,
        table_elements: 1000,
        fuel: None,
    }
}

fn load(component: &[u8], limits: Limits) -> Function {
    load_in(&engine(), component, limits)
}

fn load_in(engine: &Engine, component: &[u8], limits: Limits) -> Function {
    Function::load(
        engine,
        "guest",
        component,
        Policy {
            limits,
            ..Policy::default()
        },
    )
    .expect("the guest loads")
}

async fn get(function: &Function) -> Result<Response<ResponseBody>, Failure> {
    function.handle(Request::new(Empty::<Bytes>::new())).await
}

async fn post(function: &Function, body: &'static str) -> Result<Response<ResponseBody>, Failure> {
    function
        .handle(Request::post("/").body(Full::<Bytes>::from(body)).unwrap())
        .await
}

async fn text(response: Response<ResponseBody>) -> Result<String, Failure> {
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).expect("the guest answers text"))
}

/// Keeps every record.
#[derive(Default)]
struct Ledger(Mutex<Vec<Invocation>>);

impl Meter for Ledger {
    fn record(&self, invocation: &Invocation) {
        self.0.lock().unwrap().push(invocation.clone());
    }
}

fn metered(component: &[u8], limits: Limits) -> (Function, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::default());
    let policy = Policy {
        limits,
        meter: Some(ledger.clone()),
        ..Policy::default()
    };
    (
        Function::load(&engine(), "guest", component, policy).expect("the guest loads"),
        ledger,
    )
}
