//! A function as the handler of an AWS Lambda function on the runtime `provided.al2023`.
//!
//! Lambda starts a program called `bootstrap`, tells it in environment variables where its runtime API is, and hands it
//! one event after the other. [`load`] makes the function ready, [`run`] asks for events with AWS's own client until the
//! environment is taken away. What an event means, and what goes back, is what [`hyaline_doors::lambda`] says: HTTP events
//! of API Gateway, function URLs and load balancers are the requests they describe, all other JSON is a prediction. So a
//! function answers the same behind Lambda as behind this host's own Invoke.
//!
//! ```text
//! runtime API ── next ──► event ──► request ──► Function::handle ──► response ──► payload ── response ──► runtime API
//!                                                    └─ refusal or failure ──► error document ── error ──► runtime API
//! ```

#![forbid(unsafe_code)]

mod environment;
mod handler;
mod init;

pub use environment::{EnvironmentError, find_component};
pub use init::load;

use hyaline_runtime::Function;
use lambda_runtime::service_fn;

/// Serves `function` until the runtime API goes away. `Err` instead of a function is what Lambda is told of the
/// initialisation (`/runtime/init/error`), and then returned.
///
/// Events are taken one at a time, or as many at once as `AWS_LAMBDA_MAX_CONCURRENCY` says. A function that is not done
/// shortly before the deadline of its event is stopped and reported, so that the environment lives on; Lambda itself would
/// end the whole environment, and the next event would find a cold one.
///
/// # Errors
/// [`EnvironmentError`] when this process was not started by Lambda or something that speaks its runtime API; the error
/// of the initialisation; or why the runtime API could not be asked any longer.
pub async fn run(function: anyhow::Result<Function>) -> anyhow::Result<()> {
    environment::check(|name| std::env::var(name).ok())?;
    let function = match function {
        Ok(function) => function,
        Err(error) => {
            init::report(&error).await;
            return Err(error);
        }
    };
    lambda_runtime::run_concurrent(service_fn(move |event| {
        let function = function.clone();
        async move { handler::handle(&function, event).await }
    }))
    .await
    .map_err(|error| anyhow::anyhow!("the runtime API of Lambda cannot be asked: {error}"))
}
