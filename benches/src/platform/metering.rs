//! What writing down every call costs: the same requests in process with and without a meter, by turns.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyaline_control::{FunctionName, VersionNumber};
use hyaline_metering::{Ledger, Meter, Outcome, PriceTable, Start, Usage};
use hyaline_runtime::{Function, Invocation};
use jiff::Timestamp;

use super::{Goal, figure, per_cent, section};
use crate::arguments::Arguments;
use crate::clock::median;
use crate::functions;
use crate::host::hyaline;
use crate::process::{Process, free_address};
use crate::report::{Report, us};
use crate::wrk::Shot;

const MODEL: &str = "credit";
const ROUNDS: usize = 10_000;
const LONGEST: Duration = Duration::from_secs(20);
const SECONDS: u32 = 3;

/// Measures in process, then a request over loopback to have something to compare with.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let folder = arguments.scratch()?;
    let body = arguments.golden_body(MODEL)?;
    let function = functions::load(arguments, MODEL)?;
    let file = folder.path().join("usage.redb");
    let ledger = Ledger::open(&file, PriceTable::aws_lambda_x86())?;
    let meter = ledger
        .version(&FunctionName::new(MODEL)?, VersionNumber::FIRST)
        .caller("");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (plain, metered) = runtime.block_on(by_turns(&function, &meter, &body))?;

    let address = free_address()?;
    let mut serve = hyaline(&arguments.hyaline, folder.path());
    serve
        .arg("serve")
        .arg(arguments.functions.join(MODEL).with_extension("wasm"));
    serve.args(["--listen", &address]);
    let mut server = Process::start(&mut serve, folder.path().join("serve.log"))?;
    server.wait_for(&address)?;
    let shot = Shot::post(&body)?;
    let url = format!("http://{address}/predict");
    shot.load(&url, 1, 1)?;
    let load = shot.load(&url, 1, SECONDS)?;
    server.stop()?;

    section(report, "Metering (credit, /predict, fresh instance)");
    let cost = metered - plain;
    figure(
        report,
        "a request in process, not metered",
        Goal::Open,
        plain,
        us,
    );
    figure(
        report,
        "the same, metered and recorded",
        Goal::Open,
        metered,
        us,
    );
    figure(
        report,
        "metering, of a request in process",
        Goal::Open,
        100.0 * cost / plain,
        per_cent,
    );
    let each = 1e6 / load.requests_per_second;
    figure(
        report,
        "a request over loopback, one connection",
        Goal::Open,
        each,
        us,
    );
    let part = 100.0 * cost / (each - cost);
    figure(
        report,
        "metering, of such a request without it",
        Goal::AtMost(3.0),
        part,
        per_cent,
    );
    Ok(())
}

/// Median microseconds without and with a meter.
async fn by_turns(function: &Function, meter: &Meter, body: &str) -> Result<(f64, f64)> {
    let limit = function.limits().memory;
    let (mut plain, mut metered) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        if begun.elapsed() > LONGEST {
            break;
        }
        for metered_way in [false, true] {
            // Before each measured request comes one of the same way that is not, so that neither finds the caches as the
            // other has left them.
            for measured in [false, true] {
                let request = Request::post("/predict")
                    .header("content-type", "application/json")
                    .body(Full::<Bytes>::from(body.to_owned()))?;
                let started = Instant::now();
                let response = if metered_way {
                    let record = recorded(meter.clone(), limit);
                    function.handle_metered(request, record).await?
                } else {
                    function.handle(request).await?
                };
                let status = response.status();
                response.into_body().collect().await?;
                let took = started.elapsed().as_secs_f64() * 1e6;
                if !status.is_success() {
                    bail!("{MODEL} answered {status}");
                }
                if measured {
                    if metered_way {
                        &mut metered
                    } else {
                        &mut plain
                    }
                    .push(took);
                }
            }
        }
    }
    if plain.is_empty() {
        return Err(anyhow::Error::msg("nothing was measured")).context(MODEL);
    }
    Ok((median(plain), median(metered)))
}

/// Writes an invocation down as a host does.
fn recorded(meter: Meter, limit: u64) -> impl FnOnce(Invocation) + Send {
    let begun = Timestamp::now();
    move |invocation| {
        let usage = Usage {
            begun,
            wall: invocation.wall,
            cpu: invocation.cpu,
            peak_memory: invocation.peak_memory,
            memory_limit: limit,
            bytes_in: invocation.bytes_in,
            bytes_out: invocation.bytes_out,
            fuel: invocation.fuel,
            start: Start::Warm,
            outcome: Outcome::Answered { status: Some(200) },
        };
        // Who runs out of money is told elsewhere; here nobody has a budget.
        drop(meter.record(&usage));
    }
}
